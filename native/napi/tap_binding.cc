// SPDX-License-Identifier: Apache-2.0
#include "napi/tap_binding.h"

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "io/packet_tap.h"
#include "napi/errors.h"
#include "napi/watched.h"

namespace vsnat::binding {
namespace {

/** Batches per wake-up: a flood of packets gets no more of the event loop than this at a time. */
constexpr int kReadsPerTurn = 16;
/** Numbers that describe a packet: offset, bytes kept, length, seconds, nanoseconds, interface, outgoing. */
constexpr size_t kFacts = 7;

using Watching = Watched<io::PacketTap>;

/** All of a batch at once: the bytes one behind the other, and numbers that say what is where. */
bool hand_over(Watching& watched, std::span<const io::PacketTap::Seen> batch) {
  const Napi::Env env{watched.env};
  Napi::HandleScope scope(env);
  size_t total = 0;
  for (const auto& seen : batch) total += seen.bytes.size();
  auto bytes = Napi::Buffer<uint8_t>::New(env, total);
  auto facts = Napi::Float64Array::New(env, batch.size() * kFacts);
  size_t offset = 0, at = 0;
  for (const auto& seen : batch) {
    std::memcpy(bytes.Data() + offset, seen.bytes.data(), seen.bytes.size());
    for (const double fact :
         {double(offset), double(seen.bytes.size()), double(seen.length), double(seen.seconds),
          double(seen.nanoseconds), double(seen.interface), double(seen.outgoing)}) {
      facts[at++] = fact;
    }
    offset += seen.bytes.size();
  }
  return watched.call({bytes, facts});
}

void on_readable(uv_poll_t* poll, int, int) {
  auto* watched = static_cast<Watching*>(poll->data);
  for (int i = 0; i < kReadsPerTurn && !watched->closing; ++i) {
    const auto batch = watched->socket.read();
    if (batch.empty() || !hand_over(*watched, batch)) return;
  }
}

/** Four numbers an instruction: code, jump_true, jump_false, value. */
std::vector<io::PacketTap::Instruction> decode_program(const Napi::Uint32Array& numbers) {
  std::vector<io::PacketTap::Instruction> program(numbers.ElementLength() / 4);
  for (size_t i = 0; i < program.size(); ++i) {
    program[i] = {uint16_t(numbers[4 * i]), uint8_t(numbers[4 * i + 1]), uint8_t(numbers[4 * i + 2]),
                  numbers[4 * i + 3]};
  }
  return program;
}

bool is_program(const Napi::Value& value) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint32_array;
}

class TapBinding : public Napi::ObjectWrap<TapBinding> {
 public:
  explicit TapBinding(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TapBinding>(info) {
    const Napi::Env env = info.Env();
    if (!is_program(info[0]) || !info[1].IsFunction()) {
      Napi::TypeError::New(env, "PacketTap: needs (program, receive)").ThrowAsJavaScriptException();
      return;
    }
    start(env, decode_program(info[0].As<Napi::Uint32Array>()), info[1].As<Napi::Function>());
  }

  void filter(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!is_program(info[0])) {
      Napi::TypeError::New(env, "PacketTap.filter: needs a program").ThrowAsJavaScriptException();
      return;
    }
    if (watched_ == nullptr) return throw_errno(env, {EBADF, "SO_ATTACH_FILTER"});
    const auto program = decode_program(info[0].As<Napi::Uint32Array>());
    if (const auto failed = watched_->socket.filter(program)) throw_errno(env, *failed);
  }

  Napi::Value dropped(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), watched_ == nullptr ? 0 : watched_->socket.dropped());
  }

  void close(const Napi::CallbackInfo&) {
    if (auto* watched = std::exchange(watched_, nullptr)) watched->close();
  }

 private:
  /** Filtered from its first packet on. */
  void start(Napi::Env env, const std::vector<io::PacketTap::Instruction>& program, Napi::Function receive) {
    auto opened = io::PacketTap::open();
    if (!opened) return throw_errno(env, opened.error());
    if (const auto failed = opened.value().filter(program)) return throw_errno(env, *failed);
    if (const auto failed = opened.value().start()) return throw_errno(env, *failed);
    auto watched = Watching::watch(env, std::move(opened.value()), receive, on_readable);
    if (!watched) return throw_errno(env, watched.error());
    watched_ = watched.value();
  }

  /** Owned by the event loop; an object that is collected without close() leaves it open until the environment ends. */
  Watching* watched_ = nullptr;
};

}  // namespace

Napi::Function define_packet_tap(Napi::Env env) {
  return TapBinding::DefineClass(env, "PacketTap",
                                 {TapBinding::InstanceMethod<&TapBinding::filter>("filter"),
                                  TapBinding::InstanceMethod<&TapBinding::dropped>("dropped"),
                                  TapBinding::InstanceMethod<&TapBinding::close>("close")});
}

Napi::Value find_interface(const Napi::CallbackInfo& info) {
  const std::string name = info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : "";
  return Napi::Number::New(info.Env(), io::interface_index(name));
}

}  // namespace vsnat::binding
