// SPDX-License-Identifier: Apache-2.0
//
// The JavaScript class `IcmpSocket`: an ICMP socket watched by Node's event loop. Its shape is `IcmpSocketClass` in
// src/dataplane/native.ts. It lives until close(); an environment that ends closes what is still open.
#pragma once

#include <napi.h>

namespace vsnat::binding {

Napi::Function define_icmp_socket(Napi::Env env);

}  // namespace vsnat::binding
