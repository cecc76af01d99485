// SPDX-License-Identifier: Apache-2.0
//
// Sequence numbers around replaced text, against a search through every byte there is.
#include "nat/sequence.h"

#include <vector>

#include "test/native/check.h"

namespace vsnat::test {
namespace {

using nat::SequenceMap;
using Rounding = SequenceMap::Rounding;

struct Replaced {
  uint32_t begin, end;
  int growth;
};

/** Offsets from the beginning of the stream, so that nothing wraps. */
uint32_t slow_given(const std::vector<Replaced>& all, uint32_t sent) {
  uint32_t given = sent;
  for (const Replaced& r : all) {
    if (sent >= r.end) given += uint32_t(r.growth);
  }
  return given;
}

uint32_t slow_sent(const std::vector<Replaced>& all, uint32_t given, Rounding rounding) {
  for (const Replaced& r : all) {
    if (given > slow_given(all, r.begin) && given < slow_given(all, r.end)) {
      return rounding == Rounding::down ? r.begin : r.end;
    }
  }
  for (uint32_t sent = 0;; ++sent) {
    bool inside = false;
    for (const Replaced& r : all) inside = inside || (sent > r.begin && sent < r.end);
    if (!inside && slow_given(all, sent) == given) return sent;
  }
}

TEST("numbers behind, before and inside replaced text are told apart, over the end of the number space too") {
  Random random("numbers behind, before and inside replaced text are told apart");
  for (int round = 0; round < scaled(300); ++round) {
    const uint32_t base = 0u - random.below(600);
    SequenceMap map{};
    std::vector<Replaced> all;
    uint32_t at = 0;
    CHECK(!map.changed());
    for (unsigned n = 0; n < 6; ++n) {
      const uint32_t begin = at + random.below(40), end = begin + random.between(8, 60);
      const int growth = int(random.below(15)) - 7;
      all.push_back({begin, end, growth});
      CHECK(map.replace(base + begin, base + end, growth));
      CHECK(!map.replace(base + begin, base + end, growth));
      at = end;
      // What lies before the oldest that is remembered is not asked for any more.
      const size_t forgotten =
          all.size() > SequenceMap::kRemembered ? all.size() - SequenceMap::kRemembered : 0;
      const uint32_t oldest = forgotten == 0 ? 0 : all[forgotten - 1].end;
      for (uint32_t sent = oldest; sent < at + 20; ++sent) {
        CHECK_EQ(map.given(base + sent) - base, slow_given(all, sent));
      }
      for (uint32_t given = slow_given(all, oldest); given < slow_given(all, at + 20); ++given) {
        for (const Rounding rounding : {Rounding::down, Rounding::up}) {
          CHECK_EQ(map.sent(base + given, rounding) - base, slow_sent(all, given, rounding));
        }
      }
      CHECK(map.find(base + begin) != nullptr && map.find(base + begin)->end == base + end);
    }
    CHECK(map.find(base + all[0].begin) == nullptr || all[0].begin == all[2].begin);
  }
}

}  // namespace
}  // namespace vsnat::test
