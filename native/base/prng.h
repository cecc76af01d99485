// SPDX-License-Identifier: Apache-2.0
//
// Chance that can be repeated: SplitMix64 (Steele, Lea, Flood 2014), one state word, full period. For spreading
// load only; what an attacker must not guess goes through base/siphash.h.
#pragma once

#include <cstdint>

namespace vsnat {

class Prng {
 public:
  explicit constexpr Prng(uint64_t seed = 0) : state_(seed) {}

  constexpr uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }

  /** Below `bound`, which is not zero. The bias is bound / 2^64. */
  constexpr uint64_t below(uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return uint64_t(Wide(next()) * bound >> 64);
  }

 private:
  uint64_t state_;
};

}  // namespace vsnat
