// SPDX-License-Identifier: Apache-2.0
//
// Health checks through a VIP: connections of this very host that are led to the server under test, whatever the
// scheduler would say and whatever state the server is in.
//
// A check's socket has an address that is configured for nothing else (check_sources), and a port that CheckPorts knows.
// An address can be forged, so that is not enough: the packet must also carry the hop limit 255. The kernel takes one from
// whatever it forwards, so 255 at the TUN device says that this host itself sent it (the argument of RFC 5082), and a
// local process without CAP_NET_ADMIN or CAP_NET_RAW cannot send from an address the host does not have. Everything else
// that would begin a connection from there is dropped, so no stranger's flow can stand where a check's is to be.
//
// Such a flow counts under Limits::check_slot(), not under its server: no load for the scheduler, no part of
// max_connections, no sign of trouble, no persistence, no connection of the service.
#pragma once

#include "nat/context.h"

namespace vsnat::nat {

/** A check's connection as the control side knows it. */
struct CheckEnds {
  uint8_t protocol = 0;
  service::IpAddress source, virt;  // of one family
  uint16_t source_port = 0, virtual_port = 0;
};

/** As schedule(), of a packet from a check source. */
template <class Addr>
Outcome schedule_check(Context& c, flow::Flow<Addr>* replaced);

/** Forgets a check's flow, if there is one. Control thread; takes the shard's lock. */
void end_check(FlowTables& tables, service::ServerLoad* loads, uint32_t check_slot, const CheckEnds& ends);

}  // namespace vsnat::nat
