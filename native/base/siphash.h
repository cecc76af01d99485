// SPDX-License-Identifier: Apache-2.0
//
// SipHash-1-3 (Aumasson, Bernstein 2012, with the reduced rounds the Linux kernel uses for hash tables). The
// flow table is indexed by values a stranger chooses; a linear hash (CRC32C, Toeplitz, jhash with a guessed
// seed) lets him put all his flows into one bucket, a keyed PRF does not. One header: the compiler must see
// constant lengths.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace vsnat {

struct HashKey {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
};

class SipHash13 {
 public:
  explicit constexpr SipHash13(HashKey key)
      : v0_(key.k0 ^ 0x736f6d6570736575ull),
        v1_(key.k1 ^ 0x646f72616e646f6dull),
        v2_(key.k0 ^ 0x6c7967656e657261ull),
        v3_(key.k1 ^ 0x7465646279746573ull) {}

  /** Eight message bytes, little-endian. */
  [[gnu::always_inline]] constexpr void word(uint64_t m) {
    v3_ ^= m;
    round();
    v0_ ^= m;
  }

  /** The last block: up to seven message bytes in the low bits and the whole message's length in the top
   * byte. */
  [[gnu::always_inline]] constexpr uint64_t finish(uint64_t tail, uint8_t total_bytes) {
    word(tail | uint64_t(total_bytes) << 56);
    v2_ ^= 0xff;
    round();
    round();
    round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  [[gnu::always_inline]] constexpr void round() {
    v0_ += v1_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v3_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ += v3_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ += v1_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v2_ = std::rotl(v2_, 32);
  }

  uint64_t v0_, v1_, v2_, v3_;
};

/** Of any bytes. */
inline uint64_t siphash13(HashKey key, std::string_view bytes) {
  SipHash13 hash(key);
  size_t at = 0;
  uint64_t word = 0;
  for (; bytes.size() - at >= sizeof(word); at += sizeof(word)) {
    std::memcpy(&word, bytes.data() + at, sizeof(word));
    hash.word(word);
  }
  uint64_t tail = 0;
  std::memcpy(&tail, bytes.data() + at, bytes.size() - at);
  return hash.finish(tail, uint8_t(bytes.size()));
}

/** The kernel's hsiphash_1u32 on 64-bit machines: SipHash-1-3 of four bytes, cut to 32 bits (lib/siphash.c).
 */
constexpr uint32_t hsiphash_u32(uint32_t x, HashKey key) {
  return uint32_t(SipHash13(key).finish(x, 4));
}

}  // namespace vsnat
