// SPDX-License-Identifier: Apache-2.0
//
// What an engine is told: policy, endings, and which ways to go.
#include "napi/engine_binding.h"
#include "napi/errors.h"
#include "napi/values.h"

namespace vsnat::binding {

Napi::Value EngineBinding::publish(const Napi::CallbackInfo& info) {
  return publish_as(info, Told::everything);
}

Napi::Value EngineBinding::update(const Napi::CallbackInfo& info) {
  return publish_as(info, Told::changes);
}

Napi::Value EngineBinding::publish_as(const Napi::CallbackInfo& info, Told told) {
  const Napi::Env env = info.Env();
  service::SnapshotSpec spec;
  std::string problem = decode_snapshot(info[0], spec, told);
  if (!open(env)) return {};  // after decoding: a getter in the spec may have closed us
  if (problem.empty()) problem = told == Told::changes ? engine_->update(spec) : engine_->publish(spec);
  if (!problem.empty()) {
    throw_error(env, "VSNAT_DATAPLANE", problem);
    return {};
  }
  return number(env, engine_->generation());
}

Napi::Value EngineBinding::end_flows(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  nat::EndSpec spec;
  std::string problem = decode_ending(info[0], info[1], spec);
  if (!open(env)) return {};  // after decoding: a getter may have closed us
  if (problem.empty() && !engine_->end_flows(spec))
    problem = "endFlows: must wait for the last one to be done";
  if (!problem.empty()) {
    throw_error(env, "VSNAT_DATAPLANE", problem);
    return {};
  }
  return env.Undefined();
}

Napi::Value EngineBinding::lead_check(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!open(env)) return {};
  const auto [server_slots, service_slots] = engine_->limits();
  const uint32_t port = slot_of(info[0], 65536);
  const nat::CheckPorts::Lead to{slot_of(info[1], service_slots), slot_of(info[2], server_slots)};
  if (port == 0 || port == 65536 || to.service_slot == service_slots || to.server_slot == server_slots) {
    throw_error(env, "VSNAT_DATAPLANE",
                "leadCheck: needs a port, the slot of a service and the slot of a server");
    return {};
  }
  return Napi::Boolean::New(env, engine_->lead_check(uint16_t(port), to));
}

Napi::Value EngineBinding::end_check(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  nat::CheckEnds ends;
  const std::string problem = decode_check(info[0], ends);
  if (!open(env)) return {};  // after decoding: a getter may have closed us
  if (!problem.empty()) {
    throw_error(env, "VSNAT_DATAPLANE", problem);
    return {};
  }
  engine_->end_check(ends);
  return env.Undefined();
}

Napi::Value EngineBinding::defend(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  nat::DefenceSpec spec;
  const std::string problem = decode_defence(info[0], spec);
  if (!open(env)) return {};  // after decoding: a getter may have closed us
  if (!problem.empty()) {
    throw_error(env, "VSNAT_DATAPLANE", problem);
    return {};
  }
  engine_->set_defence(spec);
  return env.Undefined();
}

Napi::Value EngineBinding::direct(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!open(env)) return {};
  if (!info[0].IsBoolean()) {
    throw_error(env, "VSNAT_DATAPLANE", "direct: needs true or false");
    return {};
  }
  engine_->set_direct(info[0].As<Napi::Boolean>().Value());
  return env.Undefined();
}

Napi::Value EngineBinding::take_directly(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!open(env)) return {};
  const bool is_list = info[0].IsArray();
  std::vector<unsigned> interfaces;
  if (is_list) {
    const auto list = info[0].As<Napi::Array>();
    for (uint32_t i = 0; i < list.Length(); ++i)
      if (const Napi::Value index = list[i]; index.IsNumber())
        interfaces.push_back(index.As<Napi::Number>().Uint32Value());
  }
  if (!is_list || interfaces.size() != info[0].As<Napi::Array>().Length()) {
    throw_error(env, "VSNAT_DATAPLANE", "takeDirectly: needs a list of interface indexes");
    return {};
  }
  return number(env, engine_->take_directly(interfaces));
}

}  // namespace vsnat::binding
