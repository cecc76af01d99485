// SPDX-License-Identifier: Apache-2.0
//
// What an engine is asked: nothing here changes how a packet goes.
#include "napi/counters.h"
#include "napi/engine_binding.h"
#include "napi/errors.h"
#include "napi/signs.h"
#include "napi/values.h"

namespace vsnat::binding {

Napi::Value EngineBinding::facts(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!open(env)) return {};
  const io::TunFacts& facts = engine_->facts();
  Napi::Object out = Napi::Object::New(env);
  out.Set("name", Napi::String::New(env, facts.name));
  out.Set("index", number(env, uint64_t(facts.index)));
  out.Set("queues", number(env, engine_->queue_count()));
  out.Set("vnetHeader", Napi::Boolean::New(env, facts.vnet_header));
  out.Set("checksumOffload", Napi::Boolean::New(env, facts.checksum));
  out.Set("tso4", Napi::Boolean::New(env, facts.tso4));
  out.Set("tso6", Napi::Boolean::New(env, facts.tso6));
  out.Set("uso4", Napi::Boolean::New(env, facts.uso4));
  out.Set("uso6", Napi::Boolean::New(env, facts.uso6));
  constexpr const char* kSteering[] = {"none", "client-endpoint", "random"};
  out.Set("steering", Napi::String::New(env, kSteering[size_t(engine_->steering())]));
  const std::string& refusal = engine_->direct_refusal();
  out.Set("directEgress", Napi::Boolean::New(env, engine_->can_direct()));
  out.Set("uring", engine_->uses_uring());
  const std::string& why = engine_->uring_refusal();
  out.Set("uringRefusal", why.empty() ? env.Null() : Napi::String::New(env, why));
  out.Set("directRefusal", refusal.empty() ? env.Null() : Napi::String::New(env, refusal));
  const std::string& no_ingress = engine_->ingress_refusal();
  out.Set("directIngress", Napi::Boolean::New(env, engine_->can_take_directly()));
  out.Set("shortcuts", engine_->can_have_shortcuts());
  out.Set("ingressRefusal", no_ingress.empty() ? env.Null() : Napi::String::New(env, no_ingress));
  return out;
}

Napi::Value EngineBinding::cursor(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!open(env)) return {};
  const service::Snapshot* snapshot = engine_->current();
  const uint32_t slot = slot_of(info[0], engine_->limits().service_slots);
  const bool known = snapshot != nullptr && slot < engine_->limits().service_slots;
  const service::Service* service = known ? snapshot->service_at(slot) : nullptr;
  return number(env, service == nullptr ? 0 : service->cursor->load(std::memory_order_relaxed));
}

Napi::Value EngineBinding::load(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!open(env)) return {};
  const uint32_t slot = slot_of(info[0], engine_->limits().server_slots);
  const service::ServerLoad none;
  const service::ServerLoad& now = slot < engine_->limits().server_slots ? engine_->load(slot) : none;
  Napi::Object out = Napi::Object::New(env);
  out.Set("active", number(env, now.active.load(std::memory_order_relaxed)));
  out.Set("inactive", number(env, now.inactive.load(std::memory_order_relaxed)));
  out.Set("persistent", number(env, now.persistent.load(std::memory_order_relaxed)));
  return out;
}

Napi::Value EngineBinding::signs(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!open(env)) return {};
  const auto is = [](const Napi::Value& value, napi_typedarray_type type) {
    return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
  };
  if (!is(info[0], napi_uint32_array) || !is(info[1], napi_float64_array)) {
    throw_error(env, "VSNAT_DATAPLANE", "signs: needs slots as Uint32Array and packets seen as Float64Array");
    return {};
  }
  return read_signs(env, *engine_, info[0].As<Napi::Uint32Array>(), info[1].As<Napi::Float64Array>());
}

Napi::Value EngineBinding::ending(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!open(env)) return {};
  Napi::Object out = Napi::Object::New(env);
  out.Set("done", Napi::Boolean::New(env, engine_->has_ended_flows()));
  out.Set("ended", number(env, engine_->flows_ended()));
  return out;
}

Napi::Value EngineBinding::swap_seconds(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!open(env)) return {};
  return Napi::Number::New(env, double(engine_->swap_ns()) / 1e9);
}

Napi::Value EngineBinding::counters(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!open(env)) return {};
  const std::string part = info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : "all";
  if (part == "queues") return encode_counters(env, *engine_, CountersPart::kQueues);
  if (part == "traffic") return encode_counters(env, *engine_, CountersPart::kTraffic);
  return encode_counters(env, *engine_, CountersPart::kAll);
}

}  // namespace vsnat::binding
