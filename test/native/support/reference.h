// SPDX-License-Identifier: Apache-2.0
//
// The slow, obvious reference. Sums byte pairs with a carry after every one, finds headers by walking them,
// rewrites a packet by changing the fields and computing every checksum anew. It includes nothing of
// native/wire, so a mistake has to be made twice, in two shapes, to go unnoticed.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "test/native/support/packets.h"

namespace vsnat::test {

/** One's-complement sum of big-endian byte pairs, carry added back at once; an odd last byte is a high half.
 */
uint16_t reference_sum(std::span<const uint8_t> bytes, uint16_t start = 0);
/** The checksum field that goes with it. */
uint16_t reference_checksum(std::span<const uint8_t> bytes, uint16_t start = 0);
/** CRC32c, one bit after the other (RFC 9260 appendix A). */
uint32_t reference_crc32c(std::span<const uint8_t> bytes);
/** Sum of the pseudo-header in front of a transport segment of `length` bytes. */
uint16_t reference_pseudo_sum(const Address& source, const Address& destination, uint8_t protocol,
                              uint32_t length);

/** Where things are in a packet that is known to be well-formed. */
struct Anatomy {
  int family = 0;
  size_t l4 = 0;      // offset of the transport header
  size_t length = 0;  // by the IP length field
  uint8_t protocol = 0;
  bool fragment = false;
  bool later_fragment = false;
  Address source, destination;

  bool has_ports() const { return !fragment && (protocol == 6 || protocol == 17 || protocol == 132); }
  bool is_sctp() const { return !fragment && protocol == 132; }
  bool is_icmp() const { return !fragment && protocol == (family == 4 ? 1 : 58); }
  /** Offset of the transport checksum field; only for TCP, UDP, SCTP (where it has four bytes) and ICMP. */
  size_t checksum_at() const {
    return l4 + (protocol == 6 ? 16 : protocol == 17 ? 6 : protocol == 132 ? 8 : 2);
  }
  /** Bytes the transport checksum covers. UDP names its own length, which may be shorter than the IP payload.
   */
  size_t covered(std::span<const uint8_t> packet) const;
};

/** Nothing when the bytes are too few or too odd for this simple reader. Reads quotes, too: lengths may
 * overpromise. */
std::optional<Anatomy> dissect(std::span<const uint8_t> packet);

enum class L4Sum : uint8_t {
  right,
  wrong,
  absent,         // UDP zero
  partial_right,  // NEEDS_CSUM, and the field is the pseudo-header's sum
  partial_wrong,
  none,  // a protocol without one, or a fragment
};
L4Sum judge_transport(std::span<const uint8_t> packet, bool needs_csum);
bool ip_checksum_right(std::span<const uint8_t> packet);

/** What is wrong with the packet's checksums, quoted packets included; empty when nothing is. */
std::string complaint(std::span<const uint8_t> packet, bool needs_csum);

/** What a translation changes. Unset: left alone. */
struct Translation {
  std::optional<Endpoint> source, destination;
  int ttl_change = 0;
};

/**
 * The packet with the translation applied, cut to its length field, every checksum computed from scratch. A
 * transport checksum that was wrong is wrong by the same difference afterwards; absent and partial ones stay
 * of their kind.
 */
Packet reference_nat(const Packet& before, const Translation& translation);

/** True when they differ at most in which of its two names a one's-complement zero has: 0x0000 or 0xFFFF. */
inline bool same_sum(uint16_t a, uint16_t b) {
  return a == b || (a % 0xffff == 0 && b % 0xffff == 0);
}

}  // namespace vsnat::test
