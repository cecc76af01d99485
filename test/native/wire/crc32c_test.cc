// SPDX-License-Identifier: Apache-2.0
//
// The checksum of SCTP against the one that goes bit by bit.
#include "wire/crc32c.h"

#include <cstring>

#include "test/native/check.h"
#include "test/native/support/packets.h"
#include "test/native/support/reference.h"

namespace vsnat::test {
namespace {

Bytes random_bytes(Random& random, size_t length) {
  Bytes bytes(length);
  for (uint8_t& byte : bytes) byte = random.byte();
  return bytes;
}

TEST("the CRC of RFC 3720's examples is the published one") {
  Bytes up(32), down(32);
  for (size_t i = 0; i < 32; ++i) {
    up[i] = uint8_t(i);
    down[i] = uint8_t(31 - i);
  }
  const struct {
    const char* name;
    Bytes bytes;
    uint32_t crc;
  } cases[] = {{"32 zeros", Bytes(32, 0), 0x8a9136aa},
               {"32 ones", Bytes(32, 0xff), 0x62a8ab43},
               {"counting up", up, 0x46dd794e},
               {"counting down", down, 0x113fdb5c},
               {"123456789", {'1', '2', '3', '4', '5', '6', '7', '8', '9'}, 0xe3069283}};
  for (const auto& c : cases) {
    ROW(c.name);
    CHECK_EQ(wire::crc32c(c.bytes.data(), c.bytes.size()), c.crc);
    CHECK_EQ(reference_crc32c(c.bytes), c.crc);
  }
}

TEST("the CRC equals the one made bit by bit, at every length, and in two parts cut anywhere") {
  Random random("the CRC equals the one made bit by bit, at every length, and in two parts cut anywhere");
  for (size_t length = 0; length <= 300; ++length) {
    const Bytes bytes = random_bytes(random, length);
    const uint32_t want = reference_crc32c(bytes);
    if (!CHECK_EQ(wire::crc32c(bytes.data(), length), want)) return;
    const size_t cut = length == 0 ? 0 : random.below(uint32_t(length) + 1);
    const uint32_t head = wire::crc32c(bytes.data(), cut);
    if (!CHECK_EQ(wire::crc32c(bytes.data() + cut, length - cut, head), want)) return;
  }
  const Bytes longest = random_bytes(random, 65535);
  CHECK_EQ(wire::crc32c(longest.data(), longest.size()), reference_crc32c(longest));
}

TEST("what a changed word does to the CRC is known without the rest of the message") {
  Random random("what a changed word does to the CRC is known without the rest of the message");
  for (int round = 0; round < scaled(3000); ++round) {
    const size_t length = round % 10 == 0 ? random.between(2, 65535) : random.between(2, 200);
    Bytes bytes = random_bytes(random, length);
    const size_t at = random.below(uint32_t(length - 1));
    const uint32_t before = wire::crc32c(bytes.data(), length);
    const uint16_t old_word = get16(bytes, at);
    const uint16_t new_word = random.one_in(10) ? old_word : random.word();
    put16(bytes, at, new_word);
    const uint32_t change = wire::crc32c_change(old_word, new_word, length - at - 2);
    if (!CHECK_EQ(before ^ change, wire::crc32c(bytes.data(), length))) return;
  }
}

}  // namespace
}  // namespace vsnat::test
