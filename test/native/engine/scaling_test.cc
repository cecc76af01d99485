// SPDX-License-Identifier: Apache-2.0
//
// What a packet costs does not depend on how much is configured. Both of what is compared run in turn in one process, by
// processor time, and the least of several rounds counts, so that other work on the machine is not in it. The bounds are
// for what grows with the number of services or servers, a hundred times and more, not for a cache miss: those are in
// docs/microbenchmarks.md. The sanitizers' own work is another, so these tests are not in their builds.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

#include <time.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "bench/micro/traffic.h"
#include "test/native/check.h"

namespace vsnat::test {
namespace {

using bench::Layout;
using Traffic = bench::Traffic<wire::Addr4>;

constexpr uint32_t kFlows = 2'000, kPackets = 4'096;
constexpr int kRounds = 7;

double cpu_ns() {
  timespec t;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) * 1e9 + double(t.tv_nsec);
}

/** A director, and the least its packets have cost. */
class Course {
 public:
  explicit Course(const Layout& layout)
      : traffic_(layout), sequence_(bench::drawn(layout.flows, bench::Popularity::uniform, kPackets)) {}

  void round() {
    double ns = 0;
    const auto measure = [&ns](auto&& batch) {
      const double began = cpu_ns();
      batch();
      ns += cpu_ns() - began;
    };
    traffic_.syn(0, kFlows, measure);
    opening = std::min(opening, ns / kFlows);
    const auto unmeasured = [](auto&& batch) { batch(); };
    traffic_.syn_ack(0, kFlows, unmeasured);
    traffic_.ack(0, kFlows, unmeasured);
    ns = 0;
    traffic_.data(sequence_, measure);
    data = std::min(data, ns / kPackets);
    traffic_.forget_all();
  }

  double opening = std::numeric_limits<double>::max(), data = opening;

 private:
  Traffic traffic_;
  std::vector<uint32_t> sequence_;
};

std::string in_words(double few, double many) {
  return std::to_string(few) + " ns with few, " + std::to_string(many) + " ns with many";
}

/** How many times as much the larger may cost. */
struct Bounds {
  double data, opening;
};

void check_flat(const Layout& few, const Layout& many, const Bounds& bounds) {
  Course small(few), large(many);
  for (int i = 0; i < kRounds; ++i) {
    small.round();
    large.round();
  }
  {
    ROW("data, " + in_words(small.data, large.data));
    CHECK(large.data < small.data * bounds.data);
  }
  ROW("first segments, " + in_words(small.opening, large.opening));
  CHECK(large.opening < small.opening * bounds.opening);
}

TEST("a packet costs about the same with 10,000 services as with one") {
  // A new connection meets its service in no cache: 1.6 to 3 times as much.
  check_flat({.flows = kFlows}, {.flows = kFlows, .services = 10'000}, {.data = 3, .opening = 10});
}

TEST("a packet costs about the same with 1,000 servers as with two, when they are taken in turn") {
  check_flat({.flows = kFlows, .servers = 2}, {.flows = kFlows, .servers = 1'000}, {.data = 3, .opening = 3});
}

TEST("a packet costs about the same with 1,000 servers as with two, when the least loaded is taken") {
  Layout few{.flows = kFlows, .servers = 2, .choice = bench::Choice::least_loaded}, many = few;
  many.servers = 1'000;
  // Twice as much; a look at all of them would be twenty times.
  check_flat(few, many, {.data = 3, .opening = 6});
}

}  // namespace
}  // namespace vsnat::test
#endif
