// SPDX-License-Identifier: Apache-2.0
//
// The stream both ends can write from its seed: a Weyl sequence put through xorshift, addressed by block
// number.
//
// A receiver regenerates each block and compares every byte, which is stronger than any hash of the whole: it
// finds the first wrong offset, and bytes that moved (each word depends on its position). Only adds, shifts
// and xors, so the compiler makes it vector code; a hash over the stream (CRC32C was considered) would cost
// more and say less.
//
// The first word of a block carries the block's length and whether it is the last, xored over the pattern: a
// connection that ends early is never mistaken for a stream that was meant to end.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

namespace vsnat::load {

inline constexpr size_t kBlockWords = 8192;
inline constexpr size_t kBlockBytes = kBlockWords * sizeof(uint64_t);
inline constexpr size_t kMarkBytes = sizeof(uint64_t);

using Block = std::array<uint64_t, kBlockWords>;

inline void fill_block(uint64_t seed, uint64_t number, Block& block) {
  constexpr uint64_t kGolden = 0x9E3779B97F4A7C15;
  const uint64_t first = seed + number * kBlockWords * kGolden;
  for (size_t i = 0; i < kBlockWords; ++i) {
    uint64_t word = first + i * kGolden;
    word ^= word >> 29;
    word ^= word << 17;
    word ^= word >> 43;
    block[i] = word;
  }
}

struct Mark {
  uint64_t length = 0;
  bool last = false;

  /// A damaged mark is out of range with all but certainty.
  [[nodiscard]] bool sane() const {
    return length >= kMarkBytes && length <= kBlockBytes && (last || length == kBlockBytes);
  }
};

inline constexpr uint64_t kLastBit = uint64_t{1} << 63;

inline void set_mark(Block& block, Mark mark) {
  block[0] ^= mark.length | (mark.last ? kLastBit : 0);
}

/// What the sender put into the first word.
inline Mark read_mark(const Block& expected, const void* received) {
  uint64_t word;
  std::memcpy(&word, received, sizeof(word));
  word ^= expected[0];
  return {word & ~kLastBit, (word & kLastBit) != 0};
}

}  // namespace vsnat::load
