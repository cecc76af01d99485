// SPDX-License-Identifier: Apache-2.0
//
// What a burst waits for when flows end: a queue's thread looks at a slice of the table between two bursts
// (engine/worker.cc), so the longest slice is the longest stall. All flows expire at once, which is the worst there is; and
// a round over living flows, which is made once a second, for what idle ones cost.
//
// A thread's processor time has in it what interrupts and a hypervisor took meanwhile. So every slice is followed by a
// control that does nothing but count for about as long: what both of them take now and then is the machine's.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bench/micro/case.h"
#include "bench/micro/groups.h"
#include "bench/micro/traffic.h"

namespace vsnat::bench {
namespace {

constexpr double kControlSeconds = 15e-6;
constexpr double kLongSeconds = 100e-6;

void count_to(uint64_t turns) {
  for (uint64_t i = 0; i < turns; ++i) benchmark::DoNotOptimize(i);
}

/** How far count_to() comes in kControlSeconds: by the quickest of some, which nothing came between. */
uint64_t control_turns() {
  constexpr uint64_t kTurns = 10'000;
  double least = 1;
  for (int i = 0; i < 100; ++i) {
    const double began = cpu_seconds();
    count_to(kTurns);
    least = std::min(least, cpu_seconds() - began);
  }
  return uint64_t(double(kTurns) * kControlSeconds / least);
}

double how_many_are_long(const std::vector<double>& seconds) {
  return double(std::count_if(seconds.begin(), seconds.end(), [](double one) { return one > kLongSeconds; }));
}

/** Microseconds of the n-th of a thousand slices, sorted. */
double quantile_us(const std::vector<double>& sorted, uint32_t per_mille) {
  const size_t at = std::min(sorted.size() - 1, sorted.size() * per_mille / 1000);
  return sorted[at] * 1e6;
}

void report(State& state, std::vector<double> slices, const std::vector<double>& controls) {
  std::sort(slices.begin(), slices.end());
  state.counters["slices"] = double(slices.size());
  state.counters["slice_p50_us"] = quantile_us(slices, 500);
  state.counters["slice_p99_us"] = quantile_us(slices, 990);
  state.counters["slice_p999_us"] = quantile_us(slices, 999);
  state.counters["slice_max_us"] = slices.back() * 1e6;
  state.counters["long_slices"] = how_many_are_long(slices);
  state.counters["control_max_us"] = *std::max_element(controls.begin(), controls.end()) * 1e6;
  state.counters["long_controls"] = how_many_are_long(controls);
}

/** One round, `seconds` from now. */
template <class Addr>
void add_round(const std::string& name, uint32_t flows, uint32_t seconds) {
  add_prepared(name, [=](State& state) {
    sets_up();
    Traffic<Addr> traffic(Layout{.flows = flows});
    std::vector<double> slices, controls;
    const uint64_t turns = control_turns();
    measure_prepared(state, name, flows, [&](auto&& measured) {
      if (traffic.table().stats().flows == 0) {
        traffic.open_all();
        traffic.sweep(0, [](auto&& slice) { slice(); });  // of new flows every one is looked at once
      }
      traffic.sweep(seconds, [&](auto&& slice) {
        const double began = cpu_seconds();
        measured(slice);
        const double ended = cpu_seconds();
        slices.push_back(ended - began);
        count_to(turns);
        controls.push_back(cpu_seconds() - ended);
      });
    });
    report(state, std::move(slices), controls);
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
