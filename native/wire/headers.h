// SPDX-License-Identifier: Apache-2.0
//
// The protocol headers, as they lie on the wire. Field names are the kernel's. All of alignment 1: a pointer
// into a packet may be cast to them once wire/packet.cc has checked the length.
#pragma once

#include <cstddef>
#include <cstdint>

#include "wire/address.h"
#include "wire/endian.h"

namespace vsnat::wire {

inline constexpr uint8_t kProtoHopByHop = 0;
inline constexpr uint8_t kProtoIcmp = 1;
inline constexpr uint8_t kProtoTcp = 6;
inline constexpr uint8_t kProtoUdp = 17;
inline constexpr uint8_t kProtoRouting = 43;
inline constexpr uint8_t kProtoFragment = 44;
inline constexpr uint8_t kProtoIcmp6 = 58;
inline constexpr uint8_t kProtoNoNext = 59;
inline constexpr uint8_t kProtoDestOpts = 60;
inline constexpr uint8_t kProtoSctp = 132;

/* RFC 791 section 3.1
    0                   1                   2                   3
    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |Version|  IHL  |Type of Service|          Total Length         |
   |         Identification        |Flags|      Fragment Offset    |
   |  Time to Live |    Protocol   |         Header Checksum       |
   |                       Source Address                          |
   |                    Destination Address                        |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ */
struct ipv4_hdr {
  uint8_t version_ihl;
  uint8_t tos;
  be16 total_len;
  be16 id;
  be16 frag_off;
  uint8_t ttl;
  uint8_t protocol;
  be16 check;
  Addr4 saddr;
  Addr4 daddr;

  static constexpr uint16_t kDontFragment = 0x4000;
  static constexpr uint16_t kMoreFragments = 0x2000;
  static constexpr uint16_t kOffsetMask = 0x1fff;

  uint8_t version() const { return version_ihl >> 4; }
  size_t header_len() const { return size_t(version_ihl & 15) * 4; }
  bool is_fragment() const { return (frag_off.host() & (kMoreFragments | kOffsetMask)) != 0; }
  bool is_later_fragment() const { return (frag_off.host() & kOffsetMask) != 0; }
};
static_assert(sizeof(ipv4_hdr) == 20 && alignof(ipv4_hdr) == 1);

/* RFC 8200 section 3
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |Version| Traffic Class |           Flow Label                  |
   |         Payload Length        |  Next Header  |   Hop Limit   |
   |                       Source Address (16)                     |
   |                    Destination Address (16)                   |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ */
struct ipv6_hdr {
  be32 version_class_label;
  be16 payload_len;
  uint8_t next_header;
  uint8_t hop_limit;
  Addr6 saddr;
  Addr6 daddr;
};
static_assert(sizeof(ipv6_hdr) == 40 && alignof(ipv6_hdr) == 1);

/* RFC 8200 section 4.5: the fragment header. Offset is in the high 13 bits, the more flag in the lowest. */
struct ipv6_frag_hdr {
  uint8_t next_header;
  uint8_t reserved;
  be16 offset_more;
  be32 id;
};
static_assert(sizeof(ipv6_frag_hdr) == 8);

/* RFC 9293 section 3.1
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |          Source Port          |       Destination Port        |
   |                        Sequence Number                        |
   |                    Acknowledgment Number                      |
   | Offset| Rsrvd |C|E|U|A|P|R|S|F|            Window             |
   |           Checksum            |         Urgent Pointer        |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ */
struct tcp_hdr {
  be16 sport;
  be16 dport;
  be32 seq;
  be32 ack_seq;
  uint8_t doff_reserved;
  uint8_t flags;
  be16 window;
  be16 check;
  be16 urg_ptr;

  static constexpr uint8_t kFin = 0x01;
  static constexpr uint8_t kSyn = 0x02;
  static constexpr uint8_t kRst = 0x04;
  static constexpr uint8_t kPsh = 0x08;
  static constexpr uint8_t kAck = 0x10;
  static constexpr uint8_t kUrg = 0x20;
  static constexpr uint8_t kCwr = 0x80;

  size_t header_len() const { return size_t(doff_reserved >> 4) * 4; }
};
static_assert(sizeof(tcp_hdr) == 20 && alignof(tcp_hdr) == 1);

/* RFC 768 */
struct udp_hdr {
  be16 sport;
  be16 dport;
  be16 len;
  be16 check;
};
static_assert(sizeof(udp_hdr) == 8 && alignof(udp_hdr) == 1);

/* RFC 9260 section 3.1: the common header, followed by chunks.
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
   |     Source Port Number        |     Destination Port Number   |
   |                      Verification Tag                         |
   |                           Checksum                            |
   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ */
struct sctp_hdr {
  be16 sport;
  be16 dport;
  be32 vtag;
  le32 check;  // CRC32c of the whole packet with this field zero; no pseudo-header
};
static_assert(sizeof(sctp_hdr) == 12 && alignof(sctp_hdr) == 1);

/* RFC 9260 section 3.2: type, flags, length of header and value without the padding to four bytes. */
struct sctp_chunk_hdr {
  uint8_t type;
  uint8_t flags;
  be16 length;

  static constexpr uint8_t kInit = 1, kInitAck = 2, kAbort = 6, kShutdown = 7, kShutdownAck = 8, kError = 9,
                           kCookieEcho = 10, kCookieAck = 11, kShutdownComplete = 14;
  static constexpr uint8_t kTagReflected = 1;  // the T bit of ABORT and SHUTDOWN COMPLETE
};
static_assert(sizeof(sctp_chunk_hdr) == 4 && alignof(sctp_chunk_hdr) == 1);

/* RFC 792, RFC 4443: type, code, checksum, then four bytes whose meaning the type decides. */
struct icmp_hdr {
  uint8_t type;
  uint8_t code;
  be16 check;
  be32 rest;
};
static_assert(sizeof(icmp_hdr) == 8 && alignof(icmp_hdr) == 1);

namespace icmp4 {
inline constexpr uint8_t kEchoReply = 0, kUnreachable = 3, kSourceQuench = 4, kRedirect = 5, kEcho = 8,
                         kTimeExceeded = 11, kParameterProblem = 12;
inline constexpr uint8_t kProtoUnreachable = 2, kPortUnreachable = 3, kFragNeeded = 4;
/** The errors a director translates. Source quench is obsolete (RFC 6633); redirects are for one link only.
 */
constexpr bool is_error(uint8_t type) {
  return type == kUnreachable || type == kTimeExceeded || type == kParameterProblem;
}
}  // namespace icmp4

namespace icmp6 {
inline constexpr uint8_t kUnreachable = 1, kPacketTooBig = 2, kTimeExceeded = 3, kParameterProblem = 4,
                         kEcho = 128, kEchoReply = 129;
inline constexpr uint8_t kPortUnreachable = 4, kUnrecognizedNextHeader = 1;
constexpr bool is_error(uint8_t type) {
  return type >= kUnreachable && type <= kParameterProblem;
}
}  // namespace icmp6

}  // namespace vsnat::wire
