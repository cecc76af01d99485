// SPDX-License-Identifier: Apache-2.0
//
// The addon's door: classes and what there is to know. The only directory that includes <napi.h> is this one.
#include <napi.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "base/drop_reason.h"
#include "base/unique_fd.h"
#include "io/check_socket.h"
#include "napi/changes_binding.h"
#include "napi/engine_binding.h"
#include "napi/errors.h"
#include "napi/icmp_binding.h"
#include "napi/loop_binding.h"
#include "napi/tap_binding.h"
#include "nat/signals.h"

namespace vsnat::binding {
namespace {

/** Raised when the shapes in src/dataplane change; native.ts refuses another number. */
constexpr int kAbi = 9;

template <size_t N>
Napi::Array encode_list(Napi::Env env, const NamedHelp (&list)[N]) {
  Napi::Array out = Napi::Array::New(env, N);
  for (uint32_t i = 0; i < N; ++i) {
    Napi::Object item = Napi::Object::New(env);
    item.Set("name", Napi::String::New(env, list[i].name));
    item.Set("help", Napi::String::New(env, list[i].help));
    out.Set(i, item);
  }
  return out;
}

Napi::Value drop_reasons(const Napi::CallbackInfo& info) {
  return encode_list(info.Env(), kDropReasons);
}
Napi::Value generated_kinds(const Napi::CallbackInfo& info) {
  return encode_list(info.Env(), kGeneratedKinds);
}

/** The bounds of its histograms, in seconds, for whoever has to be sure that both sides mean the same. */
Napi::Value latency_bounds(const Napi::CallbackInfo& info) {
  Napi::Array out = Napi::Array::New(info.Env());
  for (const uint32_t us : nat::kLatencyBounds) out.Set(out.Length(), double(us) / 1e6);
  return out;
}

/** notify(path, text): one datagram to a service manager's socket, which Node cannot send itself. */
Napi::Value notify(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsString() || !info[1].IsString()) {
    throw_error(env, "VSNAT_DATAPLANE", "notify: needs a socket path and a text");
    return {};
  }
  const std::string path = info[0].As<Napi::String>(), text = info[1].As<Napi::String>();
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(to.sun_path)) {
    throw_error(env, "VSNAT_DATAPLANE", "notify: the socket path is empty or too long");
    return {};
  }
  std::memcpy(to.sun_path, path.data(), path.size());
  if (path[0] == '@') to.sun_path[0] = '\0';  // an abstract socket (systemd's sd_notify(3))
  UniqueFd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  const auto length = socklen_t(offsetof(sockaddr_un, sun_path) + path.size());
  if (!socket || ::sendto(socket.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                          reinterpret_cast<const sockaddr*>(&to), length) < 0) {
    throw_system_error(env, SysError{errno, "sendto " + path});
    return {};
  }
  return env.Undefined();
}

/** openCheckSocket(transport, source, port): a descriptor, for whoever takes it to close. */
Napi::Value open_check_socket(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsString() || !info[1].IsString() || !info[2].IsNumber()) {
    Napi::TypeError::New(env, "openCheckSocket: needs (tcp or udp, source, port)")
        .ThrowAsJavaScriptException();
    return {};
  }
  const std::string transport = info[0].As<Napi::String>(), source = info[1].As<Napi::String>();
  const auto kind = transport == "udp" ? io::CheckTransport::udp : io::CheckTransport::tcp;
  auto socket = io::open_check_socket(kind, source, uint16_t(info[2].As<Napi::Number>().Uint32Value()));
  if (!socket) {
    throw_errno(env, socket.error());
    return {};
  }
  return Napi::Number::New(env, socket.value().release());
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("Engine", EngineBinding::define(env));
  exports.Set("IcmpSocket", define_icmp_socket(env));
  exports.Set("PacketTap", define_packet_tap(env));
  exports.Set("HostChanges", define_host_changes(env));
  exports.Set("LoopDelays", define_loop_delays(env));
  exports.Set("interfaceIndex", Napi::Function::New(env, find_interface, "interfaceIndex"));
  exports.Set("dropReasons", Napi::Function::New(env, drop_reasons, "dropReasons"));
  exports.Set("generatedKinds", Napi::Function::New(env, generated_kinds, "generatedKinds"));
  exports.Set("latencyBounds", Napi::Function::New(env, latency_bounds, "latencyBounds"));
  exports.Set("openCheckSocket", Napi::Function::New(env, open_check_socket, "openCheckSocket"));
  exports.Set("notify", Napi::Function::New(env, notify, "notify"));
  exports.Set("abi", Napi::Number::New(env, kAbi));
  exports.Set("version", Napi::String::New(env, "0.1.0"));
  return exports;
}

NODE_API_MODULE(vsnat, init)

}  // namespace
}  // namespace vsnat::binding
