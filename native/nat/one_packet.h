// SPDX-License-Identifier: Apache-2.0
//
// One-packet scheduling: a datagram that is a connection of its own, gone with its last byte. It is translated by a flow
// that exists for the length of a call.
//
// Nothing is remembered, so a reply is recognised by where it comes from: a server's endpoint that exactly one one-packet
// service has. IPVS lets such replies out with the server's address, which no client waits for; `ipvs.one_packet_replies:
// pass` does the same.
#pragma once

#include "nat/context.h"

namespace vsnat::nat {

/** Where a flow leads, and what that does to checksums. */
template <class Addr>
void lead_flow(flow::Flow<Addr>& flow, const service::Listener& at, const service::Server& server,
               const Addr& virt, wire::be16 virtual_port) {
  flow.virt = virt;
  flow.virtual_port = virtual_port;
  flow.real = server.address.get<Addr>();
  flow.real_port = service::target_port(at, server, virtual_port);
  flow.server_slot = server.slot;
  flow.service_slot = uint16_t(at.service->slot);
  compute_deltas(flow);
}

/** The flow that a reply of a one-packet server would have had. */
template <class Addr>
flow::Flow<Addr> one_packet_flow(const service::OnePacketReply& reply, const Addr& real,
                                 wire::be16 real_port) {
  flow::Flow<Addr> flow{};
  flow.protocol = wire::kProtoUdp;
  flow.virt = reply.virt.get<Addr>();
  flow.virtual_port = reply.virtual_port.host() != 0 ? reply.virtual_port : real_port;
  flow.real = real;
  flow.real_port = real_port;
  flow.server_slot = reply.server_slot;
  flow.service_slot = uint16_t(reply.service_slot);
  compute_deltas(flow);
  return flow;
}

/** The one-packet service whose reply a datagram from there is; null when it is nobody's, or nobody knows whose. */
template <class Addr>
const service::OnePacketReply* one_packet_reply(Context& c, uint8_t protocol, const Addr& real,
                                                wire::be16 real_port) {
  if (protocol != wire::kProtoUdp) return nullptr;
  const service::OnePacketReply* found = c.snapshot.find_one_packet_reply(real, real_port);
  if (found == nullptr || !found->ambiguous) return found;
  c.core.tally.ambiguous_replies.add(1);
  return nullptr;
}

}  // namespace vsnat::nat
