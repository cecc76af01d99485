// SPDX-License-Identifier: Apache-2.0
//
// One case of the microbenchmarks, as Google Benchmark runs it. Times are of this thread's processor time: on a machine
// with other work, a wall clock tells of that work.
//
// Under valgrind a case is counted instead (`npm run bench:micro -- --valgrind`): callgrind watches from the first
// measured operation to the last, adds up only what is inside them, and writes it down under the case's name and the number of
// operations. Its simulated caches are filled by the first of the two repetitions it is asked for.
#pragma once

#include <benchmark/benchmark.h>
#include <time.h>
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#define CALLGRIND_TOGGLE_COLLECT
#define CALLGRIND_DUMP_STATS_AT(name)
#endif

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace vsnat::bench {

using State = benchmark::State;

struct Settings {
  /** Cases with more flows are left out. */
  uint32_t most_flows = 10'000'000;
  /** Iterations of each case; 0: as many as take long enough. */
  int64_t iterations = 0;
};
const Settings& settings();

/** 1k, 100k, 1M and 10M, as far as the settings go. */
std::vector<uint32_t> sizes();
/** "100k". */
std::string short_number(uint32_t number);

/** Names are group/what/.../of how many: the driver splits them at the slashes. `body` measures by one of those below. */
benchmark::internal::Benchmark* add(const std::string& name, std::function<void(State&)> body);
/** The same for measure_prepared(). */
benchmark::internal::Benchmark* add_prepared(const std::string& name, std::function<void(State&)> body);

inline double cpu_seconds() {
  timespec t;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

/**
 * What two looks at the clock with nothing between them tell, the least median of several hundreds: it is a system call, half
 * a microsecond of each part that is measured, and no cost of what is. The least, since a slow moment would be taken off
 * every part that is not as slow.
 */
double clock_seconds();

/** What is in the scope of one is counted. */
class Counted {
 public:
  Counted() { CALLGRIND_TOGGLE_COLLECT; }
  ~Counted() { CALLGRIND_TOGGLE_COLLECT; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
};

/** Before anything large is set up: it need not run in the simulator. */
inline void sets_up() {
  CALLGRIND_STOP_INSTRUMENTATION;
}

/** The case has done this many operations. */
inline void has_done(State& state, const std::string& name, uint64_t operations) {
  state.SetItemsProcessed(int64_t(operations));
  const std::string line = name + " " + std::to_string(operations);
  CALLGRIND_DUMP_STATS_AT(line.c_str());
  static_cast<void>(line);
}

/** `batch()` is `operations` operations, and needs nothing but itself. */
template <class Batch>
void measure(State& state, const std::string& name, uint64_t operations, Batch&& batch) {
  CALLGRIND_START_INSTRUMENTATION;
  {
    const Counted counted;
    for (auto _ : state) batch();
  }
  has_done(state, name, uint64_t(state.iterations()) * operations);
}

/** `iteration(measured)` makes what it needs and hands to `measured` what is to be measured, in one part or several. */
template <class Iteration>
void measure_prepared(State& state, const std::string& name, uint64_t operations, Iteration&& iteration) {
  clock_seconds();  // its thousand looks take a millisecond, once, which is no part's
  CALLGRIND_START_INSTRUMENTATION;
  for (auto _ : state) {
    double seconds = 0;
    iteration([&seconds](auto&& part) {
      const double began = cpu_seconds();
      {
        const Counted counted;
        part();
      }
      seconds += cpu_seconds() - began - clock_seconds();
    });
    // Never nothing: Google Benchmark goes on until there is enough.
    state.SetIterationTime(std::max(seconds, 1e-9));
  }
  has_done(state, name, uint64_t(state.iterations()) * operations);
}

}  // namespace vsnat::bench
