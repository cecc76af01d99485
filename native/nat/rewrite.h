// SPDX-License-Identifier: Apache-2.0
//
// The rewrite itself: addresses, ports, the checksums they are part of, and the hop that is given back.
//
// A packet that passes a director crosses the kernel's forwarding twice, once into the TUN and once out of
// it, and each time loses one from its TTL. IPVS is one hop, so the dataplane gives one back. Net one per
// pass: loops end.
#pragma once

#include "flow/table.h"
#include "nat/sctp.h"
#include "wire/packet.h"

namespace vsnat::nat {

template <class Addr>
[[gnu::always_inline]] inline uint8_t hops_left(const wire::PacketView& packet) {
  if constexpr (Addr::kFamily == 4) {
    return packet.v4().ttl;
  } else {
    return packet.v6().hop_limit;
  }
}

/** Give one hop back, unless the packet never lost one (255: it was made on this host). IPv4 checksum
 * included. */
inline void give_back_hop(const wire::PacketView& packet) {
  if (packet.family == 4) {
    wire::ipv4_hdr& ip = packet.v4();
    if (ip.ttl == 255) return;
    wire::CsumDelta delta;
    delta.replace16(uint16_t(ip.ttl << 8 | ip.protocol), uint16_t((ip.ttl + 1) << 8 | ip.protocol));
    ip.check = wire::be16::from_host(delta.onto_check(ip.check.host()));
    ++ip.ttl;
  } else if (packet.v6().hop_limit != 255) {
    ++packet.v6().hop_limit;
  }
}

/**
 * The same for a packet whose addresses change by `addr_delta` in the checksum, in one go. Giving back a hop adds 0x0100
 * to the word of TTL and protocol, and so to the sum.
 */
[[gnu::always_inline]] inline void translate_header(wire::ipv4_hdr& ip, uint16_t addr_delta) {
  const uint32_t hop = ip.ttl != 255;
  ip.check = wire::be16::from_host(wire::check_plus(ip.check.host(), addr_delta + (hop << 8)));
  ip.ttl = uint8_t(ip.ttl + hop);
}

/** Take the hop that was given back, for a packet that does not cross the kernel's forwarding a second time. */
inline void take_hop(const wire::PacketView& packet) {
  if (packet.family == 4) {
    wire::ipv4_hdr& ip = packet.v4();
    wire::CsumDelta delta;
    delta.replace16(uint16_t(ip.ttl << 8 | ip.protocol), uint16_t((ip.ttl - 1) << 8 | ip.protocol));
    ip.check = wire::be16::from_host(delta.onto_check(ip.check.host()));
    --ip.ttl;
  } else {
    --packet.v6().hop_limit;
  }
}

/** Let the packet go no further than the next host. */
inline void leave_one_hop(const wire::PacketView& packet) {
  if (packet.family == 4) {
    wire::ipv4_hdr& ip = packet.v4();
    wire::CsumDelta delta;
    delta.replace16(uint16_t(ip.ttl << 8 | ip.protocol), uint16_t(1 << 8 | ip.protocol));
    ip.check = wire::be16::from_host(delta.onto_check(ip.check.host()));
    ip.ttl = 1;
  } else {
    packet.v6().hop_limit = 1;
  }
}

/** Apply a change of addresses (and, for a full checksum, ports) to a TCP or UDP checksum field. */
[[gnu::always_inline]] inline void fix_l4(wire::be16& check, wire::CsumState state, uint8_t protocol,
                                          uint16_t addr_delta, uint16_t addr_port_delta) {
  switch (state) {
    case wire::CsumState::absent:  // UDP zero means "not computed": it stays zero (RFC 768)
      return;
    case wire::CsumState::partial:  // the field is an uncomplemented pseudo-header sum: ports are not in it
      check = wire::be16::from_host(wire::sum_plus(check.host(), addr_delta));
      return;
    case wire::CsumState::full: {
      const uint16_t sum = wire::check_plus(check.host(), addr_port_delta);
      check = wire::be16::from_host(protocol == wire::kProtoUdp && sum == 0 ? 0xffff : sum);
      return;
    }
  }
}

/** The deltas of a request of this flow, from its endpoints. */
template <class Addr>
void compute_deltas(flow::Flow<Addr>& flow) {
  wire::CsumDelta delta;
  delta.replace(&flow.virt, &flow.real, sizeof(Addr));
  flow.addr_delta = delta.raw();
  delta.replace(&flow.virtual_port, &flow.real_port, sizeof(wire::be16));
  flow.addr_port_delta = delta.raw();
}

/** New addresses for a later fragment: it has no transport header, and IPv6 has no header checksum. */
template <class Addr>
void rewrite_addresses(const wire::PacketView& packet, const Addr& source, const Addr& destination) {
  if constexpr (Addr::kFamily == 4) {
    wire::CsumDelta delta;
    delta.replace(&packet.v4().saddr, &source, sizeof(Addr));
    delta.replace(&packet.v4().daddr, &destination, sizeof(Addr));
    wire::be16& check = packet.v4().check;
    check = wire::be16::from_host(delta.onto_check(check.host()));
  }
  wire::saddr<Addr>(packet) = source;
  wire::daddr<Addr>(packet) = destination;
  give_back_hop(packet);
}

/** What an address that changes by `addr_delta`, and the hop that is given back, do to the IP header. */
template <class Addr>
[[gnu::always_inline]] inline void translate_network(const wire::PacketView& packet, uint16_t addr_delta) {
  if constexpr (Addr::kFamily == 4) {
    translate_header(packet.v4(), addr_delta);
  } else {
    give_back_hop(packet);
  }
}

/** client -> VIP becomes client -> real server: a TCP segment whose checksum is in this state. */
template <class Addr>
[[gnu::always_inline]] inline void rewrite_segment_request(const wire::PacketView& packet,
                                                           const flow::Flow<Addr>& flow,
                                                           wire::CsumState state) {
  translate_network<Addr>(packet, flow.addr_delta);
  wire::daddr<Addr>(packet) = flow.real;
  packet.tcp().dport = flow.real_port;
  fix_l4(packet.tcp().check, state, wire::kProtoTcp, flow.addr_delta, flow.addr_port_delta);
}

/** client -> VIP becomes client -> real server. */
template <class Addr>
void rewrite_request(const wire::PacketView& packet, const flow::Flow<Addr>& flow) {
  if (packet.is_tcp()) return rewrite_segment_request(packet, flow, packet.csum);
  translate_network<Addr>(packet, flow.addr_delta);
  wire::daddr<Addr>(packet) = flow.real;
  if (packet.is_sctp()) {
    rewrite_sctp_port(packet, packet.sctp().dport, flow.real_port);
  } else {
    packet.udp().dport = flow.real_port;
    fix_l4(packet.udp().check, packet.csum, wire::kProtoUdp, flow.addr_delta, flow.addr_port_delta);
  }
}

/** real server -> client becomes VIP -> client: a TCP segment whose checksum is in this state. */
template <class Addr>
[[gnu::always_inline]] inline void rewrite_segment_reply(const wire::PacketView& packet,
                                                         const flow::Flow<Addr>& flow,
                                                         wire::CsumState state) {
  const auto addr_delta = uint16_t(~flow.addr_delta), addr_port_delta = uint16_t(~flow.addr_port_delta);
  translate_network<Addr>(packet, addr_delta);
  wire::saddr<Addr>(packet) = flow.virt;
  packet.tcp().sport = flow.virtual_port;
  fix_l4(packet.tcp().check, state, wire::kProtoTcp, addr_delta, addr_port_delta);
}

/** real server -> client becomes VIP -> client. */
template <class Addr>
void rewrite_reply(const wire::PacketView& packet, const flow::Flow<Addr>& flow) {
  if (packet.is_tcp()) return rewrite_segment_reply(packet, flow, packet.csum);
  const auto addr_delta = uint16_t(~flow.addr_delta), addr_port_delta = uint16_t(~flow.addr_port_delta);
  translate_network<Addr>(packet, addr_delta);
  wire::saddr<Addr>(packet) = flow.virt;
  if (packet.is_sctp()) {
    rewrite_sctp_port(packet, packet.sctp().sport, flow.virtual_port);
  } else {
    packet.udp().sport = flow.virtual_port;
    fix_l4(packet.udp().check, packet.csum, wire::kProtoUdp, addr_delta, addr_port_delta);
  }
}

}  // namespace vsnat::nat
