// SPDX-License-Identifier: Apache-2.0
//
// The opening of a flow: a packet to a VIP of no connection. Whether it begins one, whether it may, with which server.
#pragma once

#include "nat/context.h"
#include "nat/sctp.h"

namespace vsnat::nat {

/** Why a TCP segment to a service cannot begin a connection; kNoDrop when it does. Sloppily, all but RST do. */
inline DropReason refuses_to_begin(const wire::tcp_hdr& tcp, bool sloppily = false) {
  using wire::tcp_hdr;
  const uint8_t flags = tcp.flags & (tcp_hdr::kSyn | tcp_hdr::kFin | tcp_hdr::kRst | tcp_hdr::kAck);
  if ((flags & tcp_hdr::kSyn) && (flags & (tcp_hdr::kFin | tcp_hdr::kRst))) return DropReason::tcp_flags;
  if (sloppily && !(flags & tcp_hdr::kRst)) return wire::kNoDrop;
  return flags == tcp_hdr::kSyn ? wire::kNoDrop : DropReason::no_flow;
}

/** Does this packet open a connection, as a SYN does? With `policy`, also those that sloppy_tcp and sloppy_sctp let. */
inline bool opens(const wire::PacketView& view, const service::Policy& policy = {}) {
  if (view.is_tcp()) return refuses_to_begin(view.tcp(), policy.sloppy_tcp) == wire::kNoDrop;
  return view.is_sctp() && sctp_begins(view, policy.sloppy_sctp);
}

/**
 * A request that has no flow, or one whose place it takes: `replaced`, a closed connection. The kernel forgets that only
 * when the new one has its server, so it still counts for the pick. Under the guard of the request's shard.
 */
template <class Addr>
Outcome schedule(Context& c, flow::Flow<Addr>* replaced = nullptr);

}  // namespace vsnat::nat
