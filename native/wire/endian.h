// SPDX-License-Identifier: Apache-2.0
//
// Wire order is a type. be16 and be32 are byte arrays: alignment 1, so header structs need no packing
// attributes and may lie anywhere in a buffer; gcc 12 turns host() into a load and a rotate or bswap. A plain
// uint16_t in this code base is always host order.
#pragma once

#include <cstdint>
#include <cstring>

namespace vsnat::wire {

class be16 {
 public:
  static constexpr be16 from_host(uint16_t v) {
    be16 f;
    f.b_[0] = uint8_t(v >> 8);
    f.b_[1] = uint8_t(v);
    return f;
  }
  constexpr uint16_t host() const { return uint16_t(b_[0] << 8 | b_[1]); }
  friend constexpr bool operator==(const be16& a, const be16& b) {
    return __builtin_memcmp(a.b_, b.b_, sizeof(a.b_)) == 0;  // one comparison; `= default` makes one a byte
  }

 private:
  uint8_t b_[2] = {};
};

class be32 {
 public:
  static constexpr be32 from_host(uint32_t v) {
    be32 f;
    f.b_[0] = uint8_t(v >> 24);
    f.b_[1] = uint8_t(v >> 16);
    f.b_[2] = uint8_t(v >> 8);
    f.b_[3] = uint8_t(v);
    return f;
  }
  constexpr uint32_t host() const {
    return uint32_t(b_[0]) << 24 | uint32_t(b_[1]) << 16 | uint32_t(b_[2]) << 8 | b_[3];
  }
  friend constexpr bool operator==(const be32& a, const be32& b) {
    return __builtin_memcmp(a.b_, b.b_, sizeof(a.b_)) == 0;
  }

 private:
  uint8_t b_[4] = {};
};

/** Little endian on the wire: only the checksum of SCTP is (RFC 9260 appendix A). */
class le32 {
 public:
  static constexpr le32 from_host(uint32_t v) {
    le32 f;
    f.b_[0] = uint8_t(v);
    f.b_[1] = uint8_t(v >> 8);
    f.b_[2] = uint8_t(v >> 16);
    f.b_[3] = uint8_t(v >> 24);
    return f;
  }
  constexpr uint32_t host() const {
    return uint32_t(b_[3]) << 24 | uint32_t(b_[2]) << 16 | uint32_t(b_[1]) << 8 | b_[0];
  }
  friend constexpr bool operator==(const le32&, const le32&) = default;

 private:
  uint8_t b_[4] = {};
};

static_assert(sizeof(be16) == 2 && alignof(be16) == 1 && sizeof(be32) == 4 && alignof(be32) == 1);

}  // namespace vsnat::wire
