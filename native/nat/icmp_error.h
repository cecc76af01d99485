// SPDX-License-Identifier: Apache-2.0
//
// ICMP errors carry the packet they are about. Path MTU discovery depends on both ends seeing an error about
// a packet they sent, so the quote is translated like the packet was (RFC 5508 section 4.2, ip_vs_core.c
// ip_vs_nat_icmp):
//
//   from the servers' side, about a request    outer source -> VIP, also when a router between sent it;
//                                              quoted destination RIP:rport -> VIP:vport
//   from the clients' side, about a reply      outer destination VIP -> RIP; quoted source VIP:vport ->
//   RIP:rport
//
// Unlike the kernel, which leaves it, the quoted transport checksum is adjusted too when the quote reaches
// that far (RFC 5508 REQ-4), so that the quote is byte for byte what its sender sent. Only changed words
// touch the ICMP checksum; whatever else is quoted or attached (RFC 4884 extensions) stays as it is.
#pragma once

#include "flow/table.h"
#include "wire/packet.h"

namespace vsnat::nat {

/** Whether the ICMP checksum, with the pseudo-header in IPv6, is right. */
bool icmp_checksum_ok(const wire::PacketView& packet);

/** A packet-too-big must name an MTU that can be: at least 68 (IPv4; 0 is "unknown") or 1280 (IPv6). */
bool icmp_mtu_ok(const wire::PacketView& packet);

/** The quote: everything behind the eight bytes of ICMP header. */
std::span<uint8_t> quote_of(const wire::PacketView& packet);

/** An error about a request of `flow`, on its way to the client. */
template <class Addr>
void translate_error_about_request(const wire::PacketView& packet, const wire::QuoteView& quote,
                                   const flow::Flow<Addr>& flow);

/** An error about a reply of `flow`, on its way to the real server. */
template <class Addr>
void translate_error_about_reply(const wire::PacketView& packet, const wire::QuoteView& quote,
                                 const flow::Flow<Addr>& flow);

}  // namespace vsnat::nat
