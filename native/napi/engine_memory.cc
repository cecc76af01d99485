// SPDX-License-Identifier: Apache-2.0
//
// An engine over a memory device: packets and time are handed in.
#include "napi/engine_binding.h"
#include "napi/errors.h"

namespace vsnat::binding {
namespace {

std::string verdict_word(const nat::Outcome& outcome) {
  switch (outcome.verdict) {
    case nat::Verdict::forward:
      return "forwarded";
    case nat::Verdict::pass:
      return "passed";
    case nat::Verdict::answer:
      return "generated";
    case nat::Verdict::held:
      return "held";
    case nat::Verdict::drop:
      break;
  }
  return kDropReasons[size_t(outcome.reason)].name;
}

}  // namespace

Napi::Value EngineBinding::process(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  ProcessCall call;
  std::string problem = decode_process(info[0], call);
  if (!open(env)) return {};  // after decoding: a getter may have closed us
  if (problem.empty() && tun_) problem = "process: this engine reads its packets from a TUN device";
  if (problem.empty() && engine_->current() == nullptr) problem = "process: publish a snapshot first";
  if (!problem.empty()) {
    throw_error(env, "VSNAT_DATAPLANE", problem);
    return {};
  }
  memory_now_ = call.now;
  std::vector<engine::MemoryPacket> leaving;
  const nat::Outcome outcome = engine_->process(call.packet, call.now, leaving);
  Napi::Object out = Napi::Object::New(env);
  Napi::Array outputs = Napi::Array::New(env);
  for (uint32_t i = 0; i < leaving.size(); ++i) {
    const engine::MemoryPacket& one = leaving[i];
    Napi::Object packet = Napi::Object::New(env);
    packet.Set("packet", Napi::Buffer<uint8_t>::Copy(env, one.bytes.data(), one.bytes.size()));
    packet.Set("vnet", Napi::Buffer<uint8_t>::Copy(env, reinterpret_cast<const uint8_t*>(&one.vnet),
                                                   sizeof(one.vnet)));
    outputs.Set(i, packet);
  }
  out.Set("outputs", outputs);
  out.Set("verdict", Napi::String::New(env, verdict_word(outcome)));
  return out;
}

Napi::Value EngineBinding::expire(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!open(env)) return {};
  const double now = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : -1;
  if (tun_ || !(now >= 0 && now <= 9007199254740991.0)) {
    throw_error(env, "VSNAT_DATAPLANE", "expire: needs a time in milliseconds, and a memory device");
    return {};
  }
  memory_now_ = Now{uint64_t(now)};
  engine_->expire(memory_now_);
  return env.Undefined();
}

}  // namespace vsnat::binding
