// SPDX-License-Identifier: Apache-2.0
//
// What the fuzzers of whole steps have in common: a director that already has connections, and packets out of an input.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "test/fuzz/targets.h"
#include "test/native/nat/ftp_lab.h"

namespace vsnat::test {

/** 192.0.2.12 and 2001:db8::82: every TCP port, a UDP port of one packet each, and two ports of a mark. */
Endpoint grouped_endpoint(int family, uint16_t port);

/** 192.0.2.12:21 and the server behind it, whose control connections a helper reads. */
Endpoint ftp_endpoint(int family);
Endpoint ftp_server(int family);

/** What is said on the one control connection there is. */
PacketBuilder ftp_says(int f, bool server, const std::string& text, uint32_t seq, uint32_t ack);

/** One TCP, one UDP and one SCTP flow and one FTP control connection per family, in a table of 16. */
std::unique_ptr<NatLab> warm_lab();

/** One record of an input (targets.h). */
struct Record {
  Packet packet;
  uint64_t pause_ms = 0;  // before it
  bool silences = false;  // after it, an operator ends all connections and tells nobody
  bool expires = false;   // after that, what has expired is removed
};

/** Takes the next record off an input, and puts right what its control says. */
std::optional<Record> next_record(std::span<const uint8_t>& input);

/** The records of packets, one after the other. */
Bytes seed_of(const std::vector<PacketBuilder>& story);

}  // namespace vsnat::test
