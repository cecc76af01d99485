// SPDX-License-Identifier: Apache-2.0
#include "napi/loop_binding.h"

#include <uv.h>

#include <memory>
#include <utility>

#include "base/loop_delays.h"
#include "napi/errors.h"

namespace vsnat::binding {
namespace {

/** Called at the end of each turn, just before the loop waits. Freed in the callback of uv_close, as napi/watched.h. */
struct Turns {
  Turns(uv_loop_t* of, uint64_t interval_ns)
      : loop(of), delays(interval_ns, uv_hrtime()), ended(uv_hrtime()), idle(uv_metrics_idle_time(of)) {}

  uv_loop_t* loop;
  LoopDelays delays;
  /** When the last turn ended, and how long the loop had waited in all by then. */
  uint64_t ended, idle;
  uv_prepare_t prepare{};
  napi_async_cleanup_hook_handle hook = nullptr;
  bool closing = false;

  /** Since when it has not waited. Node has libuv measure the waiting (UV_METRICS_IDLE_TIME). */
  uint64_t busy_since() const { return ended + (uv_metrics_idle_time(loop) - idle); }

  void turn() {
    const uint64_t now = uv_hrtime();
    delays.turn(busy_since(), now);
    idle = uv_metrics_idle_time(loop);
    ended = now;
  }

  void close() {
    if (closing) return;
    closing = true;
    uv_prepare_stop(&prepare);
    uv_close(reinterpret_cast<uv_handle_t*>(&prepare), [](uv_handle_t* handle) {
      std::unique_ptr<Turns> self{static_cast<Turns*>(handle->data)};
      if (self->hook != nullptr) napi_remove_async_cleanup_hook(self->hook);
    });
  }
};

class LoopBinding : public Napi::ObjectWrap<LoopBinding> {
 public:
  explicit LoopBinding(const Napi::CallbackInfo& info) : Napi::ObjectWrap<LoopBinding>(info) { begin(info); }

  void begin(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const double interval_ms = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : 0;
    if (!(interval_ms >= 1 && interval_ms <= 1e6)) {
      Napi::TypeError::New(env, "LoopDelays: needs milliseconds").ThrowAsJavaScriptException();
      return;
    }
    uv_loop_t* loop = nullptr;
    if (napi_get_uv_event_loop(env, &loop) != napi_ok) return throw_errno(env, {ENOSYS, "uv_loop"});
    auto made = std::make_unique<Turns>(loop, uint64_t(interval_ms * 1e6));
    uv_prepare_init(loop, &made->prepare);  // cannot fail
    turns_ = made.release();
    turns_->prepare.data = turns_;
    napi_add_async_cleanup_hook(
        env, [](napi_async_cleanup_hook_handle, void* of) { static_cast<Turns*>(of)->close(); }, turns_,
        &turns_->hook);
    uv_prepare_start(&turns_->prepare,
                     [](uv_prepare_t* handle) { static_cast<Turns*>(handle->data)->turn(); });
    uv_unref(reinterpret_cast<uv_handle_t*>(&turns_->prepare));
  }

  Napi::Value read(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (turns_ == nullptr) {
      throw_errno(env, {EBADF, "LoopDelays.read"});
      return {};
    }
    // What this turn takes is told next time.
    turns_->delays.idle_until(turns_->busy_since());
    const LoopDelays::Summary told = turns_->delays.take();
    auto out = Napi::Float64Array::New(env, 8);
    size_t at = 0;
    for (const double value : {double(told.count), double(told.min), double(told.max), told.mean,
                               told.deviation, double(told.p50), double(told.p90), double(told.p99)}) {
      out[at++] = value;
    }
    return out;
  }

  void close(const Napi::CallbackInfo&) {
    if (auto* turns = std::exchange(turns_, nullptr)) turns->close();
  }

 private:
  /** Owned by the event loop. */
  Turns* turns_ = nullptr;
};

}  // namespace

Napi::Function define_loop_delays(Napi::Env env) {
  return LoopBinding::DefineClass(env, "LoopDelays",
                                  {LoopBinding::InstanceMethod<&LoopBinding::read>("read"),
                                   LoopBinding::InstanceMethod<&LoopBinding::close>("close")});
}

}  // namespace vsnat::binding
