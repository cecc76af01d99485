// SPDX-License-Identifier: Apache-2.0
//
// A connection that a real server begins (ip_vs_core.c ip_vs_new_conn_out): a datagram of no connection, from a server of a
// service that persists by SIP call, that is of a call itself. It gets the VIP, and its call, the one it is of already or
// a new one, this server.
#pragma once

#include <optional>

#include "nat/context.h"

namespace vsnat::nat {

/** Nothing when the packet is no such thing. Under the guard of the client's shard. */
template <class Addr>
std::optional<Outcome> call_out(Context& c);

}  // namespace vsnat::nat
