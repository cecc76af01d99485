// SPDX-License-Identifier: Apache-2.0
//
// How SCTP packets move the states of IPVS: Linux net/netfilter/ipvs/ip_vs_proto_sctp.c, 6.12. One chunk decides,
// the first (and an ABORT behind COOKIE ECHO or COOKIE ACK, the one bundle that matters). Like the TCP table this
// decides only how long an idle flow is kept and whether it counts as active. Pure functions.
#pragma once

#include <cstdint>

#include "flow/tcp_state.h"

namespace vsnat::flow {

/** What a chunk says, in the order of the table's rows. `data` is everything that is none of the others. */
enum class SctpEvent : uint8_t {
  data,
  init,
  init_ack,
  cookie_echo,
  cookie_ack,
  shutdown,
  shutdown_ack,
  shutdown_complete,
  error,
  abort,
  count,
};

/** By RFC 9260 section 3.2's chunk type. */
SctpEvent sctp_event(uint8_t chunk_type);

State next_sctp_state(State state, Direction direction, SctpEvent event);

}  // namespace vsnat::flow
