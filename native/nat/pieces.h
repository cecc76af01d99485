// SPDX-License-Identifier: Apache-2.0
//
// A piece of a datagram (nat/fragments.h). The first is a request or a reply like any other, and what becomes of it is
// remembered for the rest; a later one fares as the first did, or waits for it. Also here: release_next() of nat/step.h,
// which brings out the ones that have waited.
#pragma once

#include "nat/context.h"

namespace vsnat::nat {

template <class Addr>
Outcome first_fragment(Context& c);

template <class Addr>
Outcome later_fragment(Context& c);

}  // namespace vsnat::nat
