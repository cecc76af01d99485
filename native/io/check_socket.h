// SPDX-License-Identifier: Apache-2.0
//
// The sockets of health checks through a VIP. Their address is none of this host's, so that no reply reaches it but by way
// of the dataplane; only IP_TRANSPARENT lets a socket have such an address, and Node cannot set it. Everything else is
// Node's: it is handed the descriptor.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace vsnat::io {

enum class CheckTransport : uint8_t { tcp, udp };

/**
 * Bound to source:port, and not yet connected. What it sends has the hop limit 255 (nat/health_check.h). A TCP socket is
 * closed with a RST, which leaves nothing behind: neither here nor at the server would 60 s of TIME_WAIT help anybody.
 */
Result<UniqueFd> open_check_socket(CheckTransport transport, const std::string& source, uint16_t port);

}  // namespace vsnat::io
