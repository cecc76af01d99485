// SPDX-License-Identifier: Apache-2.0
//
// Signs of trouble, many times a second: of the servers that are asked about, those with packets since the last look, and
// of them only the numbers that tell a dead server from a living one. All counters would be a hundred times as much.
#pragma once

#include <napi.h>

#include "engine/engine.h"

namespace vsnat::binding {

/**
 * `slots` are the servers to look at, `seen` how many packets each had at the last look; it is brought up to date. Rows of
 * `kSignColumns` doubles of those that have more now: the place in `slots`, then what src/dataplane/signs.ts names.
 */
Napi::Value read_signs(Napi::Env env, engine::Engine& engine, Napi::Uint32Array slots,
                       Napi::Float64Array seen);

}  // namespace vsnat::binding
