// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <string>

#include "base/result.h"

namespace vsnat::binding {

/** Throw an Error with a `code` of src/errors.ts. */
void throw_error(Napi::Env env, const char* code, const std::string& message);

/** A failed system call of the device, with a `code` of src/errors.ts and what mends it. */
void throw_system_error(Napi::Env env, const SysError& error);

/** A failed system call as Node shows its own: the code is the errno's name, and decides in TypeScript. */
void throw_errno(Napi::Env env, const SysError& error);

}  // namespace vsnat::binding
