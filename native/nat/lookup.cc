// SPDX-License-Identifier: Apache-2.0
#include "nat/lookup.h"

#include "nat/call_out.h"
#include "nat/end.h"
#include "nat/ftp_data.h"
#include "nat/one_packet.h"
#include "nat/schedule.h"
#include "nat/translate.h"

namespace vsnat::nat {

using namespace wire;
using flow::Direction;
using service::Server;
using service::Service;

namespace {

/**
 * Was this server taken out of service, and may its flow go to another? TCP's may with a SYN alone, whose sender knows of no
 * connection or has had no answer. What is established goes on: the server may be alive and its check wrong.
 */
template <class Addr>
bool is_forsaken(Context& c, const flow::Flow<Addr>& flow, bool begins) {
  if (!begins && !c.view().is_udp()) return false;
  return c.snapshot.is_withdrawn(flow.server_slot);
}

/** conn_reuse_mode and expire_nodest_conn: does this SYN begin a new connection in the place of `flow`? */
template <class Addr>
bool is_replaced(Context& c, const flow::Flow<Addr>& flow) {
  const service::Policy& policy = c.snapshot.policy;
  if (policy.expire_nodest) {
    const Server* server = c.snapshot.server_at(flow.server_slot);
    if (server != nullptr && server->weight == 0) return true;
  }
  // Not one that has a parent, which would send it to the same server again: the kernel keeps it.
  return policy.reuse_closed && flow.parent == flow::kNoFlow && flow::is_closed(flow.state);
}

template <class Addr>
bool is_silenced(const flow::Flow<Addr>& flow) {
  return (flow.flags & flow::Flow<Addr>::kSilenced) != 0;
}

/** A packet of a connection that was ended without a word. For as long as they come, it stays ended. */
template <class Addr>
Outcome keep_silent(Context& c, flow::Flow<Addr>& flow) {
  c.core.tables.of<Addr>().touch(&flow, c.now.tick().plus(ticks_from_seconds(kSilentSeconds)));
  return dropped(DropReason::silenced);
}

/** A connection that keeps its place although its client begins another: what was learnt of the old one goes. */
template <class Addr>
void begin_anew(flow::Flow<Addr>& flow) {
  flow.flags = 0;
  flow.timing = flow::Timing::off;
  for (const int direction : {0, 1}) flow.seq_end[direction] = flow.acked[direction] = 0;
}

/** A packet of no connection that is for no VIP: none of ours, unless nat_icmp_send has a real server told so. */
template <class Addr>
Outcome stray_reply(Context& c) {
  const PacketView& view = c.view();
  const Service* service =
      c.snapshot.find_service_of_server(view.protocol, saddr<Addr>(view), source_port(view));
  const bool is_the_end = view.is_tcp() ? view.tcp().flags & tcp_hdr::kRst
                                        : view.is_sctp() && view.sctp_chunk().type == sctp_chunk_hdr::kAbort;
  if (service == nullptr || is_the_end) return c.pass();
  return c.answer(DropReason::stray_reply, Generated::port_unreachable, [service](const PacketView& p) {
    return make_port_unreachable_from<Addr>(p, service->vip.get<Addr>());
  });
}

/** From a real server to a client without a flow: not ours, unless it is a call or may be from a one-packet service. */
template <class Addr>
Outcome reply_without_flow(Context& c) {
  const PacketView& view = c.view();
  if (const auto called = call_out<Addr>(c)) return *called;
  const auto* found = one_packet_reply<Addr>(c, view.protocol, saddr<Addr>(view), source_port(view));
  if (found == nullptr) return stray_reply<Addr>(c);
  c.core.tally.count(found->server_slot, Direction::reply, view.length);
  c.fragment_server = found->server_slot;
  rewrite_reply(view, one_packet_flow<Addr>(*found, saddr<Addr>(view), source_port(view)));
  return c.forward();
}

}  // namespace

template <class Addr>
bool continues(Context& c) {
  const PacketView& view = c.view();
  if (!view.is_tcp() || view.fragment || (view.tcp().flags & tcp_hdr::kSyn) != 0) return false;
  auto& table = c.core.tables.of<Addr>();
  const uint64_t hash = c.pending.hash;
  typename flow::Table<Addr>::Guard guard(table, hash);
  const auto* flow = c.pending.to_vip
                         ? table.find_request(hash, view.protocol, saddr<Addr>(view), source_port(view),
                                              daddr<Addr>(view), destination_port(view))
                         : table.find_reply(hash, view.protocol, daddr<Addr>(view), destination_port(view),
                                            saddr<Addr>(view), source_port(view));
  return flow != nullptr && (flow->flags & flow::Flow<Addr>::kConfirmed) != 0;
}

template <class Addr>
Outcome request(Context& c) {
  const PacketView& view = c.view();
  auto& table = c.core.tables.of<Addr>();
  typename flow::Table<Addr>::Guard guard(table, c.pending.hash);
  auto* flow = live(c, table.find_request(c.pending.hash, view.protocol, saddr<Addr>(view), source_port(view),
                                          daddr<Addr>(view), destination_port(view), c.pending.likely_flow));
  if (flow == nullptr) return schedule<Addr>(c);
  take_back(c.core, *flow);
  const bool begins = opens(view);
  if (is_silenced(*flow)) return begins ? schedule<Addr>(c, flow) : keep_silent(c, *flow);
  if (begins && is_replaced(c, *flow)) return schedule<Addr>(c, flow);  // the client port is used again
  if (is_forsaken(c, *flow, begins)) return schedule<Addr>(c, flow);
  if (begins && flow::is_closed(flow->state)) {
    drop_shortcut(c.core, *flow);
    begin_anew(*flow);
    if (FtpState* const ftp = helper_of(c, *flow)) {
      ftp->release(flow->helper);
      flow->helper = ftp->open();
    }
  }
  if (c.snapshot.server_gone(flow->server_slot, flow->service_slot)) {
    if (c.snapshot.removed_server == service::RemovedServer::silent) return dropped(DropReason::server_gone);
    remove(c.core, c.snapshot, flow, c.now.tick());
    if (view.is_udp() || opens(view, c.snapshot.policy)) return schedule<Addr>(c);
    if (view.is_sctp()) return c.answer_sctp_abort(DropReason::server_gone);
    if (view.tcp().flags & tcp_hdr::kRst) return dropped(DropReason::server_gone);
    return c.answer_reset(DropReason::server_gone);
  }
  return forward_request(c, *flow);
}

template <class Addr>
Outcome reply(Context& c) {
  const PacketView& view = c.view();
  auto& table = c.core.tables.of<Addr>();
  typename flow::Table<Addr>::Guard guard(table, c.pending.hash);
  auto* flow =
      live(c, table.find_reply(c.pending.hash, view.protocol, daddr<Addr>(view), destination_port(view),
                               saddr<Addr>(view), source_port(view), c.pending.likely_flow));
  if (flow == nullptr || flow::is_closed(flow->state)) {
    DropReason reason = kNoDrop;
    if (auto* data = announced_by_ftp<Addr>(c, Direction::reply, reason)) flow = data;
    if (reason != kNoDrop) return dropped(reason);
  }
  if (flow == nullptr) return reply_without_flow<Addr>(c);
  take_back(c.core, *flow);
  if (is_silenced(*flow)) return keep_silent(c, *flow);
  return forward_reply(c, *flow);
}

template bool continues<Addr4>(Context&);
template bool continues<Addr6>(Context&);
template Outcome request<Addr4>(Context&);
template Outcome request<Addr6>(Context&);
template Outcome reply<Addr4>(Context&);
template Outcome reply<Addr6>(Context&);

}  // namespace vsnat::nat
