// SPDX-License-Identifier: Apache-2.0
//
// A packet with ports finds its flow, by the tuple of its direction: to a VIP it is a request, from elsewhere it may be a
// reply. What follows is translate.h when there is one, and schedule.h, an answer or pass() when there is none.
#pragma once

#include "nat/context.h"

namespace vsnat::nat {

/** Is it one more segment of a TCP connection whose handshake was completed? */
template <class Addr>
bool continues(Context& c);

template <class Addr>
Outcome request(Context& c);

template <class Addr>
Outcome reply(Context& c);

}  // namespace vsnat::nat
