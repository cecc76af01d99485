// SPDX-License-Identifier: Apache-2.0
//
// micro [--most-flows N] [--iterations N] and the options of Google Benchmark (--help)
// micro --peers                           whose tables are compared with, a line each
//
// What the parts of the packet path cost, each alone and then together. Pin it (taskset -c 1).
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "bench/micro/case.h"
#include "bench/micro/groups.h"
#include "bench/micro/peers.h"

namespace vsnat::bench {
namespace {

Settings chosen;

/** The number after an option of ours, which is taken out of the line; `otherwise` where it is not there. */
int64_t take_number(int& argc, char** argv, std::string_view option, int64_t otherwise) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (argv[i] != option) continue;
    const int64_t number = std::strtoll(argv[i + 1], nullptr, 10);
    for (int j = i; j + 2 <= argc; ++j) argv[j] = argv[j + 2];
    argc -= 2;
    return number;
  }
  return otherwise;
}

benchmark::internal::Benchmark* add_plain(const std::string& name, std::function<void(State&)> body) {
  auto* added =
      benchmark::RegisterBenchmark(name.c_str(), [body = std::move(body)](State& state) { body(state); });
  if (settings().iterations > 0) added->Iterations(settings().iterations);
  return added;
}

}  // namespace

const Settings& settings() {
  return chosen;
}

double clock_seconds() {
  static const double least = [] {
    double found = 1;
    for (int times = 0; times < 9; ++times) {
      std::array<double, 101> looks;
      for (double& look : looks) {
        const double began = cpu_seconds();
        look = cpu_seconds() - began;
      }
      std::nth_element(looks.begin(), looks.begin() + looks.size() / 2, looks.end());
      found = std::min(found, looks[looks.size() / 2]);
    }
    return found;
  }();
  return least;
}

std::vector<uint32_t> sizes() {
  std::vector<uint32_t> fitting;
  for (const uint32_t size : {1'000u, 100'000u, 1'000'000u, 10'000'000u}) {
    if (size <= settings().most_flows) fitting.push_back(size);
  }
  return fitting;
}

std::string short_number(uint32_t number) {
  if (number >= 1'000'000 && number % 1'000'000 == 0) return std::to_string(number / 1'000'000) + "M";
  if (number >= 1'000 && number % 1'000 == 0) return std::to_string(number / 1'000) + "k";
  return std::to_string(number);
}

benchmark::internal::Benchmark* add(const std::string& name, std::function<void(State&)> body) {
  return add_plain(name, std::move(body));
}

benchmark::internal::Benchmark* add_prepared(const std::string& name, std::function<void(State&)> body) {
  return add_plain(name, std::move(body))->UseManualTime();
}

}  // namespace vsnat::bench

int main(int argc, char** argv) {
  using namespace vsnat::bench;
  if (argc == 2 && std::string_view(argv[1]) == "--peers") {
    for (const std::string& version : peer_versions()) std::puts(version.c_str());
    return 0;
  }
  chosen.most_flows = uint32_t(take_number(argc, argv, "--most-flows", chosen.most_flows));
  chosen.iterations = take_number(argc, argv, "--iterations", chosen.iterations);
  add_wire();
  add_hash();
  add_table();
  add_peers();
  add_schedulers();
  add_step();
  add_scaling();
  add_expiry();
  add_memory();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const size_t ran = benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return ran > 0 ? 0 : 1;
}
