// SPDX-License-Identifier: Apache-2.0
//
// The data connections of FTP, once announced (nat/ftp_helper.h): their first packet finds no flow and no service, and is
// led to the server whose control connection announced it. They are not scheduled and so not counted among the
// service's, but they weigh on their server.
#pragma once

#include "nat/context.h"

namespace vsnat::nat {

/**
 * A flow for the data connection that the packet, which has no flow, begins; null when it begins none, and then
 * `reason` is set if it must be dropped. Under the guard of its shard.
 */
template <class Addr>
flow::Flow<Addr>* announced_by_ftp(Context& c, flow::Direction direction, DropReason& reason);

}  // namespace vsnat::nat
