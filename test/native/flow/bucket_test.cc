// SPDX-License-Identifier: Apache-2.0
//
// Ten tags compared at once, against one after the other.
#include "flow/bucket.h"

#include <cstring>

#include "test/native/check.h"

namespace vsnat::test {
namespace {

using flow::Bucket;

TEST("all slots of a bucket that have a tag are found at once, and nothing that only looks like a tag") {
  Random random("ten tags");
  for (int round = scaled(200'000); round > 0; --round) {
    Bucket bucket;
    auto* words = reinterpret_cast<uint16_t*>(&bucket);
    // Few values, so that tags repeat and what stands behind them is the same.
    for (size_t i = 0; i < sizeof(bucket) / 2; ++i) words[i] = uint16_t(random.below(4) * 0x5555);
    for (const uint16_t tag : {0x0000, 0x5555, 0xaaaa, 0xffff, 0x0055}) {
      if (!CHECK_EQ(bucket.match(tag), bucket.match_one_by_one(tag))) return;
    }
  }
}

TEST("a tag is found in the slot it is in") {
  for (unsigned slot = 0; slot < Bucket::kSlots; ++slot) {
    Bucket bucket;
    std::memset(static_cast<void*>(&bucket), 0, sizeof(bucket));
    bucket.tag[slot] = 0x8001;
    CHECK_EQ(bucket.match(0x8001), 1u << slot);
    CHECK_EQ(bucket.match(0x0001), 0u);
  }
}

}  // namespace
}  // namespace vsnat::test
