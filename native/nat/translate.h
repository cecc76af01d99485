// SPDX-License-Identifier: Apache-2.0
//
// The two translations: a packet whose flow is known is counted, tracked, read by its flow's helper if there is one,
// rewritten and sent on. Under the guard of the flow's shard.
#pragma once

#include "nat/ftp_helper.h"
#include "nat/lifetime.h"

namespace vsnat::nat {

/** The port of an SCTP piece cannot change before it is known how many bytes follow in the pieces behind it. */
template <class Addr>
bool is_untranslatable_piece(const wire::PacketView& view, const flow::Flow<Addr>& flow) {
  return view.fragment && view.is_sctp() && view.datagram_bytes == 0 &&
         !(flow.virtual_port == flow.real_port);
}

/** The helper of a control connection; null for every other flow. */
template <class Addr>
FtpState* helper_of(Context& c, const flow::Flow<Addr>& flow) {
  return FtpState::is_control(flow.helper) ? c.core.ftp : nullptr;
}

template <class Addr>
FtpScene<Addr> ftp_scene(Context& c, const flow::Flow<Addr>& flow) {
  const uint32_t ticks = c.snapshot.timeout_ticks(flow.service_slot, flow::State::listen);
  return {*c.core.ftp, c.core.tables.of<Addr>(), c.now.tick().plus(ticks), c.core.segments};
}

inline void count(Core& core, const FtpReading& reading) {
  if (reading.announced != 0) core.tally.ftp_announced.add(reading.announced);
  if (reading.ignored != 0) core.tally.ftp_ignored.add(reading.ignored);
}

template <class Addr>
[[gnu::always_inline]] inline Outcome forward_request(Context& c, flow::Flow<Addr>& flow) {
  if (is_untranslatable_piece(c.view(), flow)) return dropped(DropReason::fragment);
  FtpState* const ftp = helper_of(c, flow);
  if (ftp != nullptr && !ftp_checksum_ok(c.view())) return dropped(DropReason::ftp_csum);
  c.core.tally.count(flow.server_slot, flow::Direction::request, c.view().length);
  c.fragment_server = flow.server_slot;
  if (flow.in_packets != 0xff) ++flow.in_packets;
  if (ftp != nullptr) ftp_restore_numbers(ftp->record(flow.helper), c.view());
  advance(c, flow, flow::Direction::request);
  if (ftp != nullptr) count(c.core, ftp_read_request(ftp_scene(c, flow), flow, c.view()));
  rewrite_request(c.view(), flow);
  c.pending.is_of_steady = promises_more(flow, c.packet) && is_steady(flow);
  return c.forward();
}

template <class Addr>
[[gnu::always_inline]] inline Outcome forward_reply(Context& c, flow::Flow<Addr>& flow) {
  if (is_untranslatable_piece(c.view(), flow)) return dropped(DropReason::fragment);
  FtpState* const ftp = helper_of(c, flow);
  if (ftp != nullptr && !ftp_checksum_ok(c.view())) return dropped(DropReason::ftp_csum);
  c.core.tally.count(flow.server_slot, flow::Direction::reply, c.view().length);
  c.fragment_server = flow.server_slot;
  advance(c, flow, flow::Direction::reply);
  if (ftp != nullptr) {
    count(c.core, ftp_rewrite_reply(ftp_scene(c, flow), flow, c.packet, c.pending.view));
  }
  rewrite_reply(c.view(), flow);
  c.pending.is_of_steady = promises_more(flow, c.packet) && is_steady(flow);
  return c.forward();
}

}  // namespace vsnat::nat
