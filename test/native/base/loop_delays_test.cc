// SPDX-License-Identifier: Apache-2.0
//
// Delays of an event loop that are counted, beside a timer that is simulated step by step.
#include "base/loop_delays.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "test/native/check.h"

namespace vsnat {
namespace {

using test::Random;

constexpr uint64_t kMs = 1'000'000, kInterval = 10 * kMs;

/** What libuv does: the timer is looked at where a turn ends, or as soon as it is due while the loop waits. */
struct Timer {
  uint64_t last = 0;
  std::vector<uint64_t> samples;
  void look(uint64_t now) {
    if (now < last + kInterval) return;
    samples.push_back(now - last);
    last = now;
  }
  void turn(uint64_t begin, uint64_t end) {
    while (last + kInterval <= begin) look(last + kInterval);
    look(end);
  }
};

TEST("an idle loop has delays of the interval, however long it slept") {
  LoopDelays delays(kInterval, 0);
  delays.turn(60'000 * kMs, 60'000 * kMs + 1000);
  const auto told = delays.take();
  CHECK_EQ(told.count, 6000u);
  CHECK_EQ(told.min, kInterval);
  CHECK(told.max <= kInterval + 1000);
  CHECK_EQ(told.p50, kInterval);
  CHECK(std::abs(told.mean - double(kInterval)) < 1);
}

TEST("a turn that takes long is one delay, from when the timer fired last") {
  LoopDelays delays(kInterval, 0);
  delays.turn(5 * kMs, 305 * kMs);
  const auto told = delays.take();
  CHECK_EQ(told.count, 1u);
  CHECK_EQ(told.max, 305 * kMs);
  CHECK_EQ(told.p99, 305 * kMs);
}

TEST("delays are those of the last time they were taken on") {
  LoopDelays delays(kInterval, 0);
  delays.turn(0, 500 * kMs);
  CHECK_EQ(delays.take().max, 500 * kMs);
  CHECK_EQ(delays.take().count, 0u);
  CHECK_EQ(delays.take().min, 0u);
  delays.idle_until(520 * kMs);
  CHECK_EQ(delays.take().count, 2u);
}

TEST("delays are those of a timer, in loops that wait and work for any time") {
  Random random("loop delays");
  for (int round = 0; round < test::scaled(200); ++round) {
    LoopDelays delays(kInterval, 0);
    Timer timer;
    uint64_t now = 0;
    for (int turn = 0; turn < 200; ++turn) {
      const uint64_t begin = now + random.below(random.below(4) == 0 ? 200'000'000 : 2'000'000);
      now = begin + random.below(random.below(8) == 0 ? 300'000'000 : 500'000);
      delays.turn(begin, now);
      timer.turn(begin, now);
    }
    auto& samples = timer.samples;
    std::sort(samples.begin(), samples.end());
    const auto told = delays.take();
    CHECK_EQ(told.count, samples.size());
    CHECK_EQ(told.min, samples.front());
    CHECK_EQ(told.max, samples.back());
    double sum = 0, squares = 0;
    for (const uint64_t sample : samples) sum += double(sample);
    const double mean = sum / double(samples.size());
    for (const uint64_t sample : samples) squares += (double(sample) - mean) * (double(sample) - mean);
    CHECK(std::abs(told.mean - mean) <= mean * 1e-9);
    const double deviation = std::sqrt(squares / double(samples.size()));
    CHECK(std::abs(told.deviation - deviation) <= deviation * 1e-3 + 1);
    for (const auto& [percent, found] : {std::pair{50u, told.p50}, {90u, told.p90}, {99u, told.p99}}) {
      const uint64_t exact = samples[(samples.size() * percent + 99) / 100 - 1];
      CHECK(found >= exact && double(found) <= double(exact) * (1 + 1.0 / 64) + 2000);
    }
  }
}

}  // namespace
}  // namespace vsnat
