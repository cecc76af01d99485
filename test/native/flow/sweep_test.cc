// SPDX-License-Identifier: Apache-2.0
//
// What a sweep of the flow table does not look at: groups of records in which nothing is due.
#include <vector>

#include "flow/table.h"
#include "test/native/check.h"
#include "test/native/flow/table_lab.h"

namespace vsnat::test {
namespace {

using flow::Table;
using wire::Addr4;

constexpr uint8_t kTcp = 6;
constexpr uint32_t kGroup = Table<Addr4>::kGroup;

TEST(
    "where one flow of a million is due, its group is looked at, and of the others only that they are not "
    "due") {
  constexpr uint32_t kFlows = 1'000'000;
  Lab<Addr4> lab(kFlows);
  flow::Flow<Addr4>* some = nullptr;
  for (uint32_t i = 0; i < kFlows; ++i) {
    auto* flow = lab.open(kTcp, i, 1000, 1, 80, i, 80, Tick{8000});
    if (i == kFlows / 3) some = flow;
  }
  const auto look_at_all = [&](Tick now) {
    uint32_t looked = 0, last;
    for (uint32_t shard = 0; shard < lab.table.shard_count(); ++shard) {
      do {
        last = lab.table.sweep(shard, now, 512, [](const auto&) {});
        looked += last;
      } while (last == 512);
    }
    return looked;
  };
  CHECK(look_at_all(Tick{10}) >= kFlows);
  const uint32_t groups = look_at_all(Tick{11});
  CHECK(groups >= kFlows / kGroup && groups < kFlows / kGroup + kFlows / 100);
  lab.table.touch(some, Tick{100});
  CHECK_EQ(look_at_all(Tick{99}), groups);
  CHECK_EQ(look_at_all(Tick{100}), groups - 1 + kGroup + flow::Table<Addr4>::kRemovalCost - 1);
  CHECK_EQ(lab.table.stats().flows, uint64_t{kFlows - 1});
  CHECK_EQ(look_at_all(Tick{7999}), groups);
  look_at_all(Tick{8000});
  CHECK_EQ(lab.table.stats().flows, uint64_t{0});
}

TEST("an end that is brought forward while its group is gone through is met in time") {
  for (uint32_t which = 0; which < kGroup; ++which) {
    ROW("the flow at " + std::to_string(which));
    for (uint32_t until = 1; until < kGroup; ++until) {
      Lab<Addr4> lab(kGroup);
      std::vector<flow::Flow<Addr4>*> flows;
      for (uint32_t i = 0; i < kGroup; ++i)
        flows.push_back(lab.open(kTcp, i, 1000, 1, 80, i, 80, Tick{8000}));
      if (lab.table.sweep(0, Tick{1}, until, [](const auto&) {}) != until) return (void)CHECK(false);
      lab.table.touch(flows[which], Tick{50});
      lab.sweep_all(Tick{2}, 100);
      lab.sweep_all(Tick{49}, 100);
      if (!CHECK_EQ(lab.table.stats().flows, uint64_t{kGroup})) return;
      lab.sweep_all(Tick{50}, 100);
      if (!CHECK_EQ(lab.table.stats().flows, uint64_t{kGroup - 1})) return;
    }
  }
}

}  // namespace
}  // namespace vsnat::test
