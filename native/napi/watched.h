// SPDX-License-Identifier: Apache-2.0
//
// What the event loop knows of a socket that is read when it can be. Freed in the callback of uv_close, which may come
// after the JavaScript object is gone; the descriptor stays open until then, as uv_poll asks for.
#pragma once

#include <napi.h>
#include <uv.h>

#include <memory>
#include <utility>

#include "base/result.h"

namespace vsnat::binding {

template <class Socket>
struct Watched {
  Watched(napi_env of, Socket opened) : env(of), socket(std::move(opened)) {}

  napi_env env;
  Socket socket;
  uv_poll_t poll{};
  Napi::FunctionReference receive;
  napi_async_cleanup_hook_handle hook = nullptr;
  bool closing = false;

  /**
   * Owned by the event loop from here on: the object goes with close(), or else with its environment. `on_readable` finds
   * it in the handle's `data`, and calls `receive`.
   */
  static Result<Watched*> watch(Napi::Env env, Socket opened, Napi::Function receive,
                                uv_poll_cb on_readable) {
    uv_loop_t* loop = nullptr;
    if (napi_get_uv_event_loop(env, &loop) != napi_ok) return SysError{ENOSYS, "uv_loop"};
    auto made = std::make_unique<Watched>(env, std::move(opened));
    const int failed = uv_poll_init(loop, &made->poll, made->socket.fd());
    if (failed != 0) return SysError{-failed, "uv_poll"};
    Watched* const self = made.release();
    self->poll.data = self;
    self->receive = Napi::Persistent(receive);
    napi_add_async_cleanup_hook(
        env, [](napi_async_cleanup_hook_handle, void* of) { static_cast<Watched*>(of)->close(); }, self,
        &self->hook);
    uv_poll_start(&self->poll, UV_READABLE, on_readable);
    return self;
  }

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

  /** False: it threw, and the process has been told. */
  bool call(std::initializer_list<napi_value> arguments) {
    const Napi::Env of{env};
    receive.MakeCallback(of.Global(), arguments);
    if (!of.IsExceptionPending()) return true;
    napi_fatal_exception(of, of.GetAndClearPendingException().Value());
    return false;
  }
};

}  // namespace vsnat::binding
