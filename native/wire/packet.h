// SPDX-License-Identifier: Apache-2.0
//
// The one checked door. parse() takes bytes nobody vouches for and the offload metadata that came with them,
// and returns either a PacketView, after which no accessor can fail, or the reason why the packet must be
// dropped. Checks stand in the order of RFC 1812 section 5.2.2, one reason each, and answer nothing
// themselves.
//
// One packet may have the same source and destination: an ICMP error, which a host with the VIP for an address of its own
// raises about a reply that came from that VIP. Whoever handles ICMP judges it (nat/icmp.cc).
//
// What it does not do: look at fragments' contents (a non-first fragment has no ports, so a view of one says
// `fragment` and offers no transport header), verify transport checksums (a middlebox must not, reliability
// before helpfulness: a wrong checksum stays wrong by the same difference), or read TCP options.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/drop_reason.h"
#include "wire/checksum.h"
#include "wire/headers.h"
#include "wire/vnet_hdr.h"

namespace vsnat::wire {

/** parse() and its kin return this when nothing is wrong. */
inline constexpr DropReason kNoDrop = DropReason::count;

struct PacketView {
  uint8_t* ip = nullptr;            // first byte of the IP header
  uint32_t length = 0;              // the IP length field's bytes: a link trailer is already cut off
  uint16_t l4_offset = 0;           // where the transport header begins
  uint16_t next_header_offset = 0;  // of the field naming the transport protocol (ICMPv6 points at it)
  uint8_t family = 0;               // 4 or 6
  uint8_t protocol = 0;             // transport protocol, behind any extension headers
  bool fragment = false;        // part of a larger datagram; the first part has its transport header, checked
  bool later_fragment = false;  // not the first: what lies at l4_offset is payload, l4() is not to be used
  bool more_fragments = false;  // not the last
  uint16_t fragment_offset = 0;  // bytes
  uint16_t piece_offset = 0;     // where, in this packet, the datagram's part begins; only with `fragment`
  uint32_t fragment_id = 0;      // meaningful only with `fragment`
  uint32_t datagram_bytes = 0;   // of all pieces together, where somebody has found out (nat/fragments.h)
  CsumState csum = CsumState::full;  // of the TCP, UDP or SCTP checksum; full for everything else

  friend bool operator==(const PacketView&, const PacketView&) = default;

  ipv4_hdr& v4() const { return *reinterpret_cast<ipv4_hdr*>(ip); }
  ipv6_hdr& v6() const { return *reinterpret_cast<ipv6_hdr*>(ip); }
  uint8_t* l4() const { return ip + l4_offset; }
  uint32_t l4_length() const { return length - l4_offset; }
  /** l4_length() of the whole datagram: in a first piece, if `datagram_bytes` is known. */
  uint32_t whole_l4_length() const {
    return datagram_bytes == 0 ? l4_length() : datagram_bytes - (l4_offset - piece_offset);
  }
  tcp_hdr& tcp() const { return *reinterpret_cast<tcp_hdr*>(l4()); }
  udp_hdr& udp() const { return *reinterpret_cast<udp_hdr*>(l4()); }
  sctp_hdr& sctp() const { return *reinterpret_cast<sctp_hdr*>(l4()); }
  /** Right behind the header there is always one chunk header, though not always the chunk. */
  const sctp_chunk_hdr& sctp_chunk() const {
    return *reinterpret_cast<const sctp_chunk_hdr*>(l4() + sizeof(sctp_hdr));
  }
  icmp_hdr& icmp() const { return *reinterpret_cast<icmp_hdr*>(l4()); }
  bool is_tcp() const { return protocol == kProtoTcp; }
  bool is_udp() const { return protocol == kProtoUdp; }
  bool is_sctp() const { return protocol == kProtoSctp; }
  /** ICMP in IPv4 or ICMPv6 in IPv6; the other number in the wrong family is just an unknown protocol. */
  bool is_icmp() const { return protocol == (family == 4 ? kProtoIcmp : kProtoIcmp6); }
  /** TCP payload bytes, of the whole superpacket if it is one. Only for TCP. */
  uint32_t tcp_payload() const { return l4_length() - uint32_t(tcp().header_len()); }
};

/** Source and destination of either family, for code that is a template over it. */
template <class Addr>
Addr& saddr(const PacketView& p);
template <class Addr>
Addr& daddr(const PacketView& p);
template <>
inline Addr4& saddr(const PacketView& p) {
  return p.v4().saddr;
}
template <>
inline Addr4& daddr(const PacketView& p) {
  return p.v4().daddr;
}
template <>
inline Addr6& saddr(const PacketView& p) {
  return p.v6().saddr;
}
template <>
inline Addr6& daddr(const PacketView& p) {
  return p.v6().daddr;
}

/**
 * Check `bytes` and describe them in `view`. `vnet` is what the kernel said about offloads; it is compared
 * with the parse and then normalised: only NEEDS_CSUM survives of the flags, hdr_len becomes the real header
 * length, and a "superpacket" of one segment becomes a plain packet.
 */
DropReason parse_carefully(std::span<uint8_t> bytes, vnet_hdr& vnet, PacketView& view);

/**
 * Nearly every packet: a whole TCP segment over IPv4 without IP options, of which nothing is left to a device. What is checked
 * is what parse_carefully() checks of such a one, all at once. False where it is anything else or anything is wrong, which that
 * one then finds out in the right order.
 */
[[gnu::always_inline]] inline bool parse_plain(std::span<uint8_t> bytes, vnet_hdr& vnet, PacketView& view) {
  constexpr uint32_t kL4 = sizeof(ipv4_hdr);
  if (bytes.size() < kL4 + sizeof(tcp_hdr) || vnet.needs_csum() || vnet.is_gso()) return false;
  const auto& ip = *reinterpret_cast<const ipv4_hdr*>(bytes.data());
  const auto& tcp = *reinterpret_cast<const tcp_hdr*>(bytes.data() + kL4);
  const uint32_t total = ip.total_len.host();
  const bool is_plain =
      ip.version_ihl == 0x45 && ip.protocol == kProtoTcp && !ip.is_fragment() && total <= bytes.size() &&
      tcp.header_len() >= sizeof(tcp_hdr) && kL4 + tcp.header_len() <= total && !(ip.saddr == ip.daddr) &&
      !ip.saddr.is_martian_source() && !ip.daddr.is_martian_destination() && tcp.sport.host() != 0 &&
      tcp.dport.host() != 0 && header_checksum_ok(bytes.data(), kL4);
  if (!is_plain) return false;
  vnet = vnet_hdr{};
  view = PacketView{.ip = bytes.data(),
                    .length = total,
                    .l4_offset = kL4,
                    .next_header_offset = offsetof(ipv4_hdr, protocol),
                    .family = 4,
                    .protocol = kProtoTcp};
  return true;
}

/** parse_carefully(), with the short way for nearly every packet. */
inline DropReason parse(std::span<uint8_t> bytes, vnet_hdr& vnet, PacketView& view) {
  if (parse_plain(bytes, vnet, view)) [[likely]]
    return kNoDrop;
  return parse_carefully(bytes, vnet, view);
}

/** The packet an ICMP error quotes: header and at least eight transport bytes, rarely the whole. */
struct QuoteView {
  uint8_t* ip = nullptr;
  uint32_t available = 0;  // bytes of the quoted packet that are there
  uint16_t l4_offset = 0;
  uint8_t family = 0;
  uint8_t protocol = 0;

  ipv4_hdr& v4() const { return *reinterpret_cast<ipv4_hdr*>(ip); }
  ipv6_hdr& v6() const { return *reinterpret_cast<ipv6_hdr*>(ip); }
  /** TCP, UDP and SCTP begin with the two ports; eight bytes are always there. */
  be16& sport() const { return *reinterpret_cast<be16*>(ip + l4_offset); }
  be16& dport() const { return *reinterpret_cast<be16*>(ip + l4_offset + 2); }
  /**
   * The quoted transport checksum, or null when the quote ends before it. Null for SCTP, too: no part of a packet is
   * enough to tell whether its CRC is right, so nobody who reads a quote looks at it.
   */
  be16* check() const {
    if (protocol == kProtoSctp) return nullptr;
    const uint32_t at =
        l4_offset + (protocol == kProtoTcp ? offsetof(tcp_hdr, check) : offsetof(udp_hdr, check));
    return at + 2 <= available ? reinterpret_cast<be16*>(ip + at) : nullptr;
  }
};

/**
 * Read the quote of an ICMP error of `family`. A packet that is none of TCP, UDP and SCTP, or a later fragment, has no
 * flow here: no_flow. One without a right IPv4 header checksum (RFC 5508 REQ-3) and eight transport bytes cannot be
 * read: icmp_quote. Otherwise kNoDrop.
 */
DropReason parse_quote(std::span<uint8_t> quote, int family, QuoteView& view);

}  // namespace vsnat::wire
