// SPDX-License-Identifier: Apache-2.0
//
// JavaScript values into plain specs. The second line of defence: TypeScript has validated already, so a
// complaint here is a bug of the caller; it still names the path ("services[0].servers[2].weight") and
// nothing is published.
#pragma once

#include <napi.h>

#include <string>

#include "engine/engine.h"

namespace vsnat::binding {

enum class Told : uint8_t { everything, changes };

/** Empty when `value` was decoded into `spec`, else what is wrong and where. */
std::string decode_snapshot(Napi::Value value, service::SnapshotSpec& spec, Told told);

std::string decode_ending(Napi::Value selection, Napi::Value ending, nat::EndSpec& spec);

std::string decode_check(Napi::Value value, nat::CheckEnds& ends);

std::string decode_defence(Napi::Value value, nat::DefenceSpec& spec);

/** Options of `new Engine()`. */
struct OpenOptions {
  bool tun = false;
  engine::EngineOptions engine;
  engine::TunOptions device;
};
std::string decode_options(Napi::Value value, OpenOptions& options);

struct ProcessCall {
  engine::MemoryPacket packet;
  Now now;
};
std::string decode_process(Napi::Value value, ProcessCall& call);

}  // namespace vsnat::binding
