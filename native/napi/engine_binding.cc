// SPDX-License-Identifier: Apache-2.0
//
// The class itself: its names in JavaScript, and its life.
#include "napi/engine_binding.h"

#include <cstring>

#include "napi/errors.h"

namespace vsnat::binding {

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
