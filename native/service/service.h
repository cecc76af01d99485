// SPDX-License-Identifier: Apache-2.0
//
// A virtual service as the packet path reads it: made once from a spec that was found good, never changed again, but for
// the cursor of its cycle, the memory of its local plan and its standings, and shared by all snapshots in which it is the same.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "flow/tcp_state.h"
#include "service/locality.h"
#include "service/spec.h"
#include "service/standings.h"
#include "wire/endian.h"

namespace vsnat::service {

struct Server {
  uint32_t slot;
  uint32_t weight;
  uint32_t upper_threshold, lower_threshold;
  IpAddress address;
  wire::be16 port;  // 0: the one the client asked for
  bool withdrawn;
};

struct Service {
  uint32_t slot;
  uint8_t family;
  std::vector<Server> servers;
  Plan plan;
  /** Steps a cycle plan has taken. Any worker, and the next snapshot too when it has the same cycle: no step is lost. */
  std::shared_ptr<std::atomic<uint64_t>> cursor;
  bool continues = false;
  /** Of a local plan; null otherwise. */
  std::unique_ptr<Locality> locality;
  /** Null where a pick has few servers to look at, or none to compare. */
  std::unique_ptr<Standings> standings;
  std::vector<ListenSpec> listen;
  /** The first it listens on: whose name the director uses when it speaks to a real server. */
  IpAddress vip;
  uint32_t persistence_ticks = 0;  // 0: not persistent
  uint8_t persistence_bits = 0;    // IPv6
  uint32_t persistence_mask = 0;   // IPv4, host order
  Together together = Together::network;
  uint32_t mark = 0;
  bool one_packet = false;
  Helper helper = Helper::none;
  /** How long an idle flow stays, by state. */
  std::array<uint32_t, flow::kStateCount> timeout_ticks{};

  bool persistent() const { return persistence_ticks != 0; }
  uint32_t server_count() const { return uint32_t(servers.size()); }
  /** Whether everything that is looked up by address finds the same in both. */
  bool same_places(const Service& other) const;
};

/** What is listened on, for one packet. */
struct Listener {
  const Service* service = nullptr;  // null: nobody listens there
  /** Host order. 0: every port of the address, or a mark's service, which has none of its own. */
  uint16_t port = 0;
};

/**
 * The real server's port for a connection to `virtual_port`. A persistent service translates no port but its own, since
 * what it holds together are the client's connections to several (ip_vs_sched_persist).
 */
inline wire::be16 target_port(const Listener& at, const Server& server, wire::be16 virtual_port) {
  const bool translated = !at.service->persistent() || at.port == virtual_port.host();
  return translated && server.port.host() != 0 ? server.port : virtual_port;
}

}  // namespace vsnat::service
