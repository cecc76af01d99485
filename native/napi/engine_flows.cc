// SPDX-License-Identifier: Apache-2.0
//
// The flows of an engine, a page at a time.
#include <arpa/inet.h>

#include "napi/engine_binding.h"
#include "napi/errors.h"
#include "napi/values.h"

namespace vsnat::binding {
namespace {

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

}  // namespace

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

}  // namespace vsnat::binding
