// SPDX-License-Identifier: Apache-2.0
//
// The usual packet: the next segment of an established TCP connection whose record a burst has found ahead. Nothing of it can
// go another way, so what lookup.cc, translate.h and lifetime.h would ask one after the other is asked here at once. Whether it
// comes from a VIP is not: no connection began there (step.cc), and one that is older than the VIP goes on.
//
// What is not quite usual is left untouched and goes the whole walk, as every packet does that comes alone or through step():
// which makes that walk the slow obvious one that this is held against (test/native/nat/usual_test.cc).
#pragma once

#include "nat/lifetime.h"
#include "nat/shortcut.h"

namespace vsnat::nat {

/** Whether this flow is the one that a packet in this direction asks for. */
template <class Addr>
[[gnu::always_inline]] inline bool is_flow_of(const flow::Flow<Addr>& flow, flow::Direction direction,
                                              const wire::PacketView& view) {
  const Addr& source = wire::saddr<Addr>(view);
  const Addr& destination = wire::daddr<Addr>(view);
  const wire::tcp_hdr& tcp = view.tcp();
  return direction == flow::Direction::request
             ? flow::is_of_request(flow, wire::kProtoTcp, source, tcp.sport, destination, tcp.dport)
             : flow::is_of_reply(flow, wire::kProtoTcp, destination, tcp.dport, source, tcp.sport);
}

template <class Addr>
[[gnu::always_inline]] inline bool forward_usual(Context& c, flow::Direction direction) {
  const wire::PacketView& view = c.view();
  const bool is_request = direction == flow::Direction::request;
  auto& table = c.core.tables.of<Addr>();
  typename flow::Table<Addr>::Guard guard(table, c.pending.hash);
  flow::Flow<Addr>& flow = *table.flow_at(c.pending.likely_flow);
  const bool is_usual = is_flow_of(flow, direction, view) && hops_left<Addr>(view) != 0 &&
                        flow.expires_at.after(c.now.tick()) && flow.helper == 0 &&
                        (flow.flags & (flow::Flow<Addr>::kSilenced | flow::Flow<Addr>::kShortcut)) == 0 &&
                        !(is_request && c.snapshot.server_gone(flow.server_slot, flow.service_slot)) &&
                        track_next(flow, direction, view);
  if (!is_usual) return false;
  c.core.tally.count(flow.server_slot, direction, view.length);
  if (is_request && flow.in_packets != 0xff) ++flow.in_packets;
  c.pending.is_of_steady = promises_more(flow, c.packet);
  live_on(c, flow);
  if (is_request) {
    rewrite_segment_request(view, flow, wire::CsumState::full);
  } else {
    rewrite_segment_reply(view, flow, wire::CsumState::full);
  }
  return true;
}

/** True when the packet was a usual one, and has been counted, tracked and translated. */
template <class Addr>
[[gnu::always_inline]] inline bool forward_usual(Context& c) {
  return c.pending.to_vip ? forward_usual<Addr>(c, flow::Direction::request)
                          : forward_usual<Addr>(c, flow::Direction::reply);
}

}  // namespace vsnat::nat
