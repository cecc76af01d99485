// SPDX-License-Identifier: Apache-2.0
#include "napi/icmp_binding.h"

#include <uv.h>

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "io/icmp_socket.h"
#include "napi/errors.h"
#include "napi/watched.h"

namespace vsnat::binding {
namespace {

/** Replies read per wake-up; a flood of them gets no more of the event loop than this at a time. */
constexpr int kReadsPerTurn = 64;
constexpr size_t kBufferBytes = 2048;

using Watching = Watched<io::IcmpSocket>;

void on_readable(uv_poll_t* poll, int status, int) {
  auto* watched = static_cast<Watching*>(poll->data);
  if (status < 0) return;
  std::array<std::byte, kBufferBytes> buffer;
  const Napi::Env env{watched->env};
  for (int i = 0; i < kReadsPerTurn && !watched->closing; ++i) {
    bool more = false;
    const auto received = watched->socket.receive(buffer, more);
    if (!more) return;
    if (!received) continue;
    Napi::HandleScope scope(env);
    const auto* bytes = reinterpret_cast<const uint8_t*>(received->message.data());
    if (!watched->call({Napi::Buffer<uint8_t>::Copy(env, bytes, received->message.size()),
                        Napi::String::New(env, received->from)})) {
      return;
    }
  }
}

class IcmpBinding : public Napi::ObjectWrap<IcmpBinding> {
 public:
  explicit IcmpBinding(const Napi::CallbackInfo& info) : Napi::ObjectWrap<IcmpBinding>(info) { open(info); }

  void open(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!info[0].IsBoolean() || !(info[1].IsString() || info[1].IsNull()) || !info[2].IsFunction()) {
      Napi::TypeError::New(env, "IcmpSocket: needs (ipv6, source or null, receive)")
          .ThrowAsJavaScriptException();
      return;
    }
    auto opened = io::IcmpSocket::open(info[0].As<Napi::Boolean>(), info[1].IsNull() ? "" : text(info[1]));
    if (!opened) return throw_errno(env, opened.error());
    auto watched = Watching::watch(env, std::move(opened.value()), info[2].As<Napi::Function>(), on_readable);
    if (!watched) return throw_errno(env, watched.error());
    watched_ = watched.value();
  }

  void send(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!info[0].IsString() || !info[1].IsTypedArray()) {
      Napi::TypeError::New(env, "IcmpSocket.send: needs an address and bytes").ThrowAsJavaScriptException();
      return;
    }
    if (watched_ == nullptr) return throw_errno(env, {EBADF, "sendto"});
    const auto message = info[1].As<Napi::Uint8Array>();
    const auto error = watched_->socket.send(
        text(info[0]), {reinterpret_cast<const std::byte*>(message.Data()), message.ByteLength()});
    if (error) throw_errno(env, *error);
  }

  void close(const Napi::CallbackInfo&) {
    if (auto* watched = std::exchange(watched_, nullptr)) watched->close();
  }

 private:
  static std::string text(const Napi::Value& value) { return value.As<Napi::String>(); }

  /** Owned by the event loop; an object that is collected without close() leaves it open until the environment ends. */
  Watching* watched_ = nullptr;
};

}  // namespace

Napi::Function define_icmp_socket(Napi::Env env) {
  return IcmpBinding::DefineClass(env, "IcmpSocket",
                                  {IcmpBinding::InstanceMethod<&IcmpBinding::send>("send"),
                                   IcmpBinding::InstanceMethod<&IcmpBinding::close>("close")});
}

}  // namespace vsnat::binding
