// SPDX-License-Identifier: Apache-2.0
//
// Time is an argument. A worker reads the clock once per burst and hands `Now` down; nothing below engine/
// knows a clock. Flow expiry counts in ticks of 1/8 s: coarse enough that 32 bits last 17 years (so wrap-safe
// comparison covers 8 years ahead), fine enough for IPVS's shortest timeout (2 s). How long a server takes to answer is
// measured in stamps of a microsecond, as fine as the clock is read: once per burst.
#pragma once

#include <cstdint>

namespace vsnat {

inline constexpr uint32_t kTicksPerSecond = 8;

struct Tick {
  uint32_t count = 0;

  friend constexpr bool operator==(Tick, Tick) = default;
  /** True when this moment lies after `other`; wrap-safe over half the range. */
  constexpr bool after(Tick other) const { return int32_t(count - other.count) > 0; }
  constexpr Tick plus(uint32_t ticks) const { return Tick{count + ticks}; }
  /** Ticks from `earlier` to this moment; negative when `earlier` is in fact later. */
  constexpr int32_t since(Tick earlier) const { return int32_t(count - earlier.count); }
};

/** A moment in microseconds, for spans of up to an hour: 32 bits go round in 71 minutes. */
struct Stamp {
  uint32_t us = 0;

  /**
   * Microseconds from `earlier` to this moment. None when `earlier` is a little later: another queue may have read the
   * clock after us and looked at its packet before.
   */
  constexpr uint32_t since(Stamp earlier) const {
    constexpr uint32_t kFarthestAhead = 1u << 28;  // 268 s, far more than a burst
    const uint32_t passed = us - earlier.us;
    return passed > ~kFarthestAhead ? 0 : passed;
  }
};

/** A moment of monotonic time, in milliseconds since an arbitrary start. */
struct Now {
  uint64_t ms = 0;
  uint32_t us = 0;  // beyond them, 0..999

  static constexpr Now from_ns(uint64_t ns) { return {ns / 1'000'000, uint32_t(ns / 1000 % 1000)}; }
  constexpr Tick tick() const { return Tick{uint32_t(ms / (1000 / kTicksPerSecond))}; }
  constexpr Stamp stamp() const { return Stamp{uint32_t(ms * 1000 + us)}; }
};

constexpr uint32_t ticks_from_seconds(uint32_t seconds) {
  return seconds * kTicksPerSecond;
}

}  // namespace vsnat
