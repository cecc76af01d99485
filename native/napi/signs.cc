// SPDX-License-Identifier: Apache-2.0
#include "napi/signs.h"

#include <algorithm>
#include <array>
#include <vector>

namespace vsnat::binding {
namespace {

constexpr size_t kSignColumns = 7;

uint64_t samples(const nat::Histogram& histogram) {
  uint64_t sum = 0;
  for (const Counter& bucket : histogram.counts) sum += bucket.read();
  return sum;
}

/** Of all queues together. */
struct Signs {
  uint64_t connections = 0, answers = 0, repeated = 0, refused = 0, resets = 0, unreachable = 0;

  void add(const Counter& given, const nat::ServerSignals& signals) {
    connections += given.read();
    answers += samples(signals.handshake) + signals.handshakes_ambiguous.read();
    answers += samples(signals.first_byte) + signals.first_bytes_ambiguous.read();
    repeated += signals.syn_repeated.read();
    refused += signals.handshakes_refused.read();
    resets += signals.resets.read();
    unreachable += signals.unreachable.read();
  }
};

uint64_t packets(const nat::Tally& tally, uint32_t slot) {
  return tally.volume(slot, flow::Direction::request).packets +
         tally.volume(slot, flow::Direction::reply).packets;
}

}  // namespace

Napi::Value read_signs(Napi::Env env, engine::Engine& engine, Napi::Uint32Array slots,
                       Napi::Float64Array seen) {
  std::vector<double> rows;
  const size_t count = std::min(slots.ElementLength(), seen.ElementLength());
  for (size_t i = 0; i < count; ++i) {
    const uint32_t slot = slots[i];
    if (slot >= engine.limits().server_slots) continue;
    uint64_t now = 0;
    for (size_t q = 0; q < engine.queue_count(); ++q) now += packets(engine.lane(q).tally, slot);
    if (double(now) == seen[i]) continue;
    seen[i] = double(now);
    Signs signs;
    for (size_t q = 0; q < engine.queue_count(); ++q) {
      const nat::Tally& tally = engine.lane(q).tally;
      signs.add(tally.connections(slot), tally.signals(slot));
    }
    const std::array<double, kSignColumns> row = {
        double(i),
        double(signs.connections),
        double(signs.answers),
        double(signs.repeated),
        double(signs.refused),
        double(signs.resets),
        double(signs.unreachable),
    };
    rows.insert(rows.end(), row.begin(), row.end());
  }
  Napi::Float64Array out = Napi::Float64Array::New(env, rows.size());
  std::copy(rows.begin(), rows.end(), out.Data());
  return out;
}

}  // namespace vsnat::binding
