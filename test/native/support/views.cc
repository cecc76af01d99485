// SPDX-License-Identifier: Apache-2.0
#include "test/native/support/views.h"

#include <cstring>

#include "test/native/check.h"

namespace vsnat::test {

using wire::vnet_hdr;

std::string broken_promise(const wire::PacketView& view, const vnet_hdr& vnet, size_t size) {
  if (view.family != 4 && view.family != 6) return "the family is neither 4 nor 6";
  if (view.length > size) return "the packet is longer than its bytes";
  if (view.l4_offset > view.length) return "the transport header begins behind the packet";
  if (view.next_header_offset >= view.length) return "the next-header field lies behind the packet";
  if (!view.fragment) {
    if (view.is_tcp() && view.l4_length() < 20) return "less than a TCP header";
    if (view.is_tcp() && view.tcp().header_len() > view.l4_length()) return "TCP options behind the packet";
    if (view.is_udp() && view.l4_length() < 8) return "less than a UDP header";
    if (view.is_icmp() && view.l4_length() < 8) return "less than an ICMP header";
  }
  if ((vnet.flags & ~vnet_hdr::kNeedsCsum) != 0) return "a flag besides NEEDS_CSUM survived";
  if (!vnet.needs_csum() && (vnet.csum_start | vnet.csum_offset) != 0)
    return "checksum offsets without NEEDS_CSUM";
  if (vnet.needs_csum() && uint32_t(vnet.csum_start) + vnet.csum_offset + 2 > view.length) {
    return "the device would complete a checksum behind the packet";
  }
  if (vnet.is_gso()) {
    if (!vnet.needs_csum()) return "a superpacket whose segments would get no checksum";
    if (view.fragment) return "a superpacket that is a fragment";
    if (vnet.gso_size < 88) return "a superpacket of tiny segments";
    if (vnet.hdr_len < view.l4_offset + 8u || vnet.hdr_len + vnet.gso_size >= view.length) {
      return "a superpacket of one segment or with a wrong header length";
    }
  } else if (vnet.gso_size != 0) {
    return "a segment size without a segmentation kind";
  }
  return "";
}

Parsed parsed(std::span<const uint8_t> bytes, vnet_hdr vnet) {
  ExactBytes copy(bytes);
  Parsed result;
  result.vnet = vnet;
  wire::vnet_hdr carefully = vnet;
  wire::PacketView view;
  const DropReason reason = wire::parse_carefully(copy.span(), carefully, view);
  result.reason = wire::parse(copy.span(), result.vnet, result.view);
  const bool is_same = result.reason == reason &&
                       std::memcmp(&result.vnet, &carefully, sizeof(carefully)) == 0 &&
                       (reason != wire::kNoDrop || result.view == view);
  if (!is_same) report_failure(__FILE__, __LINE__, "parse() and parse_carefully() differ");
  if (!bytes.empty() && std::memcmp(copy.span().data(), bytes.data(), bytes.size()) != 0) {
    report_failure(__FILE__, __LINE__, "parse() changed the packet");
  }
  if (result.reason == wire::kNoDrop) {
    const std::string broken = broken_promise(result.view, result.vnet, bytes.size());
    if (!broken.empty()) report_failure(__FILE__, __LINE__, "the view of a good packet: " + broken);
  }
  result.view.ip = nullptr;
  return result;
}

Parsed parsed(const Packet& packet) {
  return parsed(packet.bytes, packet.vnet);
}

DropReason quoted(std::span<const uint8_t> quote, int family, wire::QuoteView* view) {
  ExactBytes copy(quote);
  wire::QuoteView local;
  const DropReason reason = wire::parse_quote(copy.span(), family, local);
  if (reason == wire::kNoDrop) {
    if (local.l4_offset + 8u > quote.size())
      report_failure(__FILE__, __LINE__, "a quote's ports lie behind it");
    if (local.check() != nullptr) {
      const auto at = size_t(reinterpret_cast<uint8_t*>(local.check()) - local.ip);
      if (at + 2 > quote.size()) report_failure(__FILE__, __LINE__, "a quote's checksum lies behind it");
    }
  }
  if (view != nullptr) {
    *view = local;
    view->ip = nullptr;
  }
  return reason;
}

}  // namespace vsnat::test
