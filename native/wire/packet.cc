// SPDX-License-Identifier: Apache-2.0
#include "wire/packet.h"

namespace vsnat::wire {
namespace {

constexpr unsigned kMaxExtensionHeaders = 8;
constexpr size_t kMaxExtensionBytes = 512;

/** Below any sane MSS (RFC 879 minus the longest headers): a smaller segment size only multiplies packets. */
constexpr uint16_t kMinGsoSize = 88;

/** Walk IPv4 options: lengths must be possible, source routes are refused. */
DropReason check_options(const uint8_t* options, size_t length) {
  constexpr uint8_t kEnd = 0, kNop = 1, kLooseSourceRoute = 131, kStrictSourceRoute = 137;
  for (size_t at = 0; at < length;) {
    const uint8_t type = options[at];
    if (type == kEnd) return kNoDrop;
    if (type == kNop) {
      ++at;
      continue;
    }
    if (at + 1 >= length || options[at + 1] < 2 || at + options[at + 1] > length) return DropReason::ip_opt;
    if (type == kLooseSourceRoute || type == kStrictSourceRoute) return DropReason::src_route;
    at += options[at + 1];
  }
  return kNoDrop;
}

DropReason parse_v4(std::span<uint8_t> bytes, PacketView& view) {
  if (bytes.size() < sizeof(ipv4_hdr)) return DropReason::short_frame;
  view.ip = bytes.data();
  view.family = 4;
  const ipv4_hdr& ip = view.v4();
  const size_t header = ip.header_len();
  if (header < sizeof(ipv4_hdr) || header > bytes.size()) return DropReason::ihl;
  const size_t total = ip.total_len.host();
  if (total < header) return DropReason::total_len;
  if (total > bytes.size()) return DropReason::truncated;
  if (!header_checksum_ok(view.ip, header)) return DropReason::ip_csum;
  if (header > sizeof(ipv4_hdr)) {
    const DropReason bad = check_options(view.ip + sizeof(ipv4_hdr), header - sizeof(ipv4_hdr));
    if (bad != kNoDrop) return bad;
  }
  if (ip.saddr.is_martian_source() || ip.daddr.is_martian_destination()) return DropReason::martian;
  if (ip.saddr == ip.daddr && (ip.protocol != kProtoIcmp || ip.is_fragment())) return DropReason::land;
  view.length = uint32_t(total);
  view.l4_offset = uint16_t(header);
  view.next_header_offset = offsetof(ipv4_hdr, protocol);
  view.protocol = ip.protocol;
  if (ip.is_fragment()) [[unlikely]] {
    view.fragment = true;
    view.later_fragment = ip.is_later_fragment();
    view.more_fragments = (ip.frag_off.host() & ipv4_hdr::kMoreFragments) != 0;
    view.piece_offset = uint16_t(header);
    view.fragment_offset = uint16_t((ip.frag_off.host() & ipv4_hdr::kOffsetMask) * 8);
    view.fragment_id = ip.id.host();
  }
  return kNoDrop;
}

/** Find the transport header behind the extension headers (RFC 8200 section 4). */
DropReason walk_extensions(PacketView& view) {
  size_t at = sizeof(ipv6_hdr);
  uint8_t next = view.v6().next_header;
  size_t next_at = offsetof(ipv6_hdr, next_header);
  for (unsigned count = 0;; ++count) {
    const bool generic = next == kProtoHopByHop || next == kProtoRouting || next == kProtoDestOpts;
    if (!generic && next != kProtoFragment) break;
    if (count == kMaxExtensionHeaders) return DropReason::ext_limit;
    if (next == kProtoHopByHop && count != 0) return DropReason::ext_order;
    if (at + 8 > view.length) return DropReason::ext_len;
    const uint8_t* header = view.ip + at;
    size_t length = 8;
    if (next == kProtoFragment) {
      const auto& fragment = *reinterpret_cast<const ipv6_frag_hdr*>(header);
      const uint16_t offset_more = fragment.offset_more.host();
      // An atomic fragment (offset 0, no more) is a whole datagram (RFC 6946).
      if ((offset_more & ~uint16_t{6}) != 0) view.fragment = true;
      view.more_fragments = (offset_more & 1) != 0;
      view.piece_offset = uint16_t(at + sizeof(ipv6_frag_hdr));
      // Behind a later fragment's header there is payload, not a header chain.
      view.fragment_offset = offset_more & ~uint16_t{7};
      view.later_fragment = view.fragment_offset != 0;
      view.fragment_id = fragment.id.host();
    } else {
      length = (size_t(header[1]) + 1) * 8;
      if (at + length > view.length) return DropReason::ext_len;
      if (next == kProtoRouting && header[3] != 0) return DropReason::routing;
      if (next == kProtoHopByHop) {
        // RFC 2675: the jumbo payload option, type 0xC2. Options are type, length, data; type 0 is one pad
        // byte.
        for (size_t o = 2; o < length;) {
          if (header[o] == 0) {
            ++o;
            continue;
          }
          if (o + 1 >= length || o + 2 + header[o + 1] > length) return DropReason::ext_len;
          if (header[o] == 0xc2) return DropReason::jumbo;
          o += 2 + size_t(header[o + 1]);
        }
      }
    }
    next_at = at;
    next = header[0];
    at += length;
    if (at - sizeof(ipv6_hdr) > kMaxExtensionBytes) return DropReason::ext_limit;
    if (view.later_fragment) break;
  }
  view.protocol = next;
  view.l4_offset = uint16_t(at);
  view.next_header_offset = uint16_t(next_at);
  return kNoDrop;
}

DropReason parse_v6(std::span<uint8_t> bytes, PacketView& view) {
  if (bytes.size() < sizeof(ipv6_hdr)) return DropReason::short_frame;
  view.ip = bytes.data();
  view.family = 6;
  const ipv6_hdr& ip = view.v6();
  const size_t payload = ip.payload_len.host();
  if (payload == 0) return DropReason::total_len;
  if (sizeof(ipv6_hdr) + payload > bytes.size()) return DropReason::truncated;
  if (ip.saddr.is_martian_source() || ip.daddr.is_martian_destination()) return DropReason::martian;
  view.length = uint32_t(sizeof(ipv6_hdr) + payload);
  const DropReason bad = walk_extensions(view);
  if (ip.saddr == ip.daddr && (bad != kNoDrop || view.fragment || view.protocol != kProtoIcmp6))
    return DropReason::land;
  return bad;
}

DropReason parse_transport(PacketView& view, const vnet_hdr& vnet) {
  if (view.is_tcp()) {
    if (view.l4_length() < sizeof(tcp_hdr)) return DropReason::l4_short;
    const size_t header = view.tcp().header_len();
    if (header < sizeof(tcp_hdr) || header > view.l4_length()) return DropReason::tcp_doff;
    if (view.tcp().sport.host() == 0 || view.tcp().dport.host() == 0) return DropReason::port0;
    view.csum = vnet.needs_csum() ? CsumState::partial : CsumState::full;
  } else if (view.is_udp()) {
    if (view.l4_length() < sizeof(udp_hdr)) return DropReason::l4_short;
    const size_t length = view.udp().len.host();
    // A first fragment's length field is the whole datagram's.
    if (length < sizeof(udp_hdr) || (length > view.l4_length() && !view.fragment)) return DropReason::udp_len;
    if (view.udp().sport.host() == 0 || view.udp().dport.host() == 0) return DropReason::port0;
    view.csum = vnet.needs_csum()              ? CsumState::partial
                : view.udp().check.host() == 0 ? CsumState::absent
                                               : CsumState::full;
  } else if (view.is_sctp()) {
    if (view.l4_length() < sizeof(sctp_hdr) + sizeof(sctp_chunk_hdr)) return DropReason::l4_short;
    if (view.sctp().sport.host() == 0 || view.sctp().dport.host() == 0) return DropReason::port0;
    view.csum = vnet.needs_csum() ? CsumState::partial : CsumState::full;
  } else if (view.is_icmp()) {
    if (view.l4_length() < sizeof(icmp_hdr)) return DropReason::l4_short;
  }
  return kNoDrop;
}

/** NEEDS_CSUM must name exactly the field our own parse found; for a protocol we do not rewrite, stay in
 * bounds. */
DropReason check_csum_meta(const PacketView& view, const vnet_hdr& vnet) {
  if (!vnet.needs_csum()) return kNoDrop;
  if (view.fragment) return DropReason::csum_meta;
  if (view.is_tcp() || view.is_udp() || view.is_sctp()) {
    const size_t offset = view.is_tcp()   ? offsetof(tcp_hdr, check)
                          : view.is_udp() ? offsetof(udp_hdr, check)
                                          : offsetof(sctp_hdr, check);
    return vnet.csum_start == view.l4_offset && vnet.csum_offset == offset ? kNoDrop : DropReason::csum_meta;
  }
  const bool inside = vnet.csum_start >= view.l4_offset &&
                      uint32_t(vnet.csum_start) + vnet.csum_offset + sizeof(be16) <= view.length;
  return inside && !view.is_icmp() ? kNoDrop : DropReason::csum_meta;
}

DropReason check_gso_meta(const PacketView& view, size_t frame_length, vnet_hdr& vnet) {
  if (!vnet.is_gso()) {
    vnet.gso_size = 0;
    return kNoDrop;
  }
  const uint8_t kind = vnet.gso_kind();
  const bool ecn = (vnet.gso_type & vnet_hdr::kGsoEcn) != 0;
  const bool kind_fits = (kind == vnet_hdr::kGsoTcp4 && view.is_tcp() && view.family == 4) ||
                         (kind == vnet_hdr::kGsoTcp6 && view.is_tcp() && view.family == 6) ||
                         (kind == vnet_hdr::kGsoUdpL4 && view.is_udp() && !ecn);
  // A frame longer than its IP length would be cut into segments with bad checksums by the kernel.
  if (!kind_fits || view.fragment || view.length != frame_length || !vnet.needs_csum())
    return DropReason::gso_meta;
  const size_t headers = view.l4_offset + (view.is_tcp() ? view.tcp().header_len() : sizeof(udp_hdr));
  if (vnet.gso_size < kMinGsoSize || headers + vnet.gso_size > 65535) return DropReason::gso_size;
  if (view.is_tcp() && (view.tcp().flags & (tcp_hdr::kSyn | tcp_hdr::kRst | tcp_hdr::kUrg)) != 0) {
    return DropReason::gso_flags;
  }
  if (view.is_udp() && view.udp().len.host() != view.l4_length()) return DropReason::udp_len;
  if (view.length - headers <= vnet.gso_size) {  // one segment: a plain packet
    vnet.gso_type = vnet_hdr::kGsoNone;
    vnet.gso_size = 0;
  }
  vnet.hdr_len = uint16_t(headers);
  return kNoDrop;
}

}  // namespace

DropReason parse_carefully(std::span<uint8_t> bytes, vnet_hdr& vnet, PacketView& view) {
  if (bytes.empty()) return DropReason::short_frame;
  view = PacketView{};
  const uint8_t version = bytes[0] >> 4;
  DropReason bad = version == 4                      ? parse_v4(bytes, view)
                   : version == 6                    ? parse_v6(bytes, view)
                   : bytes.size() < sizeof(ipv4_hdr) ? DropReason::short_frame
                                                     : DropReason::version;
  if (bad != kNoDrop) return bad;
  if (!view.later_fragment) {
    bad = parse_transport(view, vnet);
    if (bad != kNoDrop) return bad;
  }
  if (!vnet.needs_csum() && !vnet.is_gso()) {  // nothing left to a device: nothing of the header matters
    vnet = vnet_hdr{};
    return kNoDrop;
  }
  vnet.hdr_len = 0;
  bad = check_csum_meta(view, vnet);
  if (bad == kNoDrop) bad = check_gso_meta(view, bytes.size(), vnet);
  // DATA_VALID is the sender's word that the checksum was verified; it is not ours to give on.
  vnet.flags &= vnet_hdr::kNeedsCsum;
  if (!vnet.needs_csum()) vnet.csum_start = vnet.csum_offset = 0;
  return bad;
}

DropReason parse_quote(std::span<uint8_t> quote, int family, QuoteView& view) {
  constexpr size_t kQuotedTransport = 8;  // what RFC 792 promises of the quoted datagram's data
  constexpr DropReason bad = DropReason::icmp_quote;
  view = QuoteView{};
  view.ip = quote.data();
  view.available = uint32_t(quote.size());
  view.family = uint8_t(family);
  if (family == 4) {
    if (quote.size() < sizeof(ipv4_hdr)) return bad;
    const ipv4_hdr& ip = view.v4();
    const size_t header = ip.header_len();
    if (ip.version() != 4 || header < sizeof(ipv4_hdr) || header > quote.size()) return bad;
    if (!header_checksum_ok(view.ip, header)) return bad;
    if (ip.is_later_fragment()) return DropReason::no_flow;
    view.l4_offset = uint16_t(header);
    view.protocol = ip.protocol;
  } else {
    if (quote.size() < sizeof(ipv6_hdr) || quote[0] >> 4 != 6) return bad;
    // The walk wants a PacketView; the quote's own length field may promise more than is quoted, so bound it.
    PacketView inner;
    inner.ip = quote.data();
    inner.length = uint32_t(quote.size());
    inner.family = 6;
    if (walk_extensions(inner) != kNoDrop) return bad;
    if (inner.later_fragment) return DropReason::no_flow;
    view.l4_offset = inner.l4_offset;
    view.protocol = inner.protocol;
  }
  if (view.protocol != kProtoTcp && view.protocol != kProtoUdp && view.protocol != kProtoSctp)
    return DropReason::no_flow;
  return quote.size() >= view.l4_offset + kQuotedTransport ? kNoDrop : bad;
}

}  // namespace vsnat::wire
