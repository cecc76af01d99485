// SPDX-License-Identifier: Apache-2.0
//
// Every way a packet can die, and every kind of packet the director makes itself. One list each: the enum,
// the metric label, the help text and docs/metrics.md all come from here (test/rules compares them). The set
// is closed, so the metric's label is bounded.
#pragma once

#include <cstddef>
#include <cstdint>

// clang-format off
#define VSNAT_DROP_REASONS(X)                                                                                   \
  X(short_frame,   "short",         "the frame is shorter than the smallest IP header")                         \
  X(version,       "version",       "the IP version is neither 4 nor 6")                                        \
  X(ihl,           "ihl",           "the IPv4 header length is below 20 or beyond the packet")                  \
  X(total_len,     "total_len",     "the IP length field contradicts the header")                               \
  X(truncated,     "truncated",     "the IP length field promises more bytes than there are")                   \
  X(ip_csum,       "ip_csum",       "the IPv4 header checksum is wrong")                                        \
  X(ip_opt,        "ip_opt",        "an IPv4 option has an impossible length")                                  \
  X(src_route,     "src_route",     "loose or strict source routing is refused (RFC 7126)")                     \
  X(ttl,           "ttl",           "the time to live is used up")                                              \
  X(martian,       "martian",       "a source or destination that cannot be forwarded")                         \
  X(land,          "land",          "source and destination address are the same")                              \
  X(vip_loop,      "vip_loop",      "the source is itself a VIP")                                               \
  X(fragment,      "fragment",      "a later IP fragment of ours that cannot be, or whose first was dropped")    \
  X(fragment_overlap, "fragment_overlap", "an IP fragment that repeats or overlaps one of its datagram")         \
  X(fragment_timeout, "fragment_timeout", "an IP fragment that was held, and its first did not come")            \
  X(fragment_full,    "fragment_full",    "an IP fragment that could not be held, or no longer: too many are")   \
  X(ext_order,     "ext_order",     "a hop-by-hop header that is not first (RFC 8200 section 4.1)")             \
  X(ext_len,       "ext_len",       "an IPv6 extension header runs beyond the packet")                          \
  X(ext_limit,     "ext_limit",     "more than 8 IPv6 extension headers or 512 bytes of them")                  \
  X(routing,       "routing",       "an IPv6 routing header with segments left (RFC 5095)")                     \
  X(jumbo,         "jumbo",         "an IPv6 jumbogram (RFC 2675)")                                             \
  X(proto,         "proto",         "a protocol no virtual service can have")                                   \
  X(l4_short,      "l4_short",      "the packet ends inside its transport header")                              \
  X(tcp_doff,      "tcp_doff",      "the TCP data offset is below 20 or beyond the segment")                    \
  X(tcp_flags,     "tcp_flags",     "SYN together with FIN or RST")                                             \
  X(port0,         "port0",         "source or destination port 0")                                             \
  X(udp_len,       "udp_len",       "the UDP length field is below 8 or beyond the packet")                     \
  X(l4_csum,       "l4_csum",       "an answer was due, but the TCP or UDP checksum is wrong")                  \
  X(icmp_csum,     "icmp_csum",     "the ICMP checksum is wrong")                                               \
  X(icmp_type,     "icmp_type",     "an ICMP type a director neither translates nor answers")                   \
  X(icmp_quote,    "icmp_quote",    "an ICMP error whose quoted packet cannot be read")                           \
  X(icmp_mtu,      "icmp_mtu",      "an ICMP packet-too-big with an impossible MTU")                            \
  X(icmp_dir,      "icmp_dir",      "an ICMP error to a VIP that quotes no packet of that VIP")                 \
  X(csum_meta,     "csum_meta",     "virtio checksum metadata that contradicts the packet")                     \
  X(gso_meta,      "gso_meta",      "virtio segmentation metadata that contradicts the packet")                 \
  X(gso_size,      "gso_size",      "a segment size that would amplify, or no segment at all")                  \
  X(gso_flags,     "gso_flags",     "a superpacket with SYN, RST or URG")                                       \
  X(no_service,    "no_service",    "no virtual service owns this address, protocol and port")                  \
  X(no_flow,       "no_flow",       "not the beginning of a connection, and no connection is known")            \
  X(no_server,     "no_server",     "the virtual service has no usable real server")                            \
  X(no_call_id,    "no_call_id",    "a packet to a service that persists by SIP call, without a Call-ID")         \
  X(check_source,  "check_source",  "from the source of health checks through a VIP, and from none that is under way")  \
  X(drop_packet,   "drop_packet",   "a new connection given up by the drop_packet defence")                     \
  X(server_gone,   "server_gone",   "the real server of this connection left the configuration")                \
  X(silenced,      "silenced",      "of a connection that was ended without a word (drain, silence)")           \
  X(stray_reply,   "stray_reply",   "a packet of a real server that belongs to no connection (nat_icmp_send)")  \
  X(reply_taken,   "reply_taken",   "every usable server already talks to this client port for another VIP")    \
  X(table_full,    "table_full",    "the flow table is full and nothing half-open is left to give up")          \
  X(rate_limited,  "rate_limited",  "an answer was due, but the answer budget is used up")                      \
  X(ftp_csum,      "ftp_csum",      "an FTP control segment with a wrong checksum: the helper must not read it")      \
  X(answered,      "answered",      "the director answered it itself (ping to a VIP)")

#define VSNAT_GENERATED_KINDS(X)                                                                                \
  X(echo_reply,        "echo_reply",        "answer to a ping of a VIP")                                        \
  X(tcp_reset,         "tcp_reset",         "RST where a host would send one")                                  \
  X(connection_reset,  "connection_reset",  "RST to one end of a connection that an operator has ended")        \
  X(sctp_abort,        "sctp_abort",        "ABORT (or SHUTDOWN COMPLETE) where an SCTP host would send one")  \
  X(port_unreachable,  "port_unreachable",  "ICMP port unreachable where a host would send one")                \
  X(proto_unreachable, "proto_unreachable", "ICMP protocol unreachable / unrecognized next header")             \
  X(time_exceeded,     "time_exceeded",     "ICMP time exceeded")
// clang-format on

namespace vsnat {

enum class DropReason : uint8_t {
#define X(id, label, help) id,
  VSNAT_DROP_REASONS(X)
#undef X
      count,
};

enum class Generated : uint8_t {
#define X(id, label, help) id,
  VSNAT_GENERATED_KINDS(X)
#undef X
      count,
};

struct NamedHelp {
  const char* name;
  const char* help;
};

inline constexpr NamedHelp kDropReasons[] = {
#define X(id, label, help) {label, help},
    VSNAT_DROP_REASONS(X)
#undef X
};

inline constexpr NamedHelp kGeneratedKinds[] = {
#define X(id, label, help) {label, help},
    VSNAT_GENERATED_KINDS(X)
#undef X
};

inline constexpr size_t kDropReasonCount = size_t(DropReason::count);
inline constexpr size_t kGeneratedCount = size_t(Generated::count);
static_assert(kDropReasonCount <= 64, "the metric label set stays small enough to read");

}  // namespace vsnat
