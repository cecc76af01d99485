// SPDX-License-Identifier: Apache-2.0
//
// IP addresses as they lie on the wire, one type per family. Code that does not care is a template over the
// two.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "wire/endian.h"

namespace vsnat::wire {

struct Addr4 {
  be32 value;

  static constexpr int kFamily = 4;
  friend constexpr bool operator==(const Addr4&, const Addr4&) = default;

  /** The host-order integer ip_vs_sh.c and ip_vs_mh.c hash. */
  constexpr uint32_t fold() const { return value.host(); }

  /** Sources no forwarder may accept (RFC 1812 section 5.3.7): 0/8, 127/8, 224/4, 240/4. */
  constexpr bool is_martian_source() const {
    const auto network = uint8_t(value.host() >> 24);
    return uint8_t(network - 1) >= 223 || network == 127;  // the first is both ends at once
  }
  /** Destinations that are no single other host. */
  constexpr bool is_martian_destination() const { return is_martian_source(); }
};

struct Addr6 {
  std::array<uint8_t, 16> bytes;

  static constexpr int kFamily = 6;
  friend bool operator==(const Addr6& a, const Addr6& b) { return std::memcmp(&a, &b, 16) == 0; }

  constexpr uint32_t word(int i) const {
    return uint32_t(bytes[4 * i]) << 24 | uint32_t(bytes[4 * i + 1]) << 16 | uint32_t(bytes[4 * i + 2]) << 8 |
           bytes[4 * i + 3];
  }
  /** XOR of the four words, as ip_vs_sh.c and ip_vs_mh.c fold an IPv6 address. */
  constexpr uint32_t fold() const { return word(0) ^ word(1) ^ word(2) ^ word(3); }

  constexpr bool is_link_local() const { return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80; }
  constexpr bool is_multicast() const { return bytes[0] == 0xff; }
  /** ::, ::1 and IPv4-mapped addresses (RFC 4291 sections 2.5.2 to 2.5.5). */
  constexpr bool is_special() const {
    if (word(0) != 0 || word(1) != 0) return false;
    return (word(2) == 0 && word(3) <= 1) || word(2) == 0xffff;
  }
  constexpr bool is_martian_source() const { return is_multicast() || is_link_local() || is_special(); }
  constexpr bool is_martian_destination() const { return is_martian_source(); }
};

static_assert(sizeof(Addr4) == 4 && alignof(Addr4) == 1 && sizeof(Addr6) == 16 && alignof(Addr6) == 1);

}  // namespace vsnat::wire
