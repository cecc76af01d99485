// SPDX-License-Identifier: Apache-2.0
//
// What one worker counts per service and per real server. Single writer; the control thread sums the workers.
#pragma once

#include <memory>

#include "base/counter.h"

namespace vsnat::nat {

struct alignas(64) ServerTally {
  Counter connections, in_packets, in_bytes, out_packets, out_bytes;
};

struct ServiceTally {
  Counter connections, schedule_failures;
};

class Tally {
 public:
  Tally(uint32_t server_slots, uint32_t service_slots)
      : servers_(std::make_unique<ServerTally[]>(server_slots)),
        services_(std::make_unique<ServiceTally[]>(service_slots)) {}

  ServerTally& server(uint32_t slot) { return servers_[slot]; }
  const ServerTally& server(uint32_t slot) const { return servers_[slot]; }
  ServiceTally& service(uint32_t slot) { return services_[slot]; }
  const ServiceTally& service(uint32_t slot) const { return services_[slot]; }

  /** Flows another queue made, and RSTs whose sequence number was no endpoint's. */
  Counter foreign_flows, suspect_resets;
  /** Replies of a one-packet server that several services have: nobody knows whose they are. */
  Counter ambiguous_replies;
  /** Connections ended early: by drop_entry, and because their server left (expire_nodest_conn). */
  Counter entries_dropped, orphans_ended;

  /** Data connections that FTP helpers expect, and what they could not make use of. */
  Counter ftp_announced, ftp_ignored;

 private:
  std::unique_ptr<ServerTally[]> servers_;
  std::unique_ptr<ServiceTally[]> services_;
};

}  // namespace vsnat::nat
