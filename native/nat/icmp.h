// SPDX-License-Identifier: Apache-2.0
//
// An ICMP packet: a ping of a VIP is answered, an error is brought to whoever sent the packet it is about, translated as
// that packet was (nat/icmp_error.h), and everything else is passed or refused.
#pragma once

#include "nat/context.h"

namespace vsnat::nat {

template <class Addr>
Outcome icmp(Context& c);

}  // namespace vsnat::nat
