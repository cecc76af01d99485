// SPDX-License-Identifier: Apache-2.0
//
// What the microbenchmarks draw their packets from: if the keys were not what they are said to be, the figures would not be.
#include "bench/micro/clients.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "test/native/check.h"

namespace vsnat::test {
namespace {

using bench::drawn;
using bench::Popularity;

/** How often each flow was drawn, the most popular first. */
std::vector<double> shares(uint32_t flows, Popularity popularity, uint32_t length) {
  std::vector<double> counts(flows);
  for (const uint32_t flow : drawn(flows, popularity, length)) counts.at(flow) += 1.0 / length;
  std::sort(counts.rbegin(), counts.rend());
  return counts;
}

TEST("the n-th most popular flow is drawn an n-th as often as the first") {
  constexpr uint32_t kFlows = 50, kLength = 400'000;
  double harmonic = 0;
  for (uint32_t n = 1; n <= kFlows; ++n) harmonic += 1.0 / n;
  const std::vector<double> got = shares(kFlows, Popularity::zipf, kLength);
  for (uint32_t n = 1; n <= kFlows; ++n) {
    ROW("rank " + std::to_string(n));
    const double want = 1 / (n * harmonic), deviation = std::sqrt(want / kLength);
    CHECK(std::abs(got[n - 1] - want) < 6 * deviation);
  }
}

TEST("uniform flows are drawn alike, and none is left out") {
  constexpr uint32_t kFlows = 50, kLength = 400'000;
  const std::vector<double> got = shares(kFlows, Popularity::uniform, kLength);
  const double want = 1.0 / kFlows, deviation = std::sqrt(want / kLength);
  CHECK(got.front() - want < 6 * deviation);
  CHECK(want - got.back() < 6 * deviation);
}

TEST("flows are scattered over all of them, each once") {
  for (const uint32_t flows : {1u, 7u, 1'000u, 100'000u}) {
    std::set<uint32_t> seen;
    for (uint32_t i = 0; i < flows; ++i) seen.insert(bench::scattered(i, flows));
    CHECK_EQ(seen.size(), size_t(flows));
    CHECK(*seen.rbegin() < flows);
  }
}

TEST("no two of ten million flows have the same client") {
  const auto last = bench::client_address<wire::Addr4>(9'999'999);
  CHECK(last.value.host() < 0xc6140000);  // within 198.18.0.0/15
  std::set<std::pair<uint32_t, uint16_t>> seen;
  for (uint32_t i = 0; i < 10'000'000; i += 59'999)
    seen.insert({bench::client_address<wire::Addr4>(i).value.host(), bench::client_port(i)});
  CHECK_EQ(seen.size(), size_t(9'999'999 / 59'999 + 1));
}

}  // namespace
}  // namespace vsnat::test
