// SPDX-License-Identifier: Apache-2.0
#include "engine/egress.h"

namespace vsnat::engine {
namespace {

/** What a router does nothing with but send it on. */
bool is_plain(const wire::PacketView& view) {
  const uint32_t header = view.family == 4 ? sizeof(wire::ipv4_hdr) : sizeof(wire::ipv6_hdr);
  return view.l4_offset == header && !view.fragment && (view.is_tcp() || view.is_udp() || view.is_sctp());
}

io::Host destination_of(const wire::PacketView& view) {
  return view.family == 4 ? io::Host::of(view.v4().daddr) : io::Host::of(view.v6().daddr);
}

io::Host source_of(const wire::PacketView& view) {
  return view.family == 4 ? io::Host::of(view.v4().saddr) : io::Host::of(view.v6().saddr);
}

/** Bytes of the largest IP packet that goes onto the wire. */
uint32_t on_the_wire(const nat::Packet& packet) {
  if (!packet.vnet.is_gso()) return packet.length;
  return uint32_t(packet.vnet.hdr_len) + packet.vnet.gso_size;
}

}  // namespace

bool Egress::take(nat::Packet& packet, const nat::Pending& pending, Now now) {
  const wire::PacketView& view = pending.view;
  if (!is_plain(view)) return false;
  io::NextHop hop;
  // The device filters by reverse path, loosely: a frame must not carry what would have ended there (RFC 3704, 2.4).
  // Only the route counts for that: who sends and is never answered may be nobody's neighbour.
  io::NextHops& hops = resolver_.next_hops();
  if (pending.role == nat::Pending::Role::request) {
    const io::Host source = source_of(view);
    if (!is_direct(hops.route_to(source), source, now)) return false;
  }
  const io::Host destination = destination_of(view);
  if (!is_direct(hops.find(destination, now.ms, hop), destination, now)) return false;
  if (on_the_wire(packet) > hop.mtu) return false;
  nat::take_hop(view);
  frames_[count_] = io::PacketSocket::frame(packet.data, packet.length, packet.vnet, view.family, hop);
  waiting_[count_] = &packet;
  views_[count_] = view;
  ++count_;
  return true;
}

bool Egress::is_direct(io::NextHops::Way way, const io::Host& host, Now now) {
  if (way == io::NextHops::Way::unknown) {
    counters.unresolved.add(1);
    ask(host, now);
  }
  return way == io::NextHops::Way::direct;
}

void Egress::ask(const io::Host& host, Now now) {
  Asked& last =
      asked_[(host.half(0) ^ host.half(1) ^ host.half(1) >> 32 ^ host.half(1) >> 56) % asked_.size()];
  if (last.host == host && uint32_t(now.ms) - last.at_ms < kAskAgainMs) return;
  last = {host, uint32_t(now.ms)};
  resolver_.ask(worker_, host);
}

}  // namespace vsnat::engine
