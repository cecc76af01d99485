// SPDX-License-Identifier: Apache-2.0
//
// What a burst waits for when flows end: a queue's thread looks at a slice of the table between two bursts
// (engine/worker.cc), so the longest slice is the longest stall. All flows expire at once, which is the worst there is; and
// a round over living flows, which is made once a second, for what idle ones cost.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bench/micro/case.h"
#include "bench/micro/groups.h"
#include "bench/micro/traffic.h"

namespace vsnat::bench {
namespace {

/** Microseconds of the n-th of a thousand slices, sorted. */
double quantile_us(const std::vector<double>& sorted, uint32_t per_mille) {
  const size_t at = std::min(sorted.size() - 1, sorted.size() * per_mille / 1000);
  return sorted[at] * 1e6;
}

void report(State& state, std::vector<double> slices) {
  std::sort(slices.begin(), slices.end());
  state.counters["slices"] = double(slices.size());
  state.counters["slice_p50_us"] = quantile_us(slices, 500);
  state.counters["slice_p99_us"] = quantile_us(slices, 990);
  state.counters["slice_p999_us"] = quantile_us(slices, 999);
  state.counters["slice_max_us"] = slices.back() * 1e6;
}

/** One round, `seconds` from now. */
template <class Addr>
void add_round(const std::string& name, uint32_t flows, uint32_t seconds) {
  add_prepared(name, [=](State& state) {
    sets_up();
    Traffic<Addr> traffic(Layout{.flows = flows});
    std::vector<double> slices;
    measure_prepared(state, name, flows, [&](auto&& measured) {
      if (traffic.table().stats().flows == 0) traffic.open_all();
      traffic.sweep(seconds, [&](auto&& slice) {
        const double began = cpu_seconds();
        measured(slice);
        slices.push_back(cpu_seconds() - began);
      });
    });
    report(state, std::move(slices));
  })->Iterations(1);
}

}  // namespace

void add_expiry() {
  const uint32_t flows = std::min(1'000'000u, settings().most_flows);
  const std::string many = short_number(flows);
  add_round<wire::Addr4>("expiry/all-at-once/ipv4/" + many, flows, Traffic<wire::Addr4>::kLong);
  add_round<wire::Addr6>("expiry/all-at-once/ipv6/" + many, flows, Traffic<wire::Addr6>::kLong);
  add_round<wire::Addr4>("expiry/nothing-due/ipv4/" + many, flows, 0);
}

}  // namespace vsnat::bench
