// SPDX-License-Identifier: Apache-2.0
//
// What a TCP segment does to its flow: the IPVS state, and the little sequence knowledge that tells a plausible RST
// from a blind one.
//
// IPVS believes every RST, so anybody who guesses a four-tuple can have a flow forgotten (and, the reply port then
// being free, taken over). A host accepts a RST only at the exact next sequence number (RFC 5961 section 3.2). Per
// direction we keep the end of the sequence space seen and the highest acknowledgment sent; a RST is plausible when
// it lies between what the other side has acknowledged and what this side has sent, which for a quiet connection is
// one number of 2^32. Others are forwarded (the receiver judges for itself) and change nothing here. No segment is
// ever dropped for its sequence number.
//
// Knowledge that a stranger could widen would be worth nothing, so only a segment that is in line teaches: it begins
// where its side's data ends or overlaps what is not yet acknowledged, which a blind sender hits once in 2^32. After
// a loss on the way here the hole's retransmission is in line again, and the peer's acknowledgment of what came after
// the hole brings the rest (up to kFarthestGap). When both sides' knowledge is lost at once, RSTs are doubted until
// the flow times out, and nothing else.
//
// A handshake is confirmed when the client acknowledges, in line, something the server sent. Until then every RST is
// believed, and the flow is among the first to be given up when the table is full, whatever its state says: two
// forged packets must not hold a slot for the 900 s of an established connection.
#pragma once

#include "flow/table.h"
#include "wire/packet.h"

namespace vsnat::nat {

/** How much of a direction may have been lost, or come again, before it is somebody else's. */
inline constexpr uint32_t kFarthestGap = 1 << 20;
/** What may be sent before the peer's first window that can be scaled. */
inline constexpr uint32_t kWidestFirstWindow = 65535;

namespace detail {
/** a <= b in the circle of sequence numbers (RFC 9293 section 3.4). */
constexpr bool seq_le(uint32_t a, uint32_t b) {
  return int32_t(b - a) >= 0;
}
}  // namespace detail

template <class Addr>
constexpr uint8_t seen_flag(flow::Direction direction) {
  return direction == flow::Direction::request ? flow::Flow<Addr>::kRequestSeen
                                               : flow::Flow<Addr>::kReplySeen;
}
template <class Addr>
constexpr uint8_t acked_flag(flow::Direction direction) {
  return direction == flow::Direction::request ? flow::Flow<Addr>::kRequestAcked
                                               : flow::Flow<Addr>::kReplyAcked;
}
constexpr flow::Direction opposite(flow::Direction direction) {
  return direction == flow::Direction::request ? flow::Direction::reply : flow::Direction::request;
}

template <class Addr>
bool plausible_reset(const flow::Flow<Addr>& flow, flow::Direction direction, const wire::tcp_hdr& tcp) {
  using FlowT = flow::Flow<Addr>;
  const auto mine = size_t(direction), other = size_t(opposite(direction));
  const bool other_seen = (flow.flags & seen_flag<Addr>(opposite(direction))) != 0;
  // A refusal: RST|ACK of the SYN, from a side that has sent nothing yet (RFC 9293 section 3.10.7.1).
  if ((flow.flags & seen_flag<Addr>(direction)) == 0) {
    return !other_seen || ((tcp.flags & wire::tcp_hdr::kAck) && tcp.ack_seq.host() == flow.seq_end[other]);
  }
  if ((flow.flags & FlowT::kConfirmed) == 0) return true;
  const bool acked = (flow.flags & acked_flag<Addr>(opposite(direction))) != 0;
  const uint32_t lowest = acked ? flow.acked[other] : flow.seq_end[mine];
  const uint32_t seq = tcp.seq.host();
  return detail::seq_le(lowest, seq) && detail::seq_le(seq, flow.seq_end[mine]);
}

/** Remember what a segment tells, if it is in line. */
template <class Addr>
[[gnu::always_inline]] inline void learn_sequence(flow::Flow<Addr>& flow, flow::Direction direction,
                                                  const wire::PacketView& packet) {
  using FlowT = flow::Flow<Addr>;
  const wire::tcp_hdr& tcp = packet.tcp();
  const auto mine = size_t(direction), other = size_t(opposite(direction));
  const bool seen = (flow.flags & seen_flag<Addr>(direction)) != 0;
  const bool other_seen = (flow.flags & seen_flag<Addr>(opposite(direction))) != 0;
  const bool syn = (tcp.flags & wire::tcp_hdr::kSyn) != 0;
  const uint32_t seq = tcp.seq.host();
  const uint32_t end =
      seq + packet.tcp_payload() + uint32_t(syn) + uint32_t((tcp.flags & wire::tcp_hdr::kFin) != 0);

  if (!seen || (syn && (flow.flags & FlowT::kConfirmed) == 0)) {
    flow.seq_end[mine] = end;
    flow.flags |= seen_flag<Addr>(direction);
  } else {
    // A keep-alive begins one before the acknowledged (RFC 9293 section 3.8.4).
    const bool acked = (flow.flags & acked_flag<Addr>(opposite(direction))) != 0;
    const uint32_t lowest = (acked ? flow.acked[other] : flow.seq_end[mine]) - 1;
    if (!detail::seq_le(lowest, seq) || !detail::seq_le(seq, flow.seq_end[mine])) return;
    if (detail::seq_le(flow.seq_end[mine], end)) flow.seq_end[mine] = end;
  }
  if ((tcp.flags & wire::tcp_hdr::kAck) == 0 || !other_seen) return;

  const uint32_t ack = tcp.ack_seq.host();
  const uint8_t mine_acked = acked_flag<Addr>(direction);
  if ((flow.flags & mine_acked) && !detail::seq_le(flow.acked[mine], ack)) return;
  if (!detail::seq_le(ack, flow.seq_end[other])) {
    if ((flow.flags & FlowT::kConfirmed) == 0 || ack - flow.seq_end[other] > kFarthestGap) return;
    flow.seq_end[other] = ack;  // the peer has data that was lost before it came by here
  }
  flow.acked[mine] = ack;
  flow.flags |= mine_acked;
  if (direction == flow::Direction::request && ack == flow.seq_end[other]) flow.flags |= FlowT::kConfirmed;
}

/** Of a flow of which both directions were measured. */
template <class Addr>
inline constexpr uint8_t kAllKnown =
    flow::Flow<Addr>::kReplied | flow::Flow<Addr>::kRequestSeen | flow::Flow<Addr>::kReplySeen |
    flow::Flow<Addr>::kRequestAcked | flow::Flow<Addr>::kReplyAcked | flow::Flow<Addr>::kConfirmed;

/**
 * Nearly every segment: the next one of an established, measured connection, acknowledging what was sent and no less than
 * before. What track_tcp() does with it is done here. False for all others, of which nothing has changed.
 */
template <class Addr>
[[gnu::always_inline]] inline bool track_next(flow::Flow<Addr>& flow, flow::Direction direction,
                                              const wire::PacketView& packet) {
  using wire::tcp_hdr;
  constexpr uint8_t kDecides = tcp_hdr::kFin | tcp_hdr::kSyn | tcp_hdr::kRst | tcp_hdr::kAck;
  const tcp_hdr& tcp = packet.tcp();
  const auto mine = size_t(direction), other = size_t(opposite(direction));
  const uint32_t seq = tcp.seq.host(), ack = tcp.ack_seq.host();
  const bool is_next = flow.state == flow::State::established && (tcp.flags & kDecides) == tcp_hdr::kAck &&
                       (flow.flags & kAllKnown<Addr>) == kAllKnown<Addr> &&
                       flow.timing == flow::Timing::off && seq == flow.seq_end[mine] &&
                       detail::seq_le(flow.acked[other], seq) && detail::seq_le(flow.acked[mine], ack) &&
                       detail::seq_le(ack, flow.seq_end[other]);
  if (!is_next) return false;
  flow.seq_end[mine] = seq + packet.tcp_payload();
  flow.acked[mine] = ack;
  return true;
}

/** Move the state; false for a RST that is not believed, which leaves the flow as it was. */
template <class Addr>
[[gnu::always_inline]] inline bool track_tcp(flow::Flow<Addr>& flow, flow::Direction direction,
                                             const wire::PacketView& packet,
                                             flow::TcpTable table = flow::TcpTable::usual) {
  const wire::tcp_hdr& tcp = packet.tcp();
  const uint8_t flags = tcp.flags;
  if ((flags & wire::tcp_hdr::kRst) && !plausible_reset(flow, direction, tcp)) return false;
  if (!(flags & wire::tcp_hdr::kRst)) learn_sequence(flow, direction, packet);
  flow.state = flow::next_tcp_state(flow.state, direction, flags, table);
  return true;
}

}  // namespace vsnat::nat
