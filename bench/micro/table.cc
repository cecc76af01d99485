// SPDX-License-Identifier: Apache-2.0
//
// The flow table, asked as the packet path asks it: one lookup after the other, and as a burst does, which asks for the
// lines of all its packets before it reads the first.
#include <algorithm>
#include <span>

#include "base/mapping.h"
#include "bench/micro/groups.h"
#include "bench/micro/lookups.h"
#include "engine/lane.h"
#include "flow/table.h"

namespace vsnat::bench {
namespace {

using FlowTable = flow::Table<wire::Addr4>;

class OneByOne {
 public:
  explicit OneByOne(uint32_t flows) {
    auto memory = Mapping::anonymous(FlowTable::bytes_for(with_room_for(flows)), "the flow table");
    if (!memory) fail("no memory for that many flows");
    memory_ = std::move(memory.value());
    memory_.prefer_huge_pages();
    table_.format(memory_.bytes(), with_room_for(flows), HashKey{1, 2}, flow::Sharing::exclusive);
  }

  uint32_t find(std::span<const uint32_t> sequence, uint32_t first) {
    uint32_t found = 0;
    for (const uint32_t i : sequence) {
      const Request request = request_of(first + i);
      found += flow_of(hash_of(request), request) != nullptr;
    }
    return found;
  }
  void insert(const Request& request) {
    auto* flow = table_.insert(hash_of(request), request.protocol, request.client, request.client_port, kNow,
                               [](const auto&) { fail("the flow table gave up a flow"); });
    if (flow == nullptr) fail("the flow table is full too early");
    flow->virt = request.virt;
    flow->virtual_port = request.virtual_port;
    flow->state = flow::State::established;
    flow->flags = flow::Flow<wire::Addr4>::kConfirmed;
    table_.touch(flow, kNow.plus(ticks_from_seconds(900)));
  }
  void erase(const Request& request) { table_.erase(flow_of(hash_of(request), request)); }

 protected:
  static constexpr Tick kNow{1000};

  uint64_t hash_of(const Request& request) const {
    return table_.hash(request.protocol, request.client, request.client_port);
  }
  flow::Flow<wire::Addr4>* flow_of(uint64_t hash, const Request& request) {
    return table_.find_request(hash, request.protocol, request.client, request.client_port, request.virt,
                               request.virtual_port);
  }

  Mapping memory_;
  FlowTable table_;
};

class InBursts : public OneByOne {
 public:
  using OneByOne::OneByOne;

  uint32_t find(std::span<const uint32_t> sequence, uint32_t first) {
    uint32_t found = 0;
    for (size_t begin = 0; begin < sequence.size(); begin += engine::kBurst) {
      const size_t size = std::min<size_t>(engine::kBurst, sequence.size() - begin);
      Request requests[engine::kBurst];
      uint64_t hashes[engine::kBurst];
      for (size_t i = 0; i < size; ++i) {
        requests[i] = request_of(first + sequence[begin + i]);
        hashes[i] = hash_of(requests[i]);
        table_.prefetch(hashes[i]);
      }
      for (size_t i = 0; i < size; ++i) table_.prefetch_flow(hashes[i]);
      for (size_t i = 0; i < size; ++i) found += flow_of(hashes[i], requests[i]) != nullptr;
    }
    return found;
  }
};

}  // namespace

void add_table() {
  add_lookups<OneByOne>("vsnat");
  for (const uint32_t flows : sizes()) {
    add_find<InBursts>("hit-uniform", "vsnat-burst", flows, Popularity::uniform, 0);
    add_find<InBursts>("hit-zipf", "vsnat-burst", flows, Popularity::zipf, 0);
    add_find<InBursts>("miss", "vsnat-burst", flows, Popularity::uniform, flows);
  }
}

}  // namespace vsnat::bench
