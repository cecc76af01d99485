// SPDX-License-Identifier: Apache-2.0
//
// A connection's first moment, whichever end began it: its flow, and what is counted.
#pragma once

#include "nat/lifetime.h"
#include "nat/one_packet.h"

namespace vsnat::nat {

/** Who talks to what: the client's side of a connection. */
template <class Addr>
struct Ends {
  const Addr& client;
  wire::be16 client_port;
  const Addr& virt;
  wire::be16 virtual_port;
};

/**
 * A flow to this server, linked in and counted for it, not for the service; null when there is no room. Under the guard of
 * the client's shard.
 */
template <class Addr>
flow::Flow<Addr>* make_flow(Context& c, const service::Listener& at, const service::Server& server,
                            const Ends<Addr>& ends, uint32_t parent) {
  const wire::PacketView& view = c.view();
  const auto given_up = [&](const flow::Flow<Addr>& evicted) {
    forget(c.core, c.snapshot, evicted, c.now.tick(), flow::Ended::given_up);
  };
  auto* flow = c.core.tables.of<Addr>().insert(c.pending.hash, view.protocol, ends.client, ends.client_port,
                                               c.now.tick(), given_up);
  if (flow == nullptr) return nullptr;
  lead_flow(*flow, at, server, ends.virt, ends.virtual_port);
  flow->state = view.is_tcp()    ? flow::State::none
                : view.is_sctp() ? flow::State::sctp_none
                                 : flow::State::udp;
  flow->parent = parent;
  flow->queue = c.core.queue;
  c.core.loads[server.slot].bound(server.upper_threshold);
  c.core.tally.connections(server.slot).add(1);
  return flow;
}

/** The same, and it is a connection of the service. */
template <class Addr>
flow::Flow<Addr>* open_flow(Context& c, const service::Listener& at, const service::Server& server,
                            const Ends<Addr>& ends, uint32_t parent) {
  auto* flow = make_flow(c, at, server, ends, parent);
  if (flow != nullptr) c.core.tally.service(at.service->slot).connections.add(1);
  return flow;
}

/** A connection of one packet, which is over as soon as it is counted. */
inline void count_once(Core& core, const service::Listener& at, const service::Server& server) {
  service::ServerLoad& load = core.loads[server.slot];
  load.bound(server.upper_threshold);
  load.unbound(false, server.upper_threshold, server.lower_threshold);
  core.tally.connections(server.slot).add(1);
  core.tally.service(at.service->slot).connections.add(1);
}

/** What a datagram carries, as far as it is here. */
inline std::string_view payload_of(const wire::PacketView& udp) {
  const auto* data = reinterpret_cast<const char*>(udp.l4()) + sizeof(wire::udp_hdr);
  return {data, udp.l4_length() - sizeof(wire::udp_hdr)};
}

}  // namespace vsnat::nat
