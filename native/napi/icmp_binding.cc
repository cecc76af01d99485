// SPDX-License-Identifier: Apache-2.0
#include "napi/icmp_binding.h"

#include <uv.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "io/icmp_socket.h"

namespace vsnat::binding {
namespace {

/** Replies read per wake-up; a flood of them gets no more of the event loop than this at a time. */
constexpr int kReadsPerTurn = 64;
constexpr size_t kBufferBytes = 2048;

/** As Node shows failed system calls: the code is what decides in src/health/message.ts. */
void throw_errno(Napi::Env env, const SysError& error) {
  const char* code = uv_err_name(-error.error);
  Napi::Error thrown = Napi::Error::New(env, error.operation + ": " + code);
  thrown.Set("code", Napi::String::New(env, code));
  thrown.Set("errno", Napi::Number::New(env, -error.error));
  thrown.Set("syscall", Napi::String::New(env, error.operation));
  thrown.ThrowAsJavaScriptException();
}

/**
 * What the event loop knows of a socket. Freed in the callback of uv_close, which may come after the JavaScript object
 * is gone; the descriptor stays open until then, as uv_poll asks for.
 */
struct Watched {
  Watched(napi_env of, io::IcmpSocket opened) : env(of), socket(std::move(opened)) {}

  napi_env env;
  io::IcmpSocket socket;
  uv_poll_t poll{};
  Napi::FunctionReference receive;
  napi_async_cleanup_hook_handle hook = nullptr;
  bool closing = false;

  void close() {
    if (closing) return;
    closing = true;
    uv_poll_stop(&poll);
    receive.Reset();
    uv_close(reinterpret_cast<uv_handle_t*>(&poll), [](uv_handle_t* handle) {
      std::unique_ptr<Watched> self{static_cast<Watched*>(handle->data)};
      if (self->hook != nullptr) napi_remove_async_cleanup_hook(self->hook);
    });
  }
};

void on_readable(uv_poll_t* poll, int status, int) {
  auto* watched = static_cast<Watched*>(poll->data);
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
    watched->receive.MakeCallback(env.Global(),
                                  {Napi::Buffer<uint8_t>::Copy(env, bytes, received->message.size()),
                                   Napi::String::New(env, received->from)});
    if (env.IsExceptionPending()) {
      napi_fatal_exception(env, env.GetAndClearPendingException().Value());
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
    uv_loop_t* loop = nullptr;
    if (napi_get_uv_event_loop(env, &loop) != napi_ok) return throw_errno(env, {ENOSYS, "uv_loop"});
    auto watched = std::make_unique<Watched>(env, std::move(opened.value()));
    const int failed = uv_poll_init(loop, &watched->poll, watched->socket.fd());
    if (failed != 0) return throw_errno(env, {-failed, "uv_poll"});
    watched_ = watched.release();
    watched_->poll.data = watched_;
    watched_->receive = Napi::Persistent(info[2].As<Napi::Function>());
    napi_add_async_cleanup_hook(
        env, [](napi_async_cleanup_hook_handle, void* self) { static_cast<Watched*>(self)->close(); },
        watched_, &watched_->hook);
    uv_poll_start(&watched_->poll, UV_READABLE, on_readable);
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
  Watched* watched_ = nullptr;
};

}  // namespace

Napi::Function define_icmp_socket(Napi::Env env) {
  return IcmpBinding::DefineClass(env, "IcmpSocket",
                                  {IcmpBinding::InstanceMethod<&IcmpBinding::send>("send"),
                                   IcmpBinding::InstanceMethod<&IcmpBinding::close>("close")});
}

}  // namespace vsnat::binding
