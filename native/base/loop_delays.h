// SPDX-License-Identifier: Apache-2.0
//
// How long an event loop keeps those waiting who come to it: what a timer every `interval` would have measured, and without
// the timer, which wakes an idle process a hundred times a second (perf_hooks.monitorEventLoopDelay, which prom-client's
// nodejs_eventloop_lag_* are made of). The loop says, once a turn, how long it was busy; the times at which the timer would
// have fired between turns are counted, not waited for.
//
// As libuv's repeating timer: it fires in the first turn after it is due, and next an interval after that turn. A sample
// is the time since the one before, so that of an idle loop is the interval itself.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace vsnat {

class LoopDelays {
 public:
  /** In nanoseconds. Of percentiles, within 1/kSteps. */
  struct Summary {
    uint64_t count = 0, min = 0, max = 0;
    double mean = 0, deviation = 0;
    uint64_t p50 = 0, p90 = 0, p99 = 0;
  };

  explicit LoopDelays(uint64_t interval_ns, uint64_t now_ns)
      : interval_(std::max<uint64_t>(interval_ns, 1)), last_(now_ns) {}

  /** A turn of the loop ended at `end`, after it had not been waiting since `begin`; before that it was. */
  void turn(uint64_t begin, uint64_t end) {
    idle_until(begin);
    if (end < last_ + interval_) return;
    add(end - last_, 1);
    last_ = end;
  }

  /** The loop has been waiting up to `now`. */
  void idle_until(uint64_t now) {
    if (now < last_ + interval_) return;
    const uint64_t fired = (now - last_) / interval_;
    add(interval_, fired);
    last_ += fired * interval_;
  }

  /** Of all samples since the last call. */
  Summary take() {
    Summary summary{samples_, samples_ == 0 ? 0 : min_, max_};
    if (samples_ > 0) {
      summary.mean = sum_ / double(samples_);
      const double variance = squares_ / double(samples_) - summary.mean * summary.mean;
      summary.deviation = std::sqrt(std::max(variance, 0.0));
      summary.p50 = percentile(50);
      summary.p90 = percentile(90);
      summary.p99 = percentile(99);
    }
    *this = LoopDelays(interval_, last_);
    return summary;
  }

 private:
  static constexpr unsigned kStepBits = 6;
  static constexpr uint64_t kSteps = uint64_t{1} << kStepBits;
  /** Microseconds below 2^32: more than an hour. */
  static constexpr unsigned kDoublings = 32 - kStepBits;

  void add(uint64_t ns, uint64_t times) {
    if (times == 0) return;
    samples_ += times;
    min_ = std::min(min_, ns);
    max_ = std::max(max_, ns);
    sum_ += double(ns) * double(times);
    squares_ += double(ns) * double(ns) * double(times);
    buckets_[bucket_of(ns / 1000)] += times;
  }

  /** kSteps of equal width between a power of two and the next; below kSteps one for each microsecond. */
  static size_t bucket_of(uint64_t us) {
    us = std::min<uint64_t>(us, UINT32_MAX);
    if (us < kSteps) return size_t(us);
    const unsigned shift = unsigned(std::bit_width(us)) - 1 - kStepBits;
    return size_t((shift + 1) * kSteps + (us >> shift) - kSteps);
  }
  /** The longest of a bucket. */
  static uint64_t end_of(size_t bucket) {
    if (bucket < kSteps) return bucket;
    const unsigned shift = unsigned(bucket / kSteps) - 1;
    return ((kSteps + bucket % kSteps + 1) << shift) - 1;
  }

  uint64_t percentile(unsigned percent) const {
    const uint64_t wanted = (samples_ * percent + 99) / 100;
    uint64_t counted = 0;
    for (size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
      counted += buckets_[bucket];
      if (counted >= wanted) return std::clamp(end_of(bucket) * 1000 + 999, min_, max_);
    }
    return max_;
  }

  uint64_t interval_, last_;
  uint64_t samples_ = 0, min_ = UINT64_MAX, max_ = 0;
  double sum_ = 0, squares_ = 0;
  std::array<uint64_t, (kDoublings + 1) * kSteps> buckets_{};
};

}  // namespace vsnat
