// SPDX-License-Identifier: Apache-2.0
//
// What a packet of a flow tells about its server, beside what it does to the flow. Nothing here changes what becomes of
// a packet, and nothing reads a clock: `now` is the burst's.
//
//   opening ── SYN ──▶ handshake ── SYN-ACK ──▶ between ── payload ──▶ request ── payload of the server ──▶ off
//                          │ SYN again              │ the server            │ payload again
//                          ▼                        │ speaks first          ▼
//                    handshake_again ── SYN-ACK ─▶  ▼                 request_again ── payload ──▶ off
//                     RST, or nothing ──▶ off      off
//
// An answer to something that was sent twice may be to either copy (Karn and Partridge, SIGCOMM 1987), so it is counted
// and not timed. A flow is timed once, from its first packet; one taken up in the middle, or whose port is used again
// while it keeps its place, is not, so that a server's handshakes are never more than its connections.
//
// UDP has no handshake: the first datagram is its request, any datagram back the reply. Of SCTP, INIT and INIT ACK are
// timed and nothing else.
#pragma once

#include "nat/sctp.h"
#include "nat/signals.h"
#include "nat/track.h"

namespace vsnat::nat {

/** A flow that is to be timed begins with its first packet, which has not been looked at yet. */
template <class Addr>
void expect_to_measure(flow::Flow<Addr>& flow, const wire::PacketView& packet) {
  const bool is_midstream = packet.is_tcp() && (packet.tcp().flags & wire::tcp_hdr::kSyn) == 0;
  if (!is_midstream) flow.timing = flow::Timing::opening;
}

template <class Addr>
void start_timing(flow::Flow<Addr>& flow, flow::Timing timing, Stamp now) {
  flow.timing = timing;
  flow.timed_since = now;
}

/** The server has answered the client's SYN or INIT. */
template <class Addr>
void measure_answer(flow::Flow<Addr>& flow, ServerSignals& signals, Stamp now) {
  if (flow.timing == flow::Timing::handshake) signals.handshake.add(now.since(flow.timed_since));
  if (flow.timing == flow::Timing::handshake_again) signals.handshakes_ambiguous.add(1);
  flow.timing = flow::Timing::between;
}

/** The server has answered the client's request. */
template <class Addr>
void measure_reply(flow::Flow<Addr>& flow, ServerSignals& signals, Stamp now) {
  if (flow.timing == flow::Timing::request) signals.first_byte.add(now.since(flow.timed_since));
  if (flow.timing == flow::Timing::request_again) signals.first_bytes_ambiguous.add(1);
  flow.timing = flow::Timing::off;
}

/** Is the client still waiting for the server's first word? */
template <class Addr>
bool is_unanswered(const flow::Flow<Addr>& flow) {
  return flow.timing == flow::Timing::handshake || flow.timing == flow::Timing::handshake_again;
}

/** The beginning of an association or connection came (again). */
template <class Addr>
void measure_begin(flow::Flow<Addr>& flow, ServerSignals& signals, Stamp now) {
  if (flow.timing == flow::Timing::opening) return start_timing(flow, flow::Timing::handshake, now);
  if (!is_unanswered(flow)) return;
  signals.syn_repeated.add(1);
  flow.timing = flow::Timing::handshake_again;
}

/** The server wants no more of this flow, which was in state `before`. */
template <class Addr>
void measure_reset(flow::Flow<Addr>& flow, ServerSignals& signals, flow::State before) {
  if (is_unanswered(flow)) {
    signals.handshakes_refused.add(1);
  } else if (!flow::is_closed(before)) {
    signals.resets.add(1);
  }
  flow.timing = flow::Timing::off;
}

/**
 * Has all of this segment been seen before: its payload, or of one without payload its SYN or FIN? To be asked before
 * learn_sequence(). One that begins far from what is known may be a stranger's, and a side that still repeats its SYN
 * has sent no more than the other's first window, which is never scaled (RFC 7323 section 2.2). One byte before the next
 * number, when all is acknowledged, asks whether the peer is alive (RFC 9293 section 3.8.4).
 */
template <class Addr>
[[gnu::always_inline]] inline bool is_retransmission(const flow::Flow<Addr>& flow, flow::Direction direction,
                                                     const wire::PacketView& packet) {
  using wire::tcp_hdr;
  const tcp_hdr& tcp = packet.tcp();
  const bool syn = (tcp.flags & tcp_hdr::kSyn) != 0, fin = (tcp.flags & tcp_hdr::kFin) != 0;
  const uint32_t payload = packet.tcp_payload();
  const uint32_t length = payload + uint32_t(syn || (fin && payload == 0));
  if (length == 0 || (flow.flags & seen_flag<Addr>(direction)) == 0 || packet.fragment) return false;
  if (tcp.flags & tcp_hdr::kRst) return false;
  const uint32_t known = flow.seq_end[size_t(direction)], seq = tcp.seq.host();
  const uint32_t farthest = syn ? kWidestFirstWindow + 1 : kFarthestGap;
  if (!detail::seq_le(seq + length, known) || known - seq > farthest) return false;
  const bool acked = (flow.flags & acked_flag<Addr>(opposite(direction))) != 0;
  const bool asks_for_life = payload == 1 && acked && flow.acked[size_t(opposite(direction))] == seq + 1;
  return !asks_for_life;
}

/** A segment came again. A SYN without an answer is not counted here: measure_begin() does. */
template <class Addr>
void measure_repeated(flow::Flow<Addr>& flow, flow::Direction direction, const wire::PacketView& packet,
                      ServerSignals& signals) {
  const bool is_request = direction == flow::Direction::request;
  const bool is_syn = (packet.tcp().flags & wire::tcp_hdr::kSyn) != 0;
  if (is_request && is_syn && is_unanswered(flow)) return;
  signals.retransmissions[size_t(direction)].add(1);
  const bool is_asked_again = is_request && !is_syn && packet.tcp_payload() != 0;
  if (is_asked_again && flow.timing == flow::Timing::request) flow.timing = flow::Timing::request_again;
}

/** A TCP segment whose RST, if it has one, was believed. */
template <class Addr>
void measure_tcp(flow::Flow<Addr>& flow, flow::Direction direction, const wire::PacketView& packet,
                 flow::State before, bool repeated, ServerSignals& signals, Stamp now) {
  using flow::Timing;
  const uint8_t flags = packet.tcp().flags;
  const bool is_reply = direction == flow::Direction::reply;
  if (repeated) [[unlikely]]
    measure_repeated(flow, direction, packet, signals);
  if (flags & wire::tcp_hdr::kRst) {
    if (is_reply) return measure_reset(flow, signals, before);
    flow.timing = Timing::off;
    return;
  }
  if (flow.timing == Timing::off) [[likely]]
    return;
  if (flags & wire::tcp_hdr::kSyn) {
    if (!is_reply) return measure_begin(flow, signals, now);
    if (is_unanswered(flow)) measure_answer(flow, signals, now);
    return;
  }
  if (flow.timing < Timing::between || packet.tcp_payload() == 0) return;
  if (is_reply) return measure_reply(flow, signals, now);
  if (flow.timing == Timing::between) start_timing(flow, Timing::request, now);
}

template <class Addr>
void measure_udp(flow::Flow<Addr>& flow, flow::Direction direction, ServerSignals& signals, Stamp now) {
  using flow::Timing;
  if (flow.timing == Timing::off) [[likely]]
    return;
  if (direction == flow::Direction::reply) return measure_reply(flow, signals, now);
  if (flow.timing == Timing::opening) return start_timing(flow, Timing::request, now);
  flow.timing = Timing::request_again;
}

template <class Addr>
void measure_sctp(flow::Flow<Addr>& flow, flow::Direction direction, flow::SctpEvent event,
                  flow::State before, ServerSignals& signals, Stamp now) {
  using flow::SctpEvent;
  const bool is_reply = direction == flow::Direction::reply;
  if (event == SctpEvent::init && !is_reply) measure_begin(flow, signals, now);
  if (event == SctpEvent::init_ack && is_reply && is_unanswered(flow)) {
    measure_answer(flow, signals, now);
    flow.timing = flow::Timing::off;
  }
  if (event != SctpEvent::abort) return;
  if (is_reply) return measure_reset(flow, signals, before);
  flow.timing = flow::Timing::off;
}

/** The flow's time is over. */
template <class Addr>
void measure_silence(const flow::Flow<Addr>& flow, ServerSignals& signals) {
  if (is_unanswered(flow)) signals.syn_unanswered.add(1);
}

}  // namespace vsnat::nat
