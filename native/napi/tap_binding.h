// SPDX-License-Identifier: Apache-2.0
//
// The JavaScript class `PacketTap`: packets as they pass, in batches, watched by Node's event loop. Its shape is
// `PacketTapClass` in src/dataplane/native.ts.
#pragma once

#include <napi.h>

namespace vsnat::binding {

Napi::Function define_packet_tap(Napi::Env env);

/** interfaceIndex(name): 0 when there is no such interface. */
Napi::Value find_interface(const Napi::CallbackInfo& info);

}  // namespace vsnat::binding
