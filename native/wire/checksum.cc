// SPDX-License-Identifier: Apache-2.0
#include "wire/checksum.h"

#include <bit>

namespace vsnat::wire {

uint64_t sum_bytes(const uint8_t* data, size_t length, uint64_t sum) {
  // Add native 32-bit words and swap once at the end: one's-complement addition commutes with byte order
  // (RFC 1071 section 2 B).
  uint64_t native = 0;
  while (length >= 32) {
    uint32_t w[8];
    std::memcpy(w, data, 32);
    native += uint64_t(w[0]) + w[1] + w[2] + w[3] + w[4] + w[5] + w[6] + w[7];
    data += 32;
    length -= 32;
  }
  while (length >= 2) {
    uint16_t w;
    std::memcpy(&w, data, 2);
    native += w;
    data += 2;
    length -= 2;
  }
  if (length == 1) {
    const uint8_t last[2] = {*data, 0};
    uint16_t w;
    std::memcpy(&w, last, 2);
    native += w;
  }
  uint16_t folded = fold(native);
  if constexpr (std::endian::native == std::endian::little) folded = uint16_t(folded << 8 | folded >> 8);
  return sum + folded;
}

}  // namespace vsnat::wire
