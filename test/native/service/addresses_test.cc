// SPDX-License-Identifier: Apache-2.0
//
// The set of addresses that every packet asks, against std::set.
#include <cstring>
#include <set>

#include "service/places.h"
#include "test/native/check.h"

namespace vsnat::test {
namespace {

using service::Addresses;
using service::Places;
using wire::Addr4;
using wire::Addr6;

/** Few bits differ, so that what is asked for is often there or nearly. */
template <class Addr>
Addr address(uint32_t number) {
  Addr made{};
  const auto last = wire::be32::from_host(number);
  auto* bytes = reinterpret_cast<uint8_t*>(&made);
  bytes[0] = Addr::kFamily == 6 ? 0x20 : 0;
  std::memcpy(bytes + sizeof(Addr) - sizeof(last), &last, sizeof(last));
  return made;
}

template <class Addr>
void holds_what_was_put_in(Random& random) {
  const uint32_t room = random.below(200), among = 1 + random.below(400);
  Addresses<Addr> addresses;
  std::set<uint32_t> expected;
  addresses.reserve(room);
  for (uint32_t i = 0; i < room; ++i) {
    const uint32_t number = 1 + random.below(among);
    addresses.insert(address<Addr>(number));
    expected.insert(number);
  }
  for (uint32_t number = 1; number <= among + 8; ++number) {
    if (!CHECK_EQ(addresses.contains(address<Addr>(number)), expected.contains(number))) return;
  }
}

TEST("a set of addresses holds what was put in, and nothing else") {
  Random random("addresses");
  for (int round = scaled(300); round > 0; --round) {
    holds_what_was_put_in<Addr4>(random);
    holds_what_was_put_in<Addr6>(random);
  }
}

/** All of the same bucket, the last, so that those it has no room for go round to the first. */
template <class Addr>
void spills() {
  constexpr uint32_t kRoom = 24;
  Addresses<Addr> addresses;
  addresses.reserve(kRoom);
  std::set<uint32_t> members;
  uint32_t number = 1;
  const auto next = [&] {
    while (addresses.home_of(address<Addr>(number)) + 1 != addresses.bucket_count()) ++number;
    return number++;
  };
  while (members.size() < kRoom) {
    const uint32_t member = next();
    addresses.insert(address<Addr>(member));
    members.insert(member);
  }
  for (const uint32_t member : members) CHECK(addresses.contains(address<Addr>(member)));
  for (int i = 0; i < 100; ++i) CHECK(!addresses.contains(address<Addr>(next())));
}

TEST("addresses that have no room in their bucket are found in the next") {
  spills<Addr4>();
  spills<Addr6>();
}

TEST("an empty set holds nothing, and no set the address that is none") {
  Addresses<Addr4> four;
  Addresses<Addr6> six;
  for (int i = 0; i < 2; ++i) {
    CHECK(!four.contains(Addr4{}));
    CHECK(!six.contains(Addr6{}));
    CHECK(!four.contains(address<Addr4>(7 + uint32_t(i))));
    four.reserve(1);
    six.reserve(1);
    four.insert(address<Addr4>(7));
    six.insert(address<Addr6>(7));
  }
}

}  // namespace
}  // namespace vsnat::test
