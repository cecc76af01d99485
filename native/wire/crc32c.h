// SPDX-License-Identifier: Apache-2.0
//
// CRC32c, the checksum of SCTP (RFC 9260 appendix A): whole, and incremental.
//
// A CRC is linear: what a change of some bits does to it depends on where the bits are and on nothing else. So a
// changed port costs the CRC of (old xor new) followed by as many zero bytes as follow in the packet, and running zero
// bytes through a CRC is a multiplication by a power of x in GF(2)[x] modulo the polynomial: some hundred operations
// for any length, without reading the packet. It is RFC 1624 for CRCs, with the same virtue: a checksum that was wrong
// stays wrong by the same difference, where computing it anew would make a damaged packet look sound.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vsnat::wire {

/** Of `length` bytes. `before` is the CRC of what came before them: crc32c(ab) = crc32c(b, crc32c(a)). */
uint32_t crc32c(const uint8_t* data, size_t length, uint32_t before = 0);

/**
 * What to xor onto the CRC of a message in which the two bytes that `behind` other bytes follow changed from
 * `old_word` to `new_word` (in host order of a big-endian field).
 */
uint32_t crc32c_change(uint16_t old_word, uint16_t new_word, size_t behind);

}  // namespace vsnat::wire
