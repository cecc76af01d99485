// SPDX-License-Identifier: Apache-2.0
//
// What the director does with SCTP that it does not do with TCP or UDP. Associations are tracked by their addresses
// and ports like any flow; a second address of a multihomed peer is a stranger here, as it is to IPVS.
//
// No reset is doubted as TCP's are (track.h): an ABORT is believed, as the kernel does.
#pragma once

#include "flow/sctp_state.h"
#include "flow/table.h"
#include "wire/crc32c.h"
#include "wire/packet.h"

namespace vsnat::nat {

/** What the packet says: its first chunk, unless an ABORT is bundled behind a cookie. */
inline flow::SctpEvent event_of(const wire::PacketView& packet) {
  using wire::sctp_chunk_hdr;
  const sctp_chunk_hdr& first = packet.sctp_chunk();
  if (first.type != sctp_chunk_hdr::kCookieEcho && first.type != sctp_chunk_hdr::kCookieAck)
    return flow::sctp_event(first.type);
  const uint32_t length = first.length.host();
  const uint32_t second = uint32_t(sizeof(wire::sctp_hdr)) + ((length + 3) & ~3u);
  if (length < sizeof(sctp_chunk_hdr) || second + sizeof(sctp_chunk_hdr) > packet.l4_length())
    return flow::sctp_event(first.type);
  const auto& chunk = *reinterpret_cast<const sctp_chunk_hdr*>(packet.l4() + second);
  return flow::sctp_event(chunk.type == sctp_chunk_hdr::kAbort ? chunk.type : first.type);
}

/** The beginning of an association; with `sloppy` anything but its abrupt end may be one (sloppy_sctp). */
inline bool sctp_begins(const wire::PacketView& packet, bool sloppy) {
  const uint8_t type = packet.sctp_chunk().type;
  return type == wire::sctp_chunk_hdr::kInit || (sloppy && type != wire::sctp_chunk_hdr::kAbort);
}

/**
 * Move the state, and say by what. The server's COOKIE ACK proves that the client exists: it echoed what only it was
 * sent.
 */
template <class Addr>
flow::SctpEvent track_sctp(flow::Flow<Addr>& flow, flow::Direction direction,
                           const wire::PacketView& packet) {
  const flow::SctpEvent event = event_of(packet);
  flow.state = flow::next_sctp_state(flow.state, direction, event);
  if (direction == flow::Direction::reply && event == flow::SctpEvent::cookie_ack)
    flow.flags |= flow::Flow<Addr>::kConfirmed;
  return event;
}

/**
 * Give one of the packet's two port fields another value. Addresses are not in this checksum, ports are. In a first piece
 * the checksum is the datagram's, whose length, and no more of it, must be known.
 */
inline void rewrite_sctp_port(const wire::PacketView& packet, wire::be16& port, wire::be16 value) {
  if (port == value) return;
  const auto end = size_t(reinterpret_cast<uint8_t*>(&port) - packet.l4()) + sizeof(port);
  const uint32_t change = wire::crc32c_change(port.host(), value.host(), packet.whole_l4_length() - end);
  wire::le32& check = packet.sctp().check;
  check = wire::le32::from_host(check.host() ^ change);
  port = value;
}

/** The checksum of the packet as it is, whatever its field says. */
inline uint32_t sctp_checksum(const wire::PacketView& packet) {
  constexpr uint8_t kZeros[sizeof(wire::le32)] = {};
  constexpr size_t at = offsetof(wire::sctp_hdr, check), behind = at + sizeof(kZeros);
  const uint32_t head = wire::crc32c(kZeros, sizeof(kZeros), wire::crc32c(packet.l4(), at));
  return wire::crc32c(packet.l4() + behind, packet.l4_length() - behind, head);
}

/**
 * Finish a checksum that was left to a device. virtio's header can say "complete the Internet checksum there", and what
 * comes back from a TUN is taken at that word; so an SCTP packet must not leave unfinished.
 */
inline void finish_sctp_checksum(wire::PacketView& packet, wire::vnet_hdr& vnet) {
  if (packet.csum != wire::CsumState::partial) return;
  packet.sctp().check = wire::le32::from_host(sctp_checksum(packet));
  packet.csum = wire::CsumState::full;
  vnet = wire::vnet_hdr{};
}

}  // namespace vsnat::nat
