// SPDX-License-Identifier: Apache-2.0
//
// A whole packet between read(2) and write(2): data of open connections, and the opening of new ones.
#include <memory>
#include <string>

#include "bench/micro/case.h"
#include "bench/micro/groups.h"
#include "bench/micro/kept.h"
#include "bench/micro/traffic.h"

namespace vsnat::bench {
namespace {

constexpr uint32_t kSequence = 1 << 20;

template <class Addr>
std::string family() {
  return Addr::kFamily == 4 ? "ipv4" : "ipv6";
}

template <class Addr>
Traffic<Addr>& open_traffic(uint32_t flows) {
  return kept<Traffic<Addr>>("open " + family<Addr>() + std::to_string(flows), [&] {
    auto traffic = std::make_unique<Traffic<Addr>>(Layout{.flows = flows});
    traffic->open_and_exchange_all();
    return traffic;
  });
}

/** Without a flow, but with its memory touched: the first flow on a huge page waits until the kernel has zeroed it. */
template <class Addr>
Traffic<Addr>& new_traffic(uint32_t flows) {
  return kept<Traffic<Addr>>("new " + family<Addr>() + std::to_string(flows), [&] {
    auto traffic = std::make_unique<Traffic<Addr>>(Layout{.flows = flows});
    traffic->open_all();
    traffic->forget_all();
    return traffic;
  });
}

template <class Addr>
void add_data(uint32_t flows, Popularity popularity) {
  const std::string name = "step/data/" + family<Addr>() + "/" +
                           (popularity == Popularity::zipf ? "zipf" : "uniform") + "/" + short_number(flows);
  add_prepared(name, [=](State& state) {
    auto& traffic = open_traffic<Addr>(flows);
    const std::vector<uint32_t> sequence = drawn(flows, popularity, kSequence);
    uint32_t at = 0;
    measure_prepared(state, name, kBatch, [&](auto&& measured) {
      traffic.data({sequence.data() + at, kBatch}, measured);
      at = (at + kBatch) % kSequence;
    });
  });
}

/** All three segments of a handshake; per new flow. */
template <class Addr>
void add_open(uint32_t flows) {
  const std::string name = "step/open/" + family<Addr>() + "/" + short_number(flows);
  add_prepared(name, [=](State& state) {
    auto& traffic = new_traffic<Addr>(flows);
    traffic.forget_all();
    const uint32_t whole = flows - flows % kBatch;
    uint32_t at = 0;
    measure_prepared(state, name, kBatch, [&](auto&& measured) {
      if (at == whole) {
        traffic.forget_all();
        at = 0;
      }
      traffic.syn(at, kBatch, measured);
      traffic.syn_ack(at, kBatch, measured);
      traffic.ack(at, kBatch, measured);
      at += kBatch;
    });
  });
}

template <class Addr>
void add_family() {
  for (const uint32_t flows : sizes()) {
    add_data<Addr>(flows, Popularity::uniform);
    add_data<Addr>(flows, Popularity::zipf);
    add_open<Addr>(flows);
  }
}

}  // namespace

void add_step() {
  add_family<wire::Addr4>();
  add_family<wire::Addr6>();
}

}  // namespace vsnat::bench
