// SPDX-License-Identifier: Apache-2.0
//
// Counters on their way to JavaScript. A configuration may have 100,000 servers and a scrape wants them all, so they
// cross as rows of a Float64Array, not as that many objects with a dozen names each; src/dataplane/counters.ts knows
// the columns.
#pragma once

#include <napi.h>

#include "engine/engine.h"

namespace vsnat::binding {

/** How much of it: most who ask look at a part, and signals are four fifths of all there is. */
enum class CountersPart { kAll, kTraffic, kQueues };

Napi::Object encode_counters(Napi::Env env, engine::Engine& engine, CountersPart part);

}  // namespace vsnat::binding
