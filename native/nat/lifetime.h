// SPDX-License-Identifier: Apache-2.0
//
// The life of a flow between its first packet and its last: what a packet does to its state, its timeout and its server's
// load, and what is left to be undone when it ends. All of it under the guard of the flow's shard.
#pragma once

#include "nat/context.h"
#include "nat/measure.h"
#include "nat/persist.h"
#include "nat/sctp.h"
#include "nat/shortcut.h"
#include "nat/track.h"

namespace vsnat::nat {

/** A flow ends that was its template's child, its helper's connection and its server's load. */
template <class Addr>
void forget(Core& core, const service::Snapshot& snapshot, const flow::Flow<Addr>& flow, Tick now,
            flow::Ended ended = flow::Ended::in_time) {
  drop_shortcut(core, flow);
  leave_template<Addr>(core, flow.parent, now, ended);
  if (core.ftp != nullptr) core.ftp->release(flow.helper);
  const service::Server* server = snapshot.server_at(flow.server_slot);
  core.loads[flow.server_slot].unbound(flow::is_active(flow.state), server ? server->upper_threshold : 0,
                                       server ? server->lower_threshold : 0);
}

template <class Addr>
void remove(Core& core, const service::Snapshot& snapshot, flow::Flow<Addr>* flow, Tick now) {
  forget(core, snapshot, *flow, now);
  core.tables.of<Addr>().erase(flow);
}

/** The same, because its time is over: a client that was never answered shows only now. */
template <class Addr>
void time_out(Core& core, const service::Snapshot& snapshot, const flow::Flow<Addr>& flow, Tick now) {
  measure_silence(flow, core.tally.signals(flow.server_slot));
  forget(core, snapshot, flow, now);
}

/** Is this a control connection of living data connections? */
template <class Addr>
bool is_needed(Core& core, const flow::Flow<Addr>& flow) {
  return core.ftp != nullptr && FtpState::is_control(flow.helper) && core.ftp->has_children(flow.helper);
}

/**
 * Ticks that a flow whose time is over stays nevertheless: the control connection of living data connections is asked
 * again a minute later, as IPVS does (ip_vs_conn_expire_later).
 */
template <class Addr>
uint32_t longer(Core& core, const flow::Flow<Addr>& flow) {
  return is_needed(core, flow) ? ticks_from_seconds(60) : 0;
}

/** A flow whose time is over: null, unless it is needed still. */
template <class Addr>
[[gnu::noinline]] flow::Flow<Addr>* overdue(Context& c, flow::Flow<Addr>* flow) {
  if (longer(c.core, *flow) != 0) return flow;
  time_out(c.core, c.snapshot, *flow, c.now.tick());
  c.core.tables.of<Addr>().erase(flow);
  return nullptr;
}

/** `flow`, unless its time is over and only the sweep has not come by yet. */
template <class Addr>
flow::Flow<Addr>* live(Context& c, flow::Flow<Addr>* flow) {
  if (flow == nullptr || flow->expires_at.after(c.now.tick())) [[likely]]
    return flow;
  return overdue(c, flow);
}

/** Every packet of a flow ends with this: it lives on for as long as its state lets it. */
template <class Addr>
[[gnu::always_inline]] inline void live_on(Context& c, flow::Flow<Addr>& flow) {
  if (flow.queue != c.core.queue) c.core.tally.foreign_flows.add(1);
  const uint32_t ticks = c.snapshot.timeout_ticks(flow.service_slot, flow.state);
  c.core.tables.of<Addr>().touch(&flow, c.now.tick().plus(ticks));
}

/** State and load after one packet of `flow`, and what it told about the server. Not for one that track_next() took. */
template <class Addr>
void advance_by_table(Context& c, flow::Flow<Addr>& flow, flow::Direction direction) {
  using flow::State;
  bool assured = direction == flow::Direction::reply && (flow.flags & flow::Flow<Addr>::kReplied) == 0;
  ServerSignals& signals = c.core.tally.signals(flow.server_slot);
  if (c.view().is_tcp()) {
    const State before = flow.state;
    const bool repeated = is_retransmission(flow, direction, c.view());
    const auto table = c.core.defence ? c.core.defence->tcp_table() : flow::TcpTable::usual;
    if (!track_tcp(flow, direction, c.view(), table)) {
      c.core.tally.suspect_resets.add(1);
      return;
    }
    if (flow::is_active(before) != flow::is_active(flow.state)) {
      c.core.loads[flow.server_slot].moved(flow::is_active(flow.state));
    }
    measure_tcp(flow, direction, c.view(), before, repeated, signals, c.now.stamp());
    assured = flow.state == State::established && before != State::established;
  } else if (c.view().is_udp()) {
    measure_udp(flow, direction, signals, c.now.stamp());
  }
  if (c.view().is_sctp()) {
    const State before = flow.state;
    const flow::SctpEvent event = track_sctp(flow, direction, c.view());
    measure_sctp(flow, direction, event, before, signals, c.now.stamp());
    if (flow::is_active(before) != flow::is_active(flow.state)) {
      c.core.loads[flow.server_slot].moved(flow::is_active(flow.state));
    }
    assured = flow.state == State::sctp_established && before != State::sctp_established;
  }
  if (assured && flow.parent != flow::kNoFlow) c.core.tables.templates_of<Addr>().assure(flow.parent);
  if (direction == flow::Direction::reply) flow.flags |= flow::Flow<Addr>::kReplied;
  live_on(c, flow);
}

/** State, timeout and load after one packet of `flow`, and what it told about the server. */
template <class Addr>
[[gnu::always_inline]] inline void advance(Context& c, flow::Flow<Addr>& flow, flow::Direction direction) {
  if (c.view().is_tcp() && track_next(flow, direction, c.view())) [[likely]]
    return live_on(c, flow);
  advance_by_table(c, flow, direction);
}

}  // namespace vsnat::nat
