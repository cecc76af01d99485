// SPDX-License-Identifier: Apache-2.0
//
// An ICMP packet: a ping of a VIP is answered, an error is brought to whoever sent the packet it is about, translated as
// that packet was (nat/icmp_error.h), and everything else is passed or refused.
#pragma once

#include "nat/context.h"

namespace vsnat::nat {

template <class Addr>
Outcome icmp(Context& c);

/**
 * The first piece of an error that comes in pieces. It quotes what the error is about, and is translated by that; whether
 * the checksum is right only its receiver will know, since what is wrong stays wrong by as much.
 */
template <class Addr>
Outcome first_piece_of_icmp_error(Context& c);

}  // namespace vsnat::nat
