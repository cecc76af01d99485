// SPDX-License-Identifier: Apache-2.0
//
// The FTP helper of a service, as ip_vs_ftp.c: it reads the control connection, remembers the data connections that are
// announced there, and gives the client the VIP where the server named itself.
//
//   active    PORT, EPRT      the server will connect from RIP:(rport - 1) to the client's port; the client is to see
//                             VIP:(vport - 1). The command itself stays as it is
//   passive   PASV, 227       the client will connect to VIP:dport, and is led to RIP:dport; 227 must name the VIP
//             EPSV, 229       the same, and 229 names no address
//
// An address that is longer or shorter as text moves everything behind it: the sequence numbers of the replies, the
// acknowledgments of the requests and the SACK blocks in them (nat/sequence.h). A segment that is sent again is
// rewritten as the first time. What tracking (nat/track.h) knows of the replies are the server's own numbers.
//
// Not done: lines that come in pieces, in fragments or in segments with the urgent flag; they pass as they are, with
// their numbers right. Addresses other than the two ends' own are not believed (RFC 2577: nobody gets a third party
// attacked by us).
#pragma once

#include "nat/ftp_state.h"
#include "nat/step.h"

namespace vsnat::nat {

/** What the functions below need besides the packet and its flow. */
template <class Addr>
struct FtpScene {
  FtpState& state;
  const flow::Table<Addr>& table;  // for its keyed hash
  Tick until;                      // how long an announced data connection is waited for
  bool segments = true;            // Core::segments
};

/** Where an announced data connection is listed: by its client, and the port its opener connects to. */
template <class Addr>
uint64_t ftp_hash(const flow::Table<Addr>& table, FtpExpectation::Opener opener, const Addr& client,
                  uint16_t port) {
  return table.hash(uint8_t(opener), client, wire::be16::from_host(port));
}

/** Whether a segment of a control connection may be read: a checksum that is there must be right. */
bool ftp_checksum_ok(const wire::PacketView& packet);

/** What reading a segment came to. */
struct FtpReading {
  unsigned announced = 0;  // data connections
  unsigned ignored = 0;    // lines about them that were not understood or not believed
};

/** A request's acknowledgments in the server's own numbers. Before it is tracked. */
void ftp_restore_numbers(const FtpRecord& record, const wire::PacketView& packet);

/** The commands of a request. Once it is tracked. */
template <class Addr>
FtpReading ftp_read_request(const FtpScene<Addr>& scene, const flow::Flow<Addr>& flow,
                            const wire::PacketView& packet);

/** Read and rewrite a reply, whose length may change, and give it the client's numbers. Once it is tracked. */
template <class Addr>
FtpReading ftp_rewrite_reply(const FtpScene<Addr>& scene, const flow::Flow<Addr>& flow, Packet& packet,
                             wire::PacketView& view);

}  // namespace vsnat::nat
