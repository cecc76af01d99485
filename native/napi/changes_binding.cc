// SPDX-License-Identifier: Apache-2.0
#include "napi/changes_binding.h"

#include <uv.h>

#include <string>
#include <utility>
#include <vector>

#include "io/host_changes.h"
#include "napi/errors.h"
#include "napi/watched.h"

namespace vsnat::binding {
namespace {

using io::HostChanges;
using Watching = Watched<HostChanges>;

/** Deaf from here on: a host where much happens must not wake this thread for each thing. */
void on_readable(uv_poll_t* poll, int, int) {
  auto* watched = static_cast<Watching*>(poll->data);
  uv_poll_stop(poll);
  const Napi::HandleScope scope(Napi::Env{watched->env});
  watched->call({});
}

std::optional<std::vector<HostChanges::Subject>> decode_subjects(const Napi::Value& value) {
  if (!value.IsArray()) return std::nullopt;
  const auto names = value.As<Napi::Array>();
  std::vector<HostChanges::Subject> subjects;
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const Napi::Value name = names[i];
    const auto subject =
        name.IsString() ? HostChanges::subject_of(name.As<Napi::String>().Utf8Value()) : std::nullopt;
    if (!subject) return std::nullopt;
    subjects.push_back(*subject);
  }
  return subjects;
}

class ChangesBinding : public Napi::ObjectWrap<ChangesBinding> {
 public:
  explicit ChangesBinding(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ChangesBinding>(info) {
    const Napi::Env env = info.Env();
    const auto subjects = decode_subjects(info[0]);
    if (!subjects || !info[1].IsNumber() || !info[2].IsFunction()) {
      Napi::TypeError::New(env, "HostChanges: needs (subjects, protocol of routes, heard)")
          .ThrowAsJavaScriptException();
      return;
    }
    start(env, *subjects, uint8_t(info[1].As<Napi::Number>().Uint32Value()), info[2].As<Napi::Function>());
  }

  /** What has come so far is of the past. */
  void listen(const Napi::CallbackInfo&) {
    if (watched_ == nullptr) return;
    watched_->socket.forget();
    uv_poll_start(&watched_->poll, UV_READABLE, on_readable);
  }

  void close(const Napi::CallbackInfo&) {
    if (auto* watched = std::exchange(watched_, nullptr)) watched->close();
  }

 private:
  void start(Napi::Env env, const std::vector<HostChanges::Subject>& subjects, uint8_t route_protocol,
             Napi::Function heard) {
    auto opened = HostChanges::open(subjects, route_protocol);
    if (!opened) return throw_errno(env, opened.error());
    auto watched = Watching::watch(env, std::move(opened.value()), heard, on_readable);
    if (!watched) return throw_errno(env, watched.error());
    watched_ = watched.value();
    uv_unref(reinterpret_cast<uv_handle_t*>(&watched_->poll));
  }

  /** Owned by the event loop; an object that is collected without close() leaves it open until the environment ends. */
  Watching* watched_ = nullptr;
};

}  // namespace

Napi::Function define_host_changes(Napi::Env env) {
  return ChangesBinding::DefineClass(env, "HostChanges",
                                     {ChangesBinding::InstanceMethod<&ChangesBinding::listen>("listen"),
                                      ChangesBinding::InstanceMethod<&ChangesBinding::close>("close")});
}

}  // namespace vsnat::binding
