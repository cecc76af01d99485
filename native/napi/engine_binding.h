// SPDX-License-Identifier: Apache-2.0
//
// The JavaScript class `Engine`: decode arguments, call the engine, encode results. No logic. Its shape is
// src/dataplane/native.ts; docs of each method are in src/dataplane/dataplane.ts.
//
// Lifetime: the engine's threads are joined by close(), by the finalizer, or by the environment's cleanup
// hook, whichever comes first; a process that exits without any of them takes its threads with it. One engine
// belongs to one environment, and several environments (worker_threads) may each have their own.
#pragma once

#include <napi.h>

#include <memory>

#include "engine/engine.h"
#include "napi/decode.h"

namespace vsnat::binding {

class EngineBinding : public Napi::ObjectWrap<EngineBinding> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit EngineBinding(const Napi::CallbackInfo& info);
  ~EngineBinding() override;

 private:
  Napi::Value start(const Napi::CallbackInfo& info);
  Napi::Value failure(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  Napi::Value closed(const Napi::CallbackInfo& info);

  // engine_told.cc
  Napi::Value publish(const Napi::CallbackInfo& info);
  Napi::Value update(const Napi::CallbackInfo& info);
  Napi::Value publish_as(const Napi::CallbackInfo& info, Told told);
  Napi::Value end_flows(const Napi::CallbackInfo& info);
  Napi::Value lead_check(const Napi::CallbackInfo& info);
  Napi::Value end_check(const Napi::CallbackInfo& info);
  Napi::Value defend(const Napi::CallbackInfo& info);
  Napi::Value direct(const Napi::CallbackInfo& info);
  Napi::Value take_directly(const Napi::CallbackInfo& info);

  // engine_asked.cc
  Napi::Value facts(const Napi::CallbackInfo& info);
  Napi::Value cursor(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
  Napi::Value signs(const Napi::CallbackInfo& info);
  Napi::Value ending(const Napi::CallbackInfo& info);
  Napi::Value swap_seconds(const Napi::CallbackInfo& info);
  Napi::Value counters(const Napi::CallbackInfo& info);

  // engine_flows.cc
  Napi::Value flows(const Napi::CallbackInfo& info);

  // engine_memory.cc
  Napi::Value process(const Napi::CallbackInfo& info);
  Napi::Value expire(const Napi::CallbackInfo& info);

  /** False, with a JavaScript error pending, once closed. */
  bool open(Napi::Env env) const;
  static void on_environment_exit(void* self);

  std::unique_ptr<engine::Engine> engine_;
  Now memory_now_;  // the latest time process() or expire() was given
  bool tun_ = false;
  bool started_ = false;
  bool hooked_ = false;
  napi_env env_ = nullptr;
};

}  // namespace vsnat::binding
