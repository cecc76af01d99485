// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <string>

#include "base/result.h"

namespace vsnat::binding {

/** Throw an Error with a `code` of src/errors.ts. */
void throw_error(Napi::Env env, const char* code, const std::string& message);

/** A failed system call as Node shows its own: code, errno, syscall and a sentence. */
void throw_system_error(Napi::Env env, const SysError& error);

}  // namespace vsnat::binding
