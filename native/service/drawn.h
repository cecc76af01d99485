// SPDX-License-Identifier: Apache-2.0
//
// The power of two choices: two servers drawn at random by weight, and of these the one with the least cost. Nearly
// as even as comparing all, and a server that comes back empty is not buried by everybody at once.
#pragma once

#include "service/dispatch.h"

namespace vsnat::service {

/** As ip_vs_twos.c draws: one server may be drawn twice. */
const Server* pick_of_two(const Snapshot& snapshot, const Service& service, const ServerLoad* loads,
                          Prng* prng);

/** Two different servers, where two are usable. */
const Server* pick_of_two_distinct(const Snapshot& snapshot, const Service& service, const ServerLoad* loads,
                                   Prng* prng);

}  // namespace vsnat::service
