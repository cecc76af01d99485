// SPDX-License-Identifier: Apache-2.0
#include "wire/crc32c.h"

#include <array>

namespace vsnat::wire {
namespace {

// Reflected: the bit of value 2^31 is the coefficient of x^0.
constexpr uint32_t kPolynomial = 0x82f63b78;
constexpr uint32_t kOne = 0x80000000;

/** [k][b]: byte b, followed by k zero bytes. Eight at a time keep the processor's load units busy. */
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables make_tables() {
  Tables t{};
  for (uint32_t b = 0; b < 256; ++b) {
    uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? kPolynomial : 0);
    t[0][b] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (uint32_t b = 0; b < 256; ++b) t[k][b] = t[k - 1][b] >> 8 ^ t[0][t[k - 1][b] & 0xff];
  }
  return t;
}

constexpr Tables kTables = make_tables();

/** a * b modulo the polynomial. */
constexpr uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = kOne; bit != 0; bit >>= 1) {
    if (a & bit) product ^= b;
    b = b >> 1 ^ (b & 1 ? kPolynomial : 0);
  }
  return product;
}

/** [k]: x^(8 * 2^k), which runs 2^k zero bytes through the CRC. 17 of them reach beyond any IP packet. */
constexpr std::array<uint32_t, 17> make_powers() {
  std::array<uint32_t, 17> powers{};
  powers[0] = kOne >> 8;
  for (size_t k = 1; k < powers.size(); ++k) powers[k] = multiply(powers[k - 1], powers[k - 1]);
  return powers;
}

constexpr std::array<uint32_t, 17> kPowers = make_powers();

}  // namespace

uint32_t crc32c(const uint8_t* data, size_t length, uint32_t before) {
  uint32_t crc = ~before;
  for (; length >= 8; data += 8, length -= 8) {
    const uint32_t low =
        crc ^ (data[0] | uint32_t(data[1]) << 8 | uint32_t(data[2]) << 16 | uint32_t(data[3]) << 24);
    crc = kTables[7][low & 0xff] ^ kTables[6][low >> 8 & 0xff] ^ kTables[5][low >> 16 & 0xff] ^
          kTables[4][low >> 24] ^ kTables[3][data[4]] ^ kTables[2][data[5]] ^ kTables[1][data[6]] ^
          kTables[0][data[7]];
  }
  for (; length > 0; ++data, --length) crc = crc >> 8 ^ kTables[0][(crc ^ *data) & 0xff];
  return ~crc;
}

uint32_t crc32c_change(uint16_t old_word, uint16_t new_word, size_t behind) {
  const auto changed = uint16_t(old_word ^ new_word);
  // Without the inversions at both ends, which cancel out of a difference.
  uint32_t crc = kTables[1][changed >> 8] ^ kTables[0][changed & 0xff];
  for (size_t k = 0; behind != 0; behind >>= 1, ++k) {
    if (behind & 1) crc = multiply(kPowers[k], crc);
  }
  return crc;
}

}  // namespace vsnat::wire
