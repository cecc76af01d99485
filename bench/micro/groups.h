// SPDX-License-Identifier: Apache-2.0
//
// The groups of cases, a file each.
#pragma once

namespace vsnat::bench {

void add_wire();        // parse, rewrite, checksums
void add_hash();        // of a client's endpoint
void add_table();       // the flow table
void add_peers();       // other hash tables, asked the same
void add_schedulers();  // who gets a new connection
void add_step();        // a whole packet, in memory
void add_scaling();     // the same by number of services and of servers
void add_expiry();      // what a burst waits for
void add_memory();      // bytes per flow

}  // namespace vsnat::bench
