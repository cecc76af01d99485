// SPDX-License-Identifier: Apache-2.0
#include "napi/engine_binding.h"

#include <arpa/inet.h>

#include <cstring>

#include "napi/counters.h"
#include "napi/decode.h"
#include "napi/errors.h"
#include "napi/signs.h"

namespace vsnat::binding {
namespace {

Napi::Value number(Napi::Env env, uint64_t value) {
  return Napi::Number::New(env, double(value));
}

std::string text_of(const service::IpAddress& address) {
  char text[INET6_ADDRSTRLEN];
  const void* bytes = address.family == 4 ? static_cast<const void*>(&address.v4) : &address.v6;
  return ::inet_ntop(address.family == 4 ? AF_INET : AF_INET6, bytes, text, sizeof(text)) ? text : "?";
}

const char* protocol_name(uint8_t protocol) {
  if (protocol == wire::kProtoTcp) return "tcp";
  if (protocol == wire::kProtoSctp) return "sctp";
  return protocol == wire::kProtoUdp ? "udp" : "ip";
}

Napi::Object encode_row(Napi::Env env, const engine::FlowRow& row) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("protocol", Napi::String::New(env, protocol_name(row.protocol)));
  const char* state = row.is_assured ? "ASSURED" : flow::state_name(row.state);
  out.Set("state", Napi::String::New(env, state));
  out.Set("expiresInSeconds", Napi::Number::New(env, double(row.expires_in_ticks) / kTicksPerSecond));
  out.Set("clientAddress", Napi::String::New(env, text_of(row.client)));
  out.Set("clientPort", number(env, row.client_port));
  out.Set("virtualAddress", Napi::String::New(env, text_of(row.virt)));
  out.Set("virtualPort", number(env, row.virtual_port));
  out.Set("realAddress", Napi::String::New(env, text_of(row.real)));
  out.Set("realPort", number(env, row.real_port));
  out.Set("serviceSlot", number(env, row.service_slot));
  out.Set("serverSlot", number(env, row.server_slot));
  out.Set("queue", number(env, row.queue));
  if (row.call_id_length != 0) {
    napi_value call_id;
    napi_create_string_latin1(env, row.call_id.data(), row.call_id_length, &call_id);
    out.Set("callId", Napi::Value(env, call_id));
  }
  return out;
}

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

Napi::Function EngineBinding::define(Napi::Env env) {
  return DefineClass(env, "Engine",
                     {
                         InstanceMethod<&EngineBinding::facts>("facts"),
                         InstanceMethod<&EngineBinding::publish>("publish"),
                         InstanceMethod<&EngineBinding::update>("update"),
                         InstanceMethod<&EngineBinding::cursor>("cursor"),
                         InstanceMethod<&EngineBinding::load>("load"),
                         InstanceMethod<&EngineBinding::signs>("signs"),
                         InstanceMethod<&EngineBinding::end_flows>("endFlows"),
                         InstanceMethod<&EngineBinding::ending>("ending"),
                         InstanceMethod<&EngineBinding::swap_seconds>("swapSeconds"),
                         InstanceMethod<&EngineBinding::lead_check>("leadCheck"),
                         InstanceMethod<&EngineBinding::end_check>("endCheck"),
                         InstanceMethod<&EngineBinding::defend>("defend"),
                         InstanceMethod<&EngineBinding::direct>("direct"),
                         InstanceMethod<&EngineBinding::take_directly>("takeDirectly"),
                         InstanceMethod<&EngineBinding::counters>("counters"),
                         InstanceMethod<&EngineBinding::flows>("flows"),
                         InstanceMethod<&EngineBinding::start>("start"),
                         InstanceMethod<&EngineBinding::process>("process"),
                         InstanceMethod<&EngineBinding::expire>("expire"),
                         InstanceMethod<&EngineBinding::failure>("failure"),
                         InstanceMethod<&EngineBinding::close>("close"),
                         InstanceAccessor<&EngineBinding::closed>("closed"),
                     });
}

EngineBinding::EngineBinding(const Napi::CallbackInfo& info) : ObjectWrap(info), env_(info.Env()) {
  OpenOptions options;
  if (const std::string problem = decode_options(info[0], options); !problem.empty()) {
    throw_error(info.Env(), "VSNAT_DATAPLANE", problem);
    return;
  }
  tun_ = options.tun;
  auto opened = tun_ ? engine::Engine::open_tun(options.engine, options.device)
                     : engine::Engine::open_memory(options.engine);
  if (!opened) {
    throw_system_error(info.Env(), opened.error());
    return;
  }
  engine_ = std::move(opened.value());
  hooked_ = napi_add_env_cleanup_hook(env_, on_environment_exit, this) == napi_ok;
}

EngineBinding::~EngineBinding() {
  if (hooked_) napi_remove_env_cleanup_hook(env_, on_environment_exit, this);
}

void EngineBinding::on_environment_exit(void* self) {
  auto* binding = static_cast<EngineBinding*>(self);
  binding->hooked_ = false;
  binding->engine_.reset();
}

bool EngineBinding::open(Napi::Env env) const {
  if (engine_) return true;
  throw_error(env, "VSNAT_DATAPLANE", "engine: is closed");
  return false;
}

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
  out.Set("ingressRefusal", no_ingress.empty() ? env.Null() : Napi::String::New(env, no_ingress));
  return out;
}

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

namespace {

/** The argument as a slot below `slots`, or `slots`. */
uint32_t slot_of(Napi::Value value, uint32_t slots) {
  const double n = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  return n >= 0 && n < slots ? uint32_t(n) : slots;
}

}  // namespace

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

Napi::Value EngineBinding::swap_seconds(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!open(env)) return {};
  return Napi::Number::New(env, double(engine_->swap_ns()) / 1e9);
}

Napi::Value EngineBinding::ending(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!open(env)) return {};
  Napi::Object out = Napi::Object::New(env);
  out.Set("done", Napi::Boolean::New(env, engine_->has_ended_flows()));
  out.Set("ended", number(env, engine_->flows_ended()));
  return out;
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

Napi::Value EngineBinding::counters(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!open(env)) return {};
  const std::string part = info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : "all";
  if (part == "queues") return encode_counters(env, *engine_, CountersPart::kQueues);
  if (part == "traffic") return encode_counters(env, *engine_, CountersPart::kTraffic);
  return encode_counters(env, *engine_, CountersPart::kAll);
}

Napi::Value EngineBinding::flows(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!open(env)) return {};
  constexpr double kMaxRows = 65536;
  const double cursor = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : -1;
  const double limit = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : 0;
  if (!(cursor >= 0 && cursor <= 9007199254740991.0) || !(limit >= 1 && limit <= kMaxRows)) {
    throw_error(env, "VSNAT_DATAPLANE",
                "flows: needs a cursor from an earlier page (or 0) and a limit from 1 to 65536");
    return {};
  }
  std::vector<engine::FlowRow> rows;
  const Now now = tun_ ? engine::Engine::monotonic_now() : memory_now_;
  uint64_t next = uint64_t(cursor);
  // Free records are looked at, too: go on until the page has rows or the table ends.
  while (rows.empty() && next != engine::kWalkEnd) next = engine_->walk(next, uint32_t(limit), now, rows);
  Napi::Object page = Napi::Object::New(env);
  Napi::Array out = Napi::Array::New(env, rows.size());
  for (uint32_t i = 0; i < rows.size(); ++i) out.Set(i, encode_row(env, rows[i]));
  page.Set("rows", out);
  page.Set("next", next == engine::kWalkEnd ? env.Null() : number(env, next));
  return page;
}

Napi::Value EngineBinding::start(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!open(env)) return {};
  if (!tun_) {
    throw_error(env, "VSNAT_DATAPLANE", "start: a memory device has no threads; call process()");
  } else if (engine_->current() == nullptr) {
    throw_error(env, "VSNAT_DATAPLANE", "start: publish a snapshot first");
  } else if (!started_) {
    if (auto started = engine_->start(); !started) {
      throw_system_error(env, started.error());
    } else {
      started_ = true;
    }
  }
  return env.Undefined();
}

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

Napi::Value EngineBinding::failure(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!open(env)) return {};
  const int error = engine_->failure();
  if (error == 0) return env.Null();
  return Napi::String::New(env, error == EBADFD ? "the TUN device was deleted" : std::strerror(error));
}

Napi::Value EngineBinding::close(const Napi::CallbackInfo& info) {
  engine_.reset();
  return info.Env().Undefined();
}

Napi::Value EngineBinding::closed(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), engine_ == nullptr);
}

}  // namespace vsnat::binding
