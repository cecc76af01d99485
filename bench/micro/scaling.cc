// SPDX-License-Identifier: Apache-2.0
//
// A packet by how much is configured: the same flows over 1 to 10,000 services, and over services of 2 to 1,000 servers.
// Data of open connections, and the first segments of new ones, for which a server is picked.
#include <algorithm>
#include <memory>
#include <string>

#include "bench/micro/case.h"
#include "bench/micro/groups.h"
#include "bench/micro/kept.h"
#include "bench/micro/traffic.h"

namespace vsnat::bench {
namespace {

using Traffic4 = Traffic<wire::Addr4>;

constexpr uint32_t kSequence = 1 << 18;

std::string key_of(const char* state, const Layout& layout) {
  return std::string(state) + " scaling " + std::to_string(layout.services) + " " +
         std::to_string(layout.servers) + " " + std::to_string(int(layout.choice));
}

void add_data(const std::string& name, const Layout& layout) {
  add_prepared(name, [=](State& state) {
    auto& traffic = kept<Traffic4>(key_of("open", layout), [&] {
      auto made = std::make_unique<Traffic4>(layout);
      made->open_and_exchange_all();
      return made;
    });
    const std::vector<uint32_t> sequence = drawn(layout.flows, Popularity::uniform, kSequence);
    uint32_t at = 0;
    measure_prepared(state, name, kBatch, [&](auto&& measured) {
      traffic.data({sequence.data() + at, kBatch}, measured);
      at = (at + kBatch) % kSequence;
    });
  });
}

void add_syn(const std::string& name, const Layout& layout) {
  add_prepared(name, [=](State& state) {
    auto& traffic = kept<Traffic4>(key_of("new", layout), [&] { return std::make_unique<Traffic4>(layout); });
    traffic.forget_all();
    const uint32_t batch = std::min(kBatch, layout.flows), whole = layout.flows - layout.flows % batch;
    uint32_t at = 0;
    measure_prepared(state, name, batch, [&](auto&& measured) {
      if (at == whole) {
        traffic.forget_all();
        at = 0;
      }
      traffic.syn(at, batch, measured);
      at += batch;
    });
  });
}

}  // namespace

void add_scaling() {
  const uint32_t flows = std::min(100'000u, settings().most_flows);
  for (const uint32_t services : {1u, 10u, 100u, 1'000u, 10'000u}) {
    const Layout layout{.flows = flows, .services = services};
    add_data("scaling/data/services/" + short_number(services), layout);
    add_syn("scaling/syn-rr/services/" + short_number(services), layout);
  }
  for (const uint32_t servers : {2u, 10u, 100u, 1'000u}) {
    Layout layout{.flows = flows, .services = 1, .servers = servers};
    add_data("scaling/data/servers/" + short_number(servers), layout);
    add_syn("scaling/syn-rr/servers/" + short_number(servers), layout);
    layout.choice = Choice::least_loaded;
    add_syn("scaling/syn-wlc/servers/" + short_number(servers), layout);
  }
}

}  // namespace vsnat::bench
