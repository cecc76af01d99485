// SPDX-License-Identifier: Apache-2.0
#include "nat/answer.h"

#include <algorithm>
#include <cstring>

#include "nat/sctp.h"

namespace vsnat::nat {

using namespace wire;

namespace {

uint64_t pseudo_header_sum(const PacketView& packet, uint8_t protocol, uint32_t l4_length) {
  const uint64_t addresses = packet.family == 4
                                 ? sum_bytes(reinterpret_cast<const uint8_t*>(&packet.v4().saddr), 8)
                                 : sum_bytes(reinterpret_cast<const uint8_t*>(&packet.v6().saddr), 32);
  return addresses + protocol + l4_length;
}

/** What differs between the headers of answers; the rest is from `packet` turned around. */
struct Answer {
  uint8_t protocol;
  uint32_t payload;
  uint8_t traffic_class;
  /** Atomic, so that the ID means nothing (RFC 6864). Otherwise the ID is that of the packet answered. */
  bool dont_fragment;
};

uint8_t traffic_class_of(const PacketView& packet) {
  return packet.family == 4 ? packet.v4().tos : uint8_t(packet.v6().version_class_label.host() >> 20 & 0xff);
}

/** Write a bare IP header from `from` to `to` over the packet's own; the payload begins right behind it. */
template <class Addr>
void write_ip_header(const PacketView& packet, Addr from, Addr to, const Answer& answer) {
  if constexpr (Addr::kFamily == 4) {
    ipv4_hdr ip{};
    ip.version_ihl = 0x45;
    ip.tos = answer.traffic_class;
    ip.total_len = be16::from_host(uint16_t(sizeof(ip) + answer.payload));
    if (answer.dont_fragment) {
      ip.frag_off = be16::from_host(ipv4_hdr::kDontFragment);
    } else {
      ip.id = packet.v4().id;
    }
    ip.ttl = kAnswerTtl;
    ip.protocol = answer.protocol;
    ip.saddr = from;
    ip.daddr = to;
    ip.check = be16::from_host(checksum(reinterpret_cast<const uint8_t*>(&ip), sizeof(ip)));
    packet.v4() = ip;
  } else {
    ipv6_hdr ip{};
    ip.version_class_label = be32::from_host(6u << 28 | uint32_t(answer.traffic_class) << 20);
    ip.payload_len = be16::from_host(uint16_t(answer.payload));
    ip.next_header = answer.protocol;
    ip.hop_limit = kAnswerTtl;
    ip.saddr = from;
    ip.daddr = to;
    packet.v6() = ip;
  }
}

/** From the packet's destination back to its source. Returns the offset of the payload. */
size_t turn_around(const PacketView& packet, const Answer& answer) {
  if (packet.family == 4) {
    write_ip_header<Addr4>(packet, packet.v4().daddr, packet.v4().saddr, answer);
    return sizeof(ipv4_hdr);
  }
  write_ip_header<Addr6>(packet, packet.v6().daddr, packet.v6().saddr, answer);
  return sizeof(ipv6_hdr);
}

}  // namespace

bool transport_checksum_ok(const PacketView& packet) {
  if (packet.csum != CsumState::full || packet.fragment) return true;
  if (packet.is_sctp()) return packet.sctp().check.host() == sctp_checksum(packet);
  const uint32_t length = packet.is_udp() ? packet.udp().len.host() : packet.l4_length();
  return fold(sum_bytes(packet.l4(), length, pseudo_header_sum(packet, packet.protocol, length))) == 0xffff;
}

uint32_t make_echo_reply(const PacketView& packet) {
  const uint32_t length = packet.l4_length();
  icmp_hdr& icmp = packet.icmp();
  icmp.type = packet.family == 4 ? icmp4::kEchoReply : icmp6::kEchoReply;
  const uint16_t offset = packet.l4_offset;
  const size_t header = turn_around(packet, {packet.protocol, length, traffic_class_of(packet), false});
  // Options and extension headers are not sent back: the reply begins right behind the plain header.
  std::memmove(packet.ip + header, packet.ip + offset, length);
  auto& reply = *reinterpret_cast<icmp_hdr*>(packet.ip + header);
  reply.check = be16{};
  const uint64_t pseudo = packet.family == 4 ? 0 : pseudo_header_sum(packet, kProtoIcmp6, length);
  reply.check = be16::from_host(checksum(packet.ip + header, length, pseudo));
  return uint32_t(header) + length;
}

uint32_t make_echo_reply_piece(const PacketView& packet) {
  const bool v4 = packet.family == 4;
  if (!packet.later_fragment) {
    if (packet.l4_offset != packet.piece_offset) return 0;
    icmp_hdr& icmp = packet.icmp();
    const uint8_t reply = v4 ? icmp4::kEchoReply : icmp6::kEchoReply;
    CsumDelta delta;
    delta.replace16(uint16_t(icmp.type << 8 | icmp.code), uint16_t(reply << 8 | icmp.code));
    icmp.check = be16::from_host(delta.onto_check(icmp.check.host()));
    icmp.type = reply;
  }
  const uint32_t bytes = packet.length - packet.piece_offset;
  const uint8_t traffic_class = traffic_class_of(packet);
  if (v4) {
    constexpr uint16_t kPlace = ipv4_hdr::kMoreFragments | ipv4_hdr::kOffsetMask;
    const auto place = uint16_t(packet.v4().frag_off.host() & kPlace);
    const size_t header = turn_around(packet, {packet.protocol, bytes, traffic_class, false});
    CsumDelta delta;
    delta.replace16(0, place);
    packet.v4().frag_off = be16::from_host(place);
    packet.v4().check = be16::from_host(delta.onto_check(packet.v4().check.host()));
    std::memmove(packet.ip + header, packet.ip + packet.piece_offset, bytes);
    return uint32_t(header) + bytes;
  }
  // The fragment header stays in front of its piece; what stood before it is not sent back.
  const auto payload = uint32_t(sizeof(ipv6_frag_hdr)) + bytes;
  const size_t from = packet.piece_offset - sizeof(ipv6_frag_hdr);
  const size_t header = turn_around(packet, {kProtoFragment, payload, traffic_class, false});
  std::memmove(packet.ip + header, packet.ip + from, payload);
  return uint32_t(header) + payload;
}

uint32_t make_tcp_reset(const PacketView& packet) {
  const tcp_hdr from = packet.tcp();
  tcp_hdr reset{};
  reset.sport = from.dport;
  reset.dport = from.sport;
  reset.doff_reserved = 5 << 4;
  if (from.flags & tcp_hdr::kAck) {
    reset.seq = from.ack_seq;
    reset.flags = tcp_hdr::kRst;
  } else {
    uint32_t length = packet.tcp_payload();
    if (from.flags & tcp_hdr::kSyn) ++length;
    if (from.flags & tcp_hdr::kFin) ++length;
    reset.ack_seq = be32::from_host(from.seq.host() + length);
    reset.flags = tcp_hdr::kRst | tcp_hdr::kAck;
  }
  constexpr uint8_t kEcnBits = 3;  // a RST is not ECN-capable (RFC 3168 section 6.1.1)
  const auto traffic_class = uint8_t(traffic_class_of(packet) & ~kEcnBits);
  const size_t header = turn_around(packet, {kProtoTcp, sizeof(reset), traffic_class, true});
  reset.check = be16::from_host(checksum(reinterpret_cast<const uint8_t*>(&reset), sizeof(reset),
                                         pseudo_header_sum(packet, kProtoTcp, sizeof(reset))));
  std::memcpy(packet.ip + header, &reset, sizeof(reset));
  return uint32_t(header + sizeof(reset));
}

uint32_t make_sctp_abort(const PacketView& packet) {
  const uint8_t chunk = packet.sctp_chunk().type;
  const bool silent = chunk == sctp_chunk_hdr::kAbort || chunk == sctp_chunk_hdr::kShutdownComplete ||
                      chunk == sctp_chunk_hdr::kCookieAck || chunk == sctp_chunk_hdr::kError;
  // A host looks at the checksum first. Of a piece it cannot be told.
  if (silent || packet.fragment || sctp_checksum(packet) != packet.sctp().check.host()) return 0;
  struct {
    sctp_hdr header;
    sctp_chunk_hdr chunk;
  } abort{{packet.sctp().dport, packet.sctp().sport, packet.sctp().vtag, le32{}},
          {chunk == sctp_chunk_hdr::kShutdownAck ? sctp_chunk_hdr::kShutdownComplete : sctp_chunk_hdr::kAbort,
           sctp_chunk_hdr::kTagReflected, be16::from_host(sizeof(sctp_chunk_hdr))}};
  static_assert(sizeof(abort) == 16);
  const auto* bytes = reinterpret_cast<const uint8_t*>(&abort);
  abort.header.check = le32::from_host(crc32c(bytes, sizeof(abort)));
  const size_t header = turn_around(packet, {kProtoSctp, sizeof(abort), traffic_class_of(packet), true});
  std::memcpy(packet.ip + header, bytes, sizeof(abort));
  return uint32_t(header + sizeof(abort));
}

uint32_t make_icmp_error(const PacketView& packet, uint8_t type, uint8_t code, uint32_t rest) {
  const bool v4 = packet.family == 4;
  const size_t header = v4 ? sizeof(ipv4_hdr) : sizeof(ipv6_hdr);
  const size_t longest = v4 ? 576 : 1280;
  const auto quoted = uint32_t(std::min<size_t>(packet.length, longest - header - sizeof(icmp_hdr)));
  // Precedence 6, internetwork control, and the TOS of the packet (RFC 1812 section 4.3.2.5). IPv6 has no such rule.
  constexpr uint8_t kInternetControl = 0xc0, kTosBits = 0x1e;
  const auto traffic_class = v4 ? uint8_t(kInternetControl | (packet.v4().tos & kTosBits)) : uint8_t{0};
  std::memmove(packet.ip + header + sizeof(icmp_hdr), packet.ip, quoted);
  const uint32_t length = uint32_t(sizeof(icmp_hdr)) + quoted;
  turn_around(packet, {v4 ? kProtoIcmp : kProtoIcmp6, length, traffic_class, false});
  auto& icmp = *reinterpret_cast<icmp_hdr*>(packet.ip + header);
  icmp = icmp_hdr{type, code, be16{}, be32::from_host(rest)};
  const uint64_t pseudo = v4 ? 0 : pseudo_header_sum(packet, kProtoIcmp6, length);
  icmp.check = be16::from_host(checksum(packet.ip + header, length, pseudo));
  return uint32_t(header) + length;
}

template <class Addr>
uint32_t make_port_unreachable_from(const PacketView& packet, const Addr& source) {
  const bool v4 = Addr::kFamily == 4;
  const uint32_t length = v4 ? make_icmp_error(packet, icmp4::kUnreachable, icmp4::kPortUnreachable, 0)
                             : make_icmp_error(packet, icmp6::kUnreachable, icmp6::kPortUnreachable, 0);
  CsumDelta delta;
  delta.replace(&saddr<Addr>(packet), &source, sizeof(Addr));
  saddr<Addr>(packet) = source;
  // The address is in the IPv4 header's own checksum, and in IPv6 in the ICMP checksum's pseudo-header.
  be16& check = v4 ? packet.v4().check : reinterpret_cast<icmp_hdr*>(packet.ip + sizeof(ipv6_hdr))->check;
  check = be16::from_host(delta.onto_check(check.host()));
  return length;
}
template uint32_t make_port_unreachable_from(const PacketView&, const Addr4&);
template uint32_t make_port_unreachable_from(const PacketView&, const Addr6&);

void AnswerBudget::Bucket::refill(uint64_t now_ms, uint32_t per_second, uint32_t burst) {
  const uint64_t full = uint64_t(burst) * 1000;
  if (!used) {
    used = true;
    milli_tokens = uint32_t(full);
  } else {
    // Bounded before the multiplication: after a year of silence there is one burst, not an overflow.
    const uint64_t elapsed = std::min<uint64_t>(now_ms - at_ms, 1'000'000);
    milli_tokens = uint32_t(std::min(full, milli_tokens + elapsed * per_second));
  }
  at_ms = now_ms;
}

bool AnswerBudget::allow(uint64_t now_ms, uint64_t client_hash) {
  Bucket& client = clients_[client_hash % clients_.size()];
  all_.refill(now_ms, kPerSecond, kBurst);
  client.refill(now_ms, kPerSecondPerClient, kBurstPerClient);
  if (all_.milli_tokens < 1000 || client.milli_tokens < 1000) return false;
  all_.milli_tokens -= 1000;
  client.milli_tokens -= 1000;
  return true;
}

}  // namespace vsnat::nat
