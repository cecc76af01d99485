// SPDX-License-Identifier: Apache-2.0
//
// What one worker counts per service and per real server. Single writer; the control thread sums the workers.
//
// A server's numbers are in three places: what every packet changes (nat/volumes.h), its connections, and the signals that
// few packets give. With many services the first are what a packet of a known flow waits for
// (docs/decisions/0009-prefetching-in-groups.md), so nothing else lies between them.
#pragma once

#include <cstdint>
#include <memory>

#include "base/counter.h"
#include "nat/signals.h"
#include "nat/slots.h"
#include "nat/volumes.h"

namespace vsnat::nat {

struct ServiceTally {
  Counter connections, schedule_failures;
};

class Tally {
 public:
  Tally(uint32_t server_slots, uint32_t service_slots)
      : volumes_(server_slots),
        connections_(server_slots, "the servers' connections"),
        signals_(server_slots, "the servers' signals"),
        services_(std::make_unique<ServiceTally[]>(service_slots)) {}

  /** A packet to a server, or from it. */
  [[gnu::always_inline]] void count(uint32_t slot, flow::Direction direction, uint32_t bytes) {
    volumes_.count(slot, direction, bytes);
  }
  /** Packets that went by without having been counted one by one. */
  void add(uint32_t slot, flow::Direction direction, const Volume& more) {
    volumes_.add(slot, direction, more);
  }
  [[gnu::always_inline]] void prefetch_count(uint32_t slot) const { volumes_.prefetch(slot); }
  Volume volume(uint32_t slot, flow::Direction direction) const { return volumes_.read(slot, direction); }
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
  Volumes volumes_;
  Slots<Counter> connections_;
  Slots<ServerSignals> signals_;
  std::unique_ptr<ServiceTally[]> services_;
};

}  // namespace vsnat::nat
