// SPDX-License-Identifier: Apache-2.0
//
// The Internet checksum: whole (RFC 1071), incremental (RFC 1624), and of the kind that is still to be
// completed.
//
// Incremental update is RFC 1624 equation 3, HC' = ~(~HC + ~m + m'), never the RFC 1141 form, which is wrong
// when the sum is zero. `CsumDelta` is the ~m + m' part, summed over all changed words and folded to 16 bits;
// a flow computes it once and applies it to every packet. The opposite direction's delta is its complement,
// because swapping m and m' complements every term of the sum.
//
// A packet whose checksum is to be completed by a device (virtio NEEDS_CSUM) carries the uncomplemented sum
// of the pseudo-header alone in the field. There the same delta is added without the two complements, and
// only the words of the pseudo-header count: the addresses, never the ports.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "wire/endian.h"

namespace vsnat::wire {

/** What a transport checksum field holds on arrival. */
enum class CsumState : uint8_t {
  full,     // a finished checksum; it may be wrong, and then stays wrong by the same difference
  partial,  // the uncomplemented pseudo-header sum; a device completes it
  absent,   // UDP zero: not computed (RFC 768); stays zero
};

/** Both halves added, the carry come round again: that is what the upper half of `sum` and `sum` swapped is. */
constexpr uint16_t fold(uint32_t sum) {
  return uint16_t((sum + std::rotl(sum, 16)) >> 16);
}
constexpr uint16_t fold(uint64_t sum) {
  return fold(uint32_t((sum + std::rotl(sum, 32)) >> 32));
}

/**
 * Unfolded one's-complement sum of big-endian words, in host order. An odd last byte counts as a word's high
 * half. `sum` chains calls; every chained piece but the last must be of even length.
 */
uint64_t sum_bytes(const uint8_t* data, size_t length, uint64_t sum = 0);

/**
 * Whether an IPv4 header of `length` bytes, a multiple of four, adds up to all ones: which it does in either byte order
 * (RFC 1071 section 2 B), so nothing is swapped.
 */
inline bool header_checksum_ok(const uint8_t* header, size_t length) {
  const auto word = [header](size_t at) {
    uint32_t w;
    std::memcpy(&w, header + at, sizeof(w));
    return uint64_t(w);
  };
  uint64_t sum = word(0) + word(4) + word(8) + word(12) + word(16);
  for (size_t at = 20; at < length; at += 4) sum += word(at);
  return fold(sum) == 0xffff;
}

/** The finished checksum of `length` bytes, `sum` being what came before (a pseudo-header). */
inline uint16_t checksum(const uint8_t* data, size_t length, uint64_t sum = 0) {
  return uint16_t(~fold(sum_bytes(data, length, sum)));
}

class CsumDelta {
 public:
  constexpr CsumDelta() = default;
  static constexpr CsumDelta from_raw(uint16_t raw) {
    CsumDelta d;
    d.sum_ = raw;
    return d;
  }

  constexpr void replace16(uint16_t old_word, uint16_t new_word) {
    sum_ += uint16_t(~old_word) + uint32_t(new_word);
  }

  /** Replace `length` (even) bytes at `old_bytes` by those at `new_bytes`. */
  void replace(const void* old_bytes, const void* new_bytes, size_t length) {
    const auto* o = static_cast<const uint8_t*>(old_bytes);
    const auto* n = static_cast<const uint8_t*>(new_bytes);
    for (size_t i = 0; i < length; i += 2) {
      replace16(uint16_t(o[i] << 8 | o[i + 1]), uint16_t(n[i] << 8 | n[i + 1]));
    }
  }

  constexpr void add(CsumDelta other) { sum_ += other.raw(); }
  constexpr uint16_t raw() const { return fold(sum_); }
  constexpr CsumDelta reversed() const { return from_raw(uint16_t(~raw())); }

  /** Onto a finished checksum. */
  constexpr uint16_t onto_check(uint16_t check) const {
    return uint16_t(~fold(uint64_t(uint16_t(~check)) + sum_));
  }
  /** Onto an uncomplemented sum (CsumState::partial). */
  constexpr uint16_t onto_sum(uint16_t sum) const { return fold(uint64_t(sum) + sum_); }

 private:
  uint64_t sum_ = 0;
};

/** CsumDelta::onto_check and onto_sum of a delta that was folded before: raw(). */
constexpr uint16_t check_plus(uint16_t check, uint32_t delta) {
  return uint16_t(~fold(uint32_t{uint16_t(~check)} + delta));
}
constexpr uint16_t sum_plus(uint16_t sum, uint16_t delta) {
  return fold(uint32_t{sum} + delta);
}

namespace detail {
constexpr uint16_t rfc1624_section4_example() {
  CsumDelta d;
  d.replace16(0x5555, 0x3285);
  return d.onto_check(0xdd2f);
}
static_assert(rfc1624_section4_example() == 0x0000, "RFC 1624 section 4: the sum is +0, not -0");
}  // namespace detail

}  // namespace vsnat::wire
