// SPDX-License-Identifier: Apache-2.0
//
// What a TCP segment does to its flow: the IPVS state, and the little sequence knowledge that tells a
// plausible RST from a blind one.
//
// IPVS believes every RST, so anybody who guesses a four-tuple can have a flow forgotten (and, the reply port
// then being free, taken over). A host accepts a RST only at the exact next sequence number (RFC 5961
// section 3.2). Per direction we keep the end of the sequence space seen and the highest acknowledgment sent;
// a RST is plausible when it lies between what the other side has acknowledged and what this side has sent,
// which for a quiet connection is one number of 2^32. Others are forwarded (the receiver judges for itself)
// and change nothing here. No segment is ever dropped for its sequence number.
#pragma once

#include "flow/table.h"
#include "wire/packet.h"

namespace vsnat::nat {

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
bool plausible_reset(const flow::Flow<Addr>& flow, flow::Direction direction, const wire::tcp_hdr& tcp) {
  const auto mine = size_t(direction), other = mine ^ 1;
  const bool mine_seen = (flow.flags & seen_flag<Addr>(direction)) != 0;
  const bool other_seen = (flow.flags & seen_flag<Addr>(flow::Direction(other))) != 0;
  // A refusal: RST|ACK of the SYN, from a side that has sent nothing yet (RFC 9293 section 3.10.7.1).
  if (!mine_seen)
    return !other_seen || ((tcp.flags & wire::tcp_hdr::kAck) && tcp.ack_seq.host() == flow.seq_end[other]);
  const uint32_t seq = tcp.seq.host();
  const uint32_t lowest = other_seen && flow.acked[other] != 0 ? flow.acked[other] : flow.seq_end[mine];
  return detail::seq_le(lowest, seq) && detail::seq_le(seq, flow.seq_end[mine]);
}

/**
 * Remember what this segment tells, if it can be true: a forged SYN, or data or an acknowledgment far from
 * anything seen, must not widen the range in which a RST is believed. (A gap wider than kFarthestGap lost on
 * the way here leaves the knowledge behind; then RSTs are doubted until the flow times out, and nothing
 * else.)
 */
template <class Addr>
void learn_sequence(flow::Flow<Addr>& flow, flow::Direction direction, const wire::PacketView& packet) {
  constexpr uint32_t kFarthestGap = 1 << 20;
  const wire::tcp_hdr& tcp = packet.tcp();
  const auto mine = size_t(direction), other = mine ^ 1;
  const bool mine_seen = (flow.flags & seen_flag<Addr>(direction)) != 0;
  const bool other_seen = (flow.flags & seen_flag<Addr>(flow::Direction(other))) != 0;
  const bool syn = (tcp.flags & wire::tcp_hdr::kSyn) != 0;
  if (!mine_seen || !syn || flow::is_half_open(flow.state)) {
    const uint32_t end = tcp.seq.host() + packet.tcp_payload() + uint32_t(syn) +
                         uint32_t((tcp.flags & wire::tcp_hdr::kFin) != 0);
    const bool follows = detail::seq_le(flow.seq_end[mine], end) && end - flow.seq_end[mine] <= kFarthestGap;
    if (!mine_seen || syn || follows) flow.seq_end[mine] = end;
  }
  if (tcp.flags & wire::tcp_hdr::kAck) {
    const uint32_t ack = tcp.ack_seq.host();
    const bool of_something_sent = !other_seen || detail::seq_le(ack, flow.seq_end[other]);
    if (of_something_sent && (flow.acked[mine] == 0 || detail::seq_le(flow.acked[mine], ack)))
      flow.acked[mine] = ack;
  }
  flow.flags |= seen_flag<Addr>(direction);
}

/** Move the state; false for a RST that is not believed, which leaves the flow as it was. */
template <class Addr>
bool track_tcp(flow::Flow<Addr>& flow, flow::Direction direction, const wire::PacketView& packet) {
  const wire::tcp_hdr& tcp = packet.tcp();
  const uint8_t flags = tcp.flags;
  if ((flags & wire::tcp_hdr::kRst) && !plausible_reset(flow, direction, tcp)) return false;
  if (!(flags & wire::tcp_hdr::kRst)) learn_sequence(flow, direction, packet);
  flow.state = flow::next_tcp_state(flow.state, direction, flags);
  return true;
}

}  // namespace vsnat::nat
