// SPDX-License-Identifier: Apache-2.0
//
// The Internet checksum against a sum of byte pairs, and RFC 1624's increments against computing everything
// anew.
#include "wire/checksum.h"

#include <algorithm>

#include "test/native/check.h"
#include "test/native/support/reference.h"

namespace vsnat::test {
namespace {

using wire::CsumDelta;

// The values where carries and the two zeros of one's complement live.
constexpr uint16_t kEdges[] = {0x0000, 0x0001, 0x0002, 0x00ff, 0x0100, 0x7fff,
                               0x8000, 0x8001, 0xfffd, 0xfffe, 0xffff};

uint16_t two_words(uint16_t a, uint16_t b) {
  const uint8_t bytes[] = {uint8_t(a >> 8), uint8_t(a), uint8_t(b >> 8), uint8_t(b)};
  return reference_checksum(bytes);
}

TEST("the sum of every length from 0 to 9001 is the sum of its byte pairs") {
  Random random("every length");
  Bytes bytes(9001 + 7);
  for (uint8_t& b : bytes) b = random.byte();
  for (size_t length = 0; length <= 9001; ++length) {
    const std::span<const uint8_t> piece{bytes.data() + length % 8, length};  // every alignment as well
    if (!CHECK_EQ(wire::fold(wire::sum_bytes(piece.data(), length)), reference_sum(piece))) return;
    if (!CHECK_EQ(wire::checksum(piece.data(), length), reference_checksum(piece))) return;
  }
}

TEST("a sum is folded as by adding its words one by one, carries and both zeros included") {
  Random random("folding");
  const auto slowly = [](uint64_t sum) {
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    return uint16_t(sum);
  };
  for (const uint64_t high : kEdges) {
    for (const uint64_t middle : kEdges) {
      for (const uint64_t low : kEdges) {
        const uint64_t sum = high << 48 | middle << 32 | middle << 16 | low;
        CHECK_EQ(wire::fold(sum), slowly(sum));
        CHECK_EQ(wire::fold(uint32_t(sum)), slowly(uint32_t(sum)));
      }
    }
  }
  for (int i = 0; i < scaled(1'000'000); ++i) {
    const uint64_t sum = random.next() >> random.below(64);
    if (!CHECK_EQ(wire::fold(sum), slowly(sum))) return;
    if (!CHECK_EQ(wire::fold(uint32_t(sum)), slowly(uint32_t(sum)))) return;
  }
}

TEST("a delta that was folded changes a checksum as the delta itself does") {
  for (const uint16_t check : kEdges) {
    for (const uint16_t before : kEdges) {
      for (const uint16_t after : kEdges) {
        CsumDelta delta;
        delta.replace16(before, after);
        CHECK_EQ(wire::check_plus(check, delta.raw()), delta.onto_check(check));
        CHECK_EQ(wire::sum_plus(check, delta.raw()), delta.onto_sum(check));
      }
    }
  }
}

TEST("the sum of nothing but ones and of nothing but zeros is right at every length") {
  for (const uint8_t fill : {0x00, 0xff}) {
    const Bytes bytes(4096, fill);
    for (size_t length = 0; length <= bytes.size(); ++length) {
      const std::span<const uint8_t> piece{bytes.data(), length};
      if (!CHECK_EQ(wire::fold(wire::sum_bytes(piece.data(), length)), reference_sum(piece))) return;
    }
  }
}

TEST("a sum may be computed in pieces of even length") {
  Random random("pieces");
  Bytes bytes(2000);
  for (int round = 0; round < 2000; ++round) {
    for (uint8_t& b : bytes) b = random.byte();
    const size_t cut = random.below(500) * 2, end = cut + random.below(1000);
    const uint64_t head = wire::sum_bytes(bytes.data(), cut);
    const uint64_t whole = wire::sum_bytes(bytes.data() + cut, end - cut, head);
    if (!CHECK_EQ(wire::fold(whole), reference_sum({bytes.data(), end}))) return;
  }
}

TEST("an IPv4 header adds up when its checksum is the reference's, and no longer when a bit of it is wrong") {
  Random random("headers");
  for (int round = scaled(20'000); round > 0; --round) {
    Bytes header(20 + 4 * random.below(11));
    for (uint8_t& b : header) b = random.byte();
    if (round % 8 == 0) std::fill(header.begin(), header.end(), uint8_t{0});
    header[10] = header[11] = 0;
    const uint16_t sum = reference_checksum(header);
    header[10] = uint8_t(sum >> 8), header[11] = uint8_t(sum);
    if (!CHECK(wire::header_checksum_ok(header.data(), header.size()))) return;
    const uint32_t bit = random.below(uint32_t(header.size()) * 8);
    header[bit / 8] ^= uint8_t(1 << bit % 8);
    if (!CHECK(!wire::header_checksum_ok(header.data(), header.size()))) return;
  }
  const Bytes nothing(20);
  CHECK(!wire::header_checksum_ok(nothing.data(), nothing.size()));
}

TEST("folding keeps the sum's value up to the largest 64-bit one") {
  Random random("fold");
  for (int round = 0; round < scaled(200000); ++round) {
    const uint64_t sum = round == 0 ? ~uint64_t{0} : random.next() >> random.below(64);
    const uint16_t folded = wire::fold(sum);
    if (!CHECK_EQ(unsigned(folded % 0xffff), unsigned(sum % 0xffff))) return;
    if (!CHECK_EQ(folded == 0, sum == 0)) return;
  }
}

TEST("RFC 1624 equation 3 equals computing anew for all 65536 remainders and every pair of edge words") {
  for (const uint16_t before : kEdges) {
    for (const uint16_t after : kEdges) {
      CsumDelta delta;
      delta.replace16(before, after);
      for (uint32_t rest = 0; rest <= 0xffff; ++rest) {
        // A header of nothing but zeros does not exist: its version is not zero.
        if ((before == 0 || after == 0) && rest == 0) continue;
        const uint16_t old_check = two_words(before, uint16_t(rest));
        if (!CHECK_EQ(delta.onto_check(old_check), two_words(after, uint16_t(rest)))) return;
      }
    }
  }
}

TEST("RFC 1624 equation 3 equals computing anew for 20 million random changes of three words") {
  Random random("increments");
  for (int round = 0; round < scaled(20'000'000); ++round) {
    const uint64_t bits = random.next(), more = random.next();
    uint16_t before[3], after[3];
    for (int i = 0; i < 3; ++i) {
      before[i] = uint16_t(bits >> 16 * i);
      after[i] = uint16_t(more >> 16 * i);
    }
    if (round % 4 == 0) before[round / 4 % 3] = kEdges[bits >> 48 & 7];
    if (round % 8 == 0) after[round / 8 % 3] = kEdges[more >> 48 & 7];
    const uint16_t rest = uint16_t((bits >> 48) | 1);
    uint32_t old_sum = rest, new_sum = rest;
    CsumDelta delta;
    for (int i = 0; i < 3; ++i) {
      old_sum += before[i];
      new_sum += after[i];
      delta.replace16(before[i], after[i]);
    }
    const auto old_check = uint16_t(~((old_sum - 1) % 0xffff + 1));  // a sum above zero, reduced to 1..0xffff
    const auto new_check = uint16_t(~((new_sum - 1) % 0xffff + 1));
    if (!CHECK_EQ(delta.onto_check(old_check), new_check)) return;
  }
}

TEST("a canonical checksum stays canonical: no update produces minus zero (R2)") {
  for (const uint16_t before : kEdges) {
    for (const uint16_t after : kEdges) {
      CsumDelta delta;
      delta.replace16(before, after);
      for (uint32_t check = 0; check < 0xffff; ++check) {
        if (!CHECK(delta.onto_check(uint16_t(check)) != 0xffff)) return;
      }
    }
  }
}

TEST("a checksum received as minus zero leaves as plus zero when nothing changes") {
  CsumDelta nothing;
  nothing.replace16(0x1234, 0x1234);
  CHECK_EQ(nothing.onto_check(0xffff), uint16_t(0x0000));
}

TEST("replacing words by themselves leaves every other checksum and every partial sum bit-identical (R11)") {
  for (const uint16_t word : kEdges) {
    CsumDelta nothing;
    nothing.replace16(word, word);
    for (uint32_t value = 0; value < 0xffff; ++value) {
      if (!CHECK_EQ(nothing.onto_check(uint16_t(value)), uint16_t(value))) return;
      if (!CHECK_EQ(nothing.onto_sum(uint16_t(value + 1)), uint16_t(value + 1))) return;
    }
  }
}

TEST("a delta and its reverse give every checksum and every partial sum back (R12)") {
  for (const uint16_t before : kEdges) {
    for (const uint16_t after : kEdges) {
      CsumDelta delta;
      delta.replace16(before, after);
      delta.replace16(0x5050, 0x1f90);
      for (uint32_t value = 0; value < 0xffff; ++value) {
        const auto check = uint16_t(value);
        if (!CHECK_EQ(delta.reversed().onto_check(delta.onto_check(check)), check)) return;
        const auto sum = uint16_t(value + 1);  // a pseudo-header's sum is never zero
        if (!CHECK_EQ(delta.reversed().onto_sum(delta.onto_sum(sum)), sum)) return;
      }
    }
  }
}

TEST("a reversed delta is the delta of the reversed change") {
  Random random("reversed");
  for (int round = 0; round < 100000; ++round) {
    const uint16_t before = random.word(), after = random.word(), check = random.word();
    CsumDelta there, back;
    there.replace16(before, after);
    back.replace16(after, before);
    if (!CHECK(same_sum(there.reversed().raw(), back.raw()))) return;
    if (!CHECK_EQ(there.reversed().onto_check(check), back.onto_check(check))) return;
  }
}

TEST("a partial checksum follows the addresses and stays the pseudo-header's sum (R7)") {
  Random random("partial");
  for (int round = 0; round < scaled(200000); ++round) {
    const int family = random.one_in(2) ? 4 : 6;
    Address source{family, {}}, before{family, {}}, after{family, {}};
    for (size_t i = 0; i < source.size(); ++i) {
      source.bytes[i] = random.byte();
      before.bytes[i] = random.one_in(3) ? 0xff : random.byte();
      after.bytes[i] = random.one_in(3) ? 0 : random.byte();
    }
    const uint8_t protocol = random.one_in(2) ? 6 : 17;
    const uint32_t length = random.below(65536);
    CsumDelta delta;
    delta.replace(before.bytes.data(), after.bytes.data(), before.size());
    const uint16_t was = reference_pseudo_sum(source, before, protocol, length);
    const uint16_t want = reference_pseudo_sum(source, after, protocol, length);
    if (!CHECK_EQ(delta.onto_sum(was), want)) return;
  }
}

TEST("deltas add up, and survive being stored in 16 bits") {
  Random random("add");
  for (int round = 0; round < 100000; ++round) {
    CsumDelta first, second, both;
    for (int i = 0; i < 9; ++i) {
      const uint16_t before = random.word(), after = random.word();
      (i < 4 ? first : second).replace16(before, after);
      both.replace16(before, after);
    }
    const uint16_t check = random.word();
    first.add(CsumDelta::from_raw(second.raw()));
    if (!CHECK_EQ(first.onto_check(check), both.onto_check(check))) return;
  }
}

}  // namespace
}  // namespace vsnat::test
