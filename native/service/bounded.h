// SPDX-License-Identifier: Apache-2.0
//
// Consistent hashing with bounded loads (V. Mirrokni, M. Thorup, M. Zadimoghaddam, "Consistent Hashing with Bounded
// Loads", SODA 2018). A client meets the server its slot names, unless that one already has its share of all
// connections and a given part more; then the next one around the table that has room. So one popular client cannot
// drown one server, and only the clients of crowded servers are moved.
#pragma once

#include <span>

#include "service/dispatch.h"

namespace vsnat::service {

const Server* pick_bounded(const Snapshot& snapshot, const Service& service, ClientKey client,
                           const ServerLoad* loads, std::span<const uint8_t> destination);

}  // namespace vsnat::service
