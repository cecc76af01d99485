// SPDX-License-Identifier: Apache-2.0
#include "nat/ftp_helper.h"

#include <cstring>

#include "nat/ftp_text.h"
#include "wire/tcp_options.h"

namespace vsnat::nat {

using namespace wire;
using flow::Flow;
using flow::State;
using Kind = FtpLine::Kind;
using Opener = FtpExpectation::Opener;

namespace {

/** A plain segment that grew from this payload on may have filled its link before; RFC 9293 section 3.7.1 lets no MSS
 * be smaller by much. */
constexpr uint32_t kMayFillTheLink = 512;

constexpr size_t kLongestTcpHeader = 60;

uint64_t pseudo_sum(const PacketView& packet) {
  const uint64_t addresses = packet.family == 4
                                 ? sum_bytes(reinterpret_cast<const uint8_t*>(&packet.v4().saddr), 8)
                                 : sum_bytes(reinterpret_cast<const uint8_t*>(&packet.v6().saddr), 32);
  return addresses + packet.protocol + packet.l4_length();
}

std::string_view text_of(const PacketView& packet) {
  return {reinterpret_cast<const char*>(packet.l4() + packet.tcp().header_len()), packet.tcp_payload()};
}

/** Change the TCP header, and its checksum by what changed. */
template <class Change>
void edit_header(const PacketView& packet, Change&& change) {
  uint8_t before[kLongestTcpHeader];
  const size_t length = packet.tcp().header_len();
  std::memcpy(before, packet.l4(), length);
  change(packet.tcp());
  if (packet.csum != CsumState::full || std::memcmp(before, packet.l4(), length) == 0) return;
  CsumDelta delta;
  delta.replace(before, packet.l4(), length);
  packet.tcp().check = be16::from_host(delta.onto_check(packet.tcp().check.host()));
}

/** Commands and answers about data connections are read in these packets only. */
template <class Addr>
bool is_legible(const Flow<Addr>& flow, const PacketView& packet) {
  const bool urgent = (packet.tcp().flags & tcp_hdr::kUrg) != 0;
  return flow.state == State::established && !packet.fragment && !urgent && packet.tcp_payload() > 0;
}

template <class Addr>
service::IpAddress any_address(const Addr& address) {
  service::IpAddress any;
  any.family = Addr::kFamily;
  if constexpr (Addr::kFamily == 4) {
    any.v4 = address;
  } else {
    any.v6 = address;
  }
  return any;
}

template <class Addr>
void announce(const FtpScene<Addr>& scene, const Flow<Addr>& flow, Opener opener, uint16_t client_port,
              uint16_t virtual_port, uint16_t real_port) {
  FtpExpectation expectation;
  expectation.opener = opener;
  expectation.client = any_address(flow.client);
  expectation.virt = any_address(flow.virt);
  expectation.real = any_address(flow.real);
  expectation.client_port = client_port;
  expectation.virtual_port = virtual_port;
  expectation.real_port = real_port;
  expectation.service_slot = flow.service_slot;
  expectation.server_slot = flow.server_slot;
  expectation.until = scene.until;
  const uint64_t hash = ftp_hash(scene.table, opener, flow.client, expectation.port());
  scene.state.expect(flow.helper, hash, expectation);
}

/**
 * Text of another length in the place of [begin, begin + length) of the payload. The lengths are right afterwards, and
 * a pending checksum is; a finished one is left to the caller, once all replacing is done.
 */
void replace_text(PacketView& view, size_t begin, size_t length, std::string_view text) {
  const uint32_t was = view.l4_length();
  uint8_t* place = view.l4() + view.tcp().header_len() + begin;
  const uint8_t* behind = place + length;
  std::memmove(place + text.size(), behind, size_t(view.ip + view.length - behind));
  std::memcpy(place, text.data(), text.size());
  view.length = uint32_t(view.length + text.size() - length);
  if (view.family == 4) {
    ipv4_hdr& ip = view.v4();
    CsumDelta delta;
    delta.replace16(ip.total_len.host(), uint16_t(view.length));
    ip.total_len = be16::from_host(uint16_t(view.length));
    ip.check = be16::from_host(delta.onto_check(ip.check.host()));
  } else {
    view.v6().payload_len = be16::from_host(uint16_t(view.length - sizeof(ipv6_hdr)));
  }
  if (view.csum != CsumState::partial) return;
  CsumDelta delta;
  delta.replace16(uint16_t(was), uint16_t(view.l4_length()));
  view.tcp().check = be16::from_host(delta.onto_sum(view.tcp().check.host()));
}

/** What the device is told about a packet whose payload had another length. */
void settle_offload(Packet& packet, PacketView& view, uint32_t payload_before, bool segments) {
  vnet_hdr& vnet = packet.vnet;
  const uint32_t payload = view.tcp_payload();
  const auto headers = uint16_t(view.l4_offset + view.tcp().header_len());
  if (vnet.is_gso()) {
    if (payload <= vnet.gso_size) {
      vnet.gso_type = vnet_hdr::kGsoNone;
      vnet.gso_size = 0;
    }
  } else if (segments && payload > payload_before && payload_before >= kMayFillTheLink) {
    // It may no longer fit where it did. As a superpacket it becomes two segments on the way out.
    vnet.gso_type = view.family == 4 ? vnet_hdr::kGsoTcp4 : vnet_hdr::kGsoTcp6;
    vnet.gso_size = uint16_t(payload_before);
    vnet.hdr_len = headers;
    vnet.flags |= vnet_hdr::kNeedsCsum;
    vnet.csum_start = view.l4_offset;
    vnet.csum_offset = offsetof(tcp_hdr, check);
    view.csum = CsumState::partial;
    view.tcp().check = be16::from_host(fold(pseudo_sum(view)));
  }
  if (view.csum != CsumState::full) return;
  view.tcp().check = be16{};
  view.tcp().check = be16::from_host(checksum(view.l4(), view.l4_length(), pseudo_sum(view)));
}

/** One line 227. False when it stays as it is although it should not. `line` moves with what the text grows by. */
template <class Addr>
bool rewrite_entering(FtpRecord& record, const Flow<Addr>& flow, const Packet& packet, PacketView& view,
                      FtpLine& line, uint32_t sent_shift) {
  if constexpr (Addr::kFamily == 4) {
    if (line.address.v4 == flow.virt) return true;
    char text[kFtpAddressText];
    const std::string_view address{text, write_ftp_address(text, flow.virt, line.port)};
    const size_t length = line.end - line.begin;
    const auto growth = int32_t(address.size()) - int32_t(length);
    const int64_t grown = int64_t(view.length) + growth;
    if (grown > packet.capacity || grown > 65535) return false;
    const uint32_t base = view.tcp().seq.host() - sent_shift;
    const auto begin = base + uint32_t(line.line), end = base + uint32_t(line.end);
    if (const auto* known = record.replies.find(begin)) {
      if (known->end != end || known->shift - known->before != uint32_t(growth)) return false;
    } else if (!record.replies.replace(begin, end, growth)) {
      return false;
    }
    replace_text(view, line.begin, length, address);
    line.next = size_t(int64_t(line.next) + growth);
    return true;
  }
  return false;
}

}  // namespace

bool ftp_checksum_ok(const PacketView& packet) {
  if (packet.csum != CsumState::full || packet.fragment) return true;
  return fold(sum_bytes(packet.l4(), packet.l4_length(), pseudo_sum(packet))) == 0xffff;
}

void ftp_restore_numbers(const FtpRecord& record, const PacketView& packet) {
  const SequenceMap& replies = record.replies;
  if (!replies.changed() || (packet.tcp().flags & tcp_hdr::kAck) == 0) return;
  edit_header(packet, [&](tcp_hdr& tcp) {
    tcp.ack_seq = be32::from_host(replies.sent(tcp.ack_seq.host()));
    for_each_sack_block(packet, [&](sack_block& block) {
      const uint32_t left = replies.sent(block.left.host(), SequenceMap::Rounding::up);
      uint32_t right = replies.sent(block.right.host());
      if (int32_t(right - left) < 0) right = left;  // nothing whole was received: an empty block says nothing
      block = {be32::from_host(left), be32::from_host(right)};
    });
  });
}

template <class Addr>
FtpReading ftp_read_request(const FtpScene<Addr>& scene, const Flow<Addr>& flow, const PacketView& packet) {
  FtpReading reading;
  if (!is_legible(flow, packet)) return reading;
  FtpRecord& record = scene.state.record(flow.helper);
  const std::string_view text = text_of(packet);
  const uint16_t virtual_port = flow.virtual_port.host(), real_port = flow.real_port.host();
  for (FtpLine line = next_ftp_command(text, 0); line.kind != Kind::none;
       line = next_ftp_command(text, line.next)) {
    record.mode = FtpMode::none;
    const bool passive = line.kind == Kind::passive && Addr::kFamily == 4;
    if (line.readable && passive) {
      record.mode = FtpMode::passive;
    } else if (line.readable && line.kind == Kind::extended_passive) {
      record.mode = FtpMode::extended_passive;
    } else if (line.readable && line.kind == Kind::port && line.address.family == Addr::kFamily &&
               line.address.get<Addr>() == flow.client && virtual_port > 1 && real_port > 1) {
      announce(scene, flow, Opener::server, line.port, uint16_t(virtual_port - 1), uint16_t(real_port - 1));
      ++reading.announced;
    } else {
      ++reading.ignored;
    }
  }
  return reading;
}

template <class Addr>
FtpReading ftp_rewrite_reply(const FtpScene<Addr>& scene, const Flow<Addr>& flow, Packet& packet,
                             PacketView& view) {
  FtpReading reading;
  FtpRecord& record = scene.state.record(flow.helper);
  const uint32_t payload_before = view.tcp_payload(), length_before = view.length;
  bool rewritten = false;
  size_t from = 0;
  while (is_legible(flow, view)) {
    FtpLine line = next_ftp_reply(text_of(view), from);
    if (line.kind == Kind::none) break;
    const uint32_t grown_by = view.length - length_before;  // modulo 2^32, as sequence numbers are
    const uint32_t begin = view.tcp().seq.host() + uint32_t(line.line) - grown_by;
    const bool again = record.replies.find(begin) != nullptr;
    // What was overtaken by later text can no longer be moved, and what went by as it was must stay so.
    const bool late = record.has_passed && int32_t(begin - record.passed) < 0;
    const FtpMode wanted = line.kind == Kind::entering ? FtpMode::passive : FtpMode::extended_passive;
    if (again || (record.mode == wanted && !late)) {
      bool good = line.readable;
      if (good && line.kind == Kind::entering) {
        // Servers can be told to name the VIP themselves; anybody else's address is none of ours.
        good = Addr::kFamily == 4 &&
               (line.address.get<Addr>() == flow.real || line.address.get<Addr>() == flow.virt) &&
               rewrite_entering(record, flow, packet, view, line, grown_by);
        rewritten = rewritten || good;
      }
      if (!again) record.mode = FtpMode::none;
      if (good && !again) {
        announce(scene, flow, Opener::client, 0, line.port, line.port);
        ++reading.announced;
      }
      reading.ignored += !good;
    }
    from = line.next;
  }
  if (rewritten) settle_offload(packet, view, payload_before, scene.segments);
  const uint32_t end = view.tcp().seq.host() + payload_before;
  if (payload_before > 0 && (!record.has_passed || int32_t(end - record.passed) > 0)) {
    record.has_passed = true;
    record.passed = end;
  }
  if (record.replies.changed()) {
    edit_header(view, [&](tcp_hdr& tcp) { tcp.seq = be32::from_host(record.replies.given(tcp.seq.host())); });
  }
  return reading;
}

template FtpReading ftp_read_request(const FtpScene<Addr4>&, const Flow<Addr4>&, const PacketView&);
template FtpReading ftp_read_request(const FtpScene<Addr6>&, const Flow<Addr6>&, const PacketView&);
template FtpReading ftp_rewrite_reply(const FtpScene<Addr4>&, const Flow<Addr4>&, Packet&, PacketView&);
template FtpReading ftp_rewrite_reply(const FtpScene<Addr6>&, const Flow<Addr6>&, Packet&, PacketView&);

}  // namespace vsnat::nat
