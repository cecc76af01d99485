// SPDX-License-Identifier: Apache-2.0
//
// The small words of the wire: byte order, addresses, the virtio header, and the keyed hash everything is
// found by.
#include <cstddef>
#include <cstring>

#include "base/siphash.h"
#include "test/native/check.h"
#include "test/native/support/packets.h"
#include "wire/endian.h"
#include "wire/vnet_hdr.h"

namespace vsnat::test {
namespace {

TEST("every 16-bit value lies big end first and comes back") {
  for (uint32_t value = 0; value <= 0xffff; ++value) {
    const auto field = wire::be16::from_host(uint16_t(value));
    uint8_t bytes[2];
    std::memcpy(bytes, &field, 2);
    if (!CHECK_EQ(unsigned(bytes[0]) * 256 + bytes[1], value)) return;
    if (!CHECK_EQ(field.host(), uint16_t(value))) return;
  }
}

TEST("32-bit values lie big end first and come back") {
  const auto field = wire::be32::from_host(0x01020304);
  CHECK_EQ(std::memcmp(&field, "\1\2\3\4", 4), 0);
  Random random("be32");
  for (int round = 0; round < 100000; ++round) {
    const auto value = uint32_t(random.next());
    if (!CHECK_EQ(wire::be32::from_host(value).host(), value)) return;
  }
}

TEST("the virtio header is the kernel's ten bytes, field by field") {
  using wire::vnet_hdr;
  CHECK_EQ(offsetof(vnet_hdr, flags), size_t{0});
  CHECK_EQ(offsetof(vnet_hdr, gso_type), size_t{1});
  CHECK_EQ(offsetof(vnet_hdr, hdr_len), size_t{2});
  CHECK_EQ(offsetof(vnet_hdr, gso_size), size_t{4});
  CHECK_EQ(offsetof(vnet_hdr, csum_start), size_t{6});
  CHECK_EQ(offsetof(vnet_hdr, csum_offset), size_t{8});
}

TEST("addresses fold as the kernel's hash schedulers fold them") {
  CHECK_EQ(ip4(198, 51, 100, 7).v4().fold(), 0xc6336407u);
  CHECK_EQ(ip6({0x2001, 0xdb8, 0x0102, 0x0304, 0x1111, 0x2222, 0x8000, 0x0001}).v6().fold(),
           0x20010db8u ^ 0x01020304u ^ 0x11112222u ^ 0x80000001u);
}

TEST("no forwarder accepts these addresses, and it accepts their neighbours") {
  const struct {
    const char* name;
    Address address;
    bool martian;
  } cases[] = {
      {"0.0.0.0", ip4(0, 0, 0, 0), true},
      {"0.255.255.255", ip4(0, 255, 255, 255), true},
      {"1.0.0.0", ip4(1, 0, 0, 0), false},
      {"126.255.255.255", ip4(126, 255, 255, 255), false},
      {"127.0.0.1", ip4(127, 0, 0, 1), true},
      {"128.0.0.0", ip4(128, 0, 0, 0), false},
      {"169.254.1.1 is link-local, but clouds route it", ip4(169, 254, 1, 1), false},
      {"223.255.255.255", ip4(223, 255, 255, 255), false},
      {"224.0.0.1", ip4(224, 0, 0, 1), true},
      {"240.0.0.1", ip4(240, 0, 0, 1), true},
      {"255.255.255.255", ip4(255, 255, 255, 255), true},
      {"::", ip6({0, 0, 0, 0, 0, 0, 0, 0}), true},
      {"::1", ip6({0, 0, 0, 0, 0, 0, 0, 1}), true},
      {"::2", ip6({0, 0, 0, 0, 0, 0, 0, 2}), false},
      {"::ffff:192.0.2.1", ip6({0, 0, 0, 0, 0, 0xffff, 0xc000, 0x201}), true},
      {"64:ff9b::192.0.2.1", ip6({0x64, 0xff9b, 0, 0, 0, 0, 0xc000, 0x201}), false},
      {"fe7f::1", ip6({0xfe7f, 0, 0, 0, 0, 0, 0, 1}), false},
      {"fe80::1", ip6({0xfe80, 0, 0, 0, 0, 0, 0, 1}), true},
      {"febf::1", ip6({0xfebf, 0, 0, 0, 0, 0, 0, 1}), true},
      {"fec0::1", ip6({0xfec0, 0, 0, 0, 0, 0, 0, 1}), false},
      {"fd00::1", ip6({0xfd00, 0, 0, 0, 0, 0, 0, 1}), false},
      {"ff02::1", ip6({0xff02, 0, 0, 0, 0, 0, 0, 1}), true},
  };
  for (const auto& c : cases) {
    ROW(c.name);
    const bool source =
        c.address.family == 4 ? c.address.v4().is_martian_source() : c.address.v6().is_martian_source();
    const bool destination = c.address.family == 4 ? c.address.v4().is_martian_destination()
                                                   : c.address.v6().is_martian_destination();
    CHECK_EQ(source, c.martian);
    CHECK_EQ(destination, c.martian);
  }
}

// ---- SipHash ----

/** SipHash-c-d by the book (Aumasson, Bernstein 2012, section 2), bytes in, rounds as arguments. */
uint64_t reference_siphash(int c, int d, HashKey key, const uint8_t* bytes, size_t length) {
  uint64_t v[4] = {key.k0 ^ 0x736f6d6570736575, key.k1 ^ 0x646f72616e646f6d, key.k0 ^ 0x6c7967656e657261,
                   key.k1 ^ 0x7465646279746573};
  const auto rotate = [](uint64_t x, int n) { return x << n | x >> (64 - n); };
  const auto rounds = [&](int n) {
    while (n-- > 0) {
      v[0] += v[1], v[2] += v[3];
      v[1] = rotate(v[1], 13), v[3] = rotate(v[3], 16);
      v[1] ^= v[0], v[3] ^= v[2];
      v[0] = rotate(v[0], 32);
      v[2] += v[1], v[0] += v[3];
      v[1] = rotate(v[1], 17), v[3] = rotate(v[3], 21);
      v[1] ^= v[2], v[3] ^= v[0];
      v[2] = rotate(v[2], 32);
    }
  };
  for (size_t block = 0; block <= length / 8; ++block) {
    uint64_t m = 0;
    for (size_t i = 0; i < 8; ++i) {
      const size_t at = block * 8 + i;
      m |= uint64_t(at < length ? bytes[at] : 0) << 8 * i;
    }
    if (block == length / 8) m |= uint64_t(length) << 56;
    v[3] ^= m;
    rounds(c);
    v[0] ^= m;
  }
  v[2] ^= 0xff;
  rounds(d);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

constexpr HashKey kPaperKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};

TEST("the reference SipHash gives the paper's SipHash-2-4 value") {
  uint8_t message[15];
  for (uint8_t i = 0; i < 15; ++i) message[i] = i;
  CHECK_EQ(reference_siphash(2, 4, kPaperKey, message, 15), uint64_t{0xa129ca6149be45e5});
}

TEST("SipHash-1-3 is the reference with one and three rounds, for every length to 64") {
  Random random("siphash");
  for (int round = 0; round < 200; ++round) {
    const HashKey key{random.next(), random.next()};
    uint8_t message[64];
    for (uint8_t& b : message) b = random.byte();
    for (size_t length = 0; length <= 64; ++length) {
      SipHash13 hash(key);
      for (size_t at = 0; at + 8 <= length; at += 8) {
        uint64_t m = 0;
        for (size_t i = 0; i < 8; ++i) m |= uint64_t(message[at + i]) << 8 * i;
        hash.word(m);
      }
      uint64_t tail = 0;
      for (size_t i = 0; i < length % 8; ++i) tail |= uint64_t(message[length / 8 * 8 + i]) << 8 * i;
      const uint64_t right = reference_siphash(1, 3, key, message, length);
      const std::string_view text(reinterpret_cast<const char*>(message), length);
      if (!CHECK_EQ(hash.finish(tail, uint8_t(length)), right) || !CHECK_EQ(siphash13(key, text), right))
        return;
    }
  }
}

TEST("the kernel's hsiphash of one word, by its own self-test and the Maglev scheduler's keys") {
  constexpr HashKey kFirst{2654435761u, 2654435761u}, kSecond{2654446892u, 2654446892u};
  CHECK_EQ(hsiphash_u32(0x03020100, kPaperKey), 0x88d38328u);
  CHECK_EQ(hsiphash_u32(0, kFirst), 0x1d5a77c2u);
  CHECK_EQ(hsiphash_u32(0x0a000001, kFirst), 0x03080ce4u);
  CHECK_EQ(hsiphash_u32(0x0a000001, kSecond), 0x48f9d0c1u);
}

}  // namespace
}  // namespace vsnat::test
