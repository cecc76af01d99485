// SPDX-License-Identifier: Apache-2.0
//
// One packet on its walk (nat/step.h) and what its handlers need, so that they read as sentences. A handler ends in what
// becomes of the packet: forward(), pass(), dropped(), or one of the answers, which the budget may turn into a drop.
#pragma once

#include "nat/rewrite.h"
#include "nat/step.h"

namespace vsnat::nat {

inline Outcome dropped(DropReason reason) {
  return {Verdict::drop, reason, Generated::count};
}

inline wire::be16 source_port(const wire::PacketView& p) {
  return p.is_tcp() ? p.tcp().sport : p.udp().sport;
}
inline wire::be16 destination_port(const wire::PacketView& p) {
  return p.is_tcp() ? p.tcp().dport : p.udp().dport;
}

struct Context {
  Core& core;
  const service::Snapshot& snapshot;
  Now now;
  Packet& packet;
  Pending& pending;

  uint32_t fragment_server = 0;  // the server a first fragment was translated for
  bool was_held = false;         // a later fragment that has waited once
  bool by_error = false;         // schedule_icmp: the view is of what a client would send, and stays here

  const wire::PacketView& view() const { return pending.view; }

  Outcome forward() {
    packet.length = view().length;
    return {Verdict::forward, wire::kNoDrop, Generated::count};
  }

  Outcome pass() {
    give_back_hop(view());
    packet.length = view().length;
    return {Verdict::pass, wire::kNoDrop, Generated::count};
  }

  /**
   * For this host, if the VIP is one of its own addresses; elsewhere it must end. Both at once: a host takes what is for
   * itself whatever its hop limit, and forwards nothing with 1. It says nothing either, when the packet is an ICMP error.
   */
  Outcome give_to_host() {
    leave_one_hop(view());
    packet.length = view().length;
    return {Verdict::pass, wire::kNoDrop, Generated::count};
  }

  // ---- The packet dies of `reason`, and an answer goes out if the budget has room. ----

  Outcome answer_reset(DropReason reason);
  Outcome answer_sctp_abort(DropReason reason);
  Outcome answer_proto_unreachable(DropReason reason);
  Outcome answer_port_unreachable(DropReason reason);
  /** `make(view)` turns the packet into the answer and returns its length. */
  template <class Make>
  Outcome answer(DropReason reason, Generated kind, Make&& make) {
    if (!may_answer()) return dropped(DropReason::rate_limited);
    packet.length = make(view());
    packet.vnet = wire::vnet_hdr{};
    return {Verdict::answer, reason, kind};
  }
  /** The budget's word. answer() and its kin ask it themselves. */
  bool may_answer() const;
};

}  // namespace vsnat::nat
