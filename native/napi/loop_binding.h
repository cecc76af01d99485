// SPDX-License-Identifier: Apache-2.0
//
// LoopDelays(intervalMs) in JavaScript: read() gives count, min, max, mean, deviation, p50, p90 and p99 in nanoseconds, of the
// delays of this thread's event loop since the last read(). It costs a look at the clock for each turn of the loop, and no turns.
#pragma once

#include <napi.h>

namespace vsnat::binding {

Napi::Function define_loop_delays(Napi::Env env);

}  // namespace vsnat::binding
