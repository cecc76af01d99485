// SPDX-License-Identifier: Apache-2.0
//
// What one worker counts per service and per real server. Single writer; the control thread sums the workers.
//
// A server's numbers are in three places. Those every packet changes are half a cache line and nothing else, since with
// many services they are what a packet of a known flow waits for (docs/decisions/0009-prefetching-in-groups.md); its
// connections, and the signals that few packets give, lie elsewhere. Slots are many more than servers, so their memory is
// only promised: a page comes into being when one of its slots first counts something.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/counter.h"
#include "base/mapping.h"
#include "nat/signals.h"

namespace vsnat::nat {

struct alignas(32) ServerTally {
  Counter in_packets, in_bytes, out_packets, out_bytes;
};
static_assert(sizeof(ServerTally) == 32);

struct ServiceTally {
  Counter connections, schedule_failures;
};

/** One T for each slot, all zero. For counters only: nothing is constructed, and nothing destroyed. */
template <class T>
class Slots {
 public:
  Slots(uint32_t slots, const char* what) {
    Result<Mapping> memory = Mapping::anonymous(slots * sizeof(T), what);
    VSNAT_CHECK(memory, "address space for counters is never short before that of the flow table is");
    memory_ = std::move(memory.value());
  }

  T& operator[](uint32_t slot) { return reinterpret_cast<T*>(memory_.bytes().data())[slot]; }
  const T& operator[](uint32_t slot) const {
    return reinterpret_cast<const T*>(memory_.bytes().data())[slot];
  }

 private:
  Mapping memory_;
};

class Tally {
 public:
  Tally(uint32_t server_slots, uint32_t service_slots)
      : servers_(server_slots, "the servers' counters"),
        connections_(server_slots, "the servers' connections"),
        signals_(server_slots, "the servers' signals"),
        services_(std::make_unique<ServiceTally[]>(service_slots)) {}

  ServerTally& server(uint32_t slot) { return servers_[slot]; }
  const ServerTally& server(uint32_t slot) const { return servers_[slot]; }
  /** How many connections a server was given. */
  Counter& connections(uint32_t slot) { return connections_[slot]; }
  const Counter& connections(uint32_t slot) const { return connections_[slot]; }
  ServerSignals& signals(uint32_t slot) { return signals_[slot]; }
  const ServerSignals& signals(uint32_t slot) const { return signals_[slot]; }
  ServiceTally& service(uint32_t slot) { return services_[slot]; }
  const ServiceTally& service(uint32_t slot) const { return services_[slot]; }

  /** Flows another queue made, and RSTs whose sequence number was no endpoint's. */
  Counter foreign_flows, suspect_resets;
  /** Replies of a one-packet server that several services have: nobody knows whose they are. */
  Counter ambiguous_replies;
  /** Connections ended early: by drop_entry, and because their server left (expire_nodest_conn). */
  Counter entries_dropped, orphans_ended;
  /** Ended because an operator said so, or a drain reached its deadline. */
  Counter flows_ended;

  /** Data connections that FTP helpers expect, and what they could not make use of. */
  Counter ftp_announced, ftp_ignored;

 private:
  Slots<ServerTally> servers_;
  Slots<Counter> connections_;
  Slots<ServerSignals> signals_;
  std::unique_ptr<ServiceTally[]> services_;
};

}  // namespace vsnat::nat
