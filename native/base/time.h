// SPDX-License-Identifier: Apache-2.0
//
// Time is an argument. A worker reads the clock once per burst and hands `Now` down; nothing below engine/
// knows a clock. Flow expiry counts in ticks of 1/8 s: coarse enough that 32 bits last 17 years (so wrap-safe
// comparison covers 8 years ahead), fine enough for IPVS's shortest timeout (2 s).
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

/** A moment of monotonic time, in milliseconds since an arbitrary start. */
struct Now {
  uint64_t ms = 0;
  constexpr Tick tick() const { return Tick{uint32_t(ms / (1000 / kTicksPerSecond))}; }
};

constexpr uint32_t ticks_from_seconds(uint32_t seconds) {
  return seconds * kTicksPerSecond;
}

}  // namespace vsnat
