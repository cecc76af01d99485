// SPDX-License-Identifier: Apache-2.0
#include "nat/step.h"

#include <cstring>
#include <optional>

#include "nat/ftp_helper.h"
#include "nat/icmp_error.h"
#include "nat/one_packet.h"
#include "nat/persist.h"
#include "nat/rewrite.h"
#include "nat/sctp.h"
#include "nat/track.h"

namespace vsnat::nat {

using namespace wire;
using flow::Direction;
using flow::Ended;
using flow::State;
using service::Listener;
using service::Server;
using service::Service;
using service::Snapshot;

namespace {

Outcome dropped(DropReason reason) {
  return {Verdict::drop, reason, Generated::count};
}

be16 source_port(const PacketView& p) {
  return p.is_tcp() ? p.tcp().sport : p.udp().sport;
}
be16 destination_port(const PacketView& p) {
  return p.is_tcp() ? p.tcp().dport : p.udp().dport;
}

/** Everything one packet's handlers need, so that they read as sentences. */
struct Context {
  Core& core;
  const Snapshot& snapshot;
  Now now;
  Packet& packet;
  Pending& pending;

  uint32_t fragment_server = 0;  // the server a first fragment was translated for
  bool was_held = false;         // a later fragment that has waited once
  bool by_error = false;         // schedule_icmp: the view is of what a client would send, and stays here

  const PacketView& view() const { return pending.view; }

  Outcome forward() {
    packet.length = view().length;
    return {Verdict::forward, kNoDrop, Generated::count};
  }

  Outcome pass() {
    give_back_hop(view());
    packet.length = view().length;
    return {Verdict::pass, kNoDrop, Generated::count};
  }

  /** The budget is per client: a scan is one address with many ports, so the flow's hash would not do. */
  uint64_t client_hash() const {
    return view().family == 4 ? core.tables.v4.hash(0, view().v4().saddr, be16{})
                              : core.tables.v6.hash(0, view().v6().saddr, be16{});
  }

  /** The packet dies of `reason`, and an answer goes out if the budget has room. */
  template <class Make>
  Outcome answer(DropReason reason, Generated kind, Make&& make) {
    if (!core.budget.allow(now.ms, client_hash())) return dropped(DropReason::rate_limited);
    packet.length = make(view());
    packet.vnet = vnet_hdr{};
    return {Verdict::answer, reason, kind};
  }

  Outcome answer_reset(DropReason reason) {
    if (!transport_checksum_ok(view())) return dropped(DropReason::l4_csum);
    return answer(reason, Generated::tcp_reset, make_tcp_reset);
  }

  Outcome answer_sctp_abort(DropReason reason) {
    if (!core.budget.allow(now.ms, client_hash())) return dropped(DropReason::rate_limited);
    const uint32_t length = make_sctp_abort(view());
    if (length == 0) return dropped(reason);
    packet.length = length;
    packet.vnet = vnet_hdr{};
    return {Verdict::answer, reason, Generated::sctp_abort};
  }

  Outcome answer_proto_unreachable(DropReason reason) {
    return answer(reason, Generated::proto_unreachable, [](const PacketView& p) {
      give_back_hop(p);
      return p.family == 4 ? make_icmp_error(p, icmp4::kUnreachable, icmp4::kProtoUnreachable, 0)
                           : make_icmp_error(p, icmp6::kParameterProblem, icmp6::kUnrecognizedNextHeader,
                                             p.next_header_offset);
    });
  }

  Outcome answer_port_unreachable(DropReason reason) {
    if (!transport_checksum_ok(view())) return dropped(DropReason::l4_csum);
    return answer(reason, Generated::port_unreachable, [](const PacketView& p) {
      give_back_hop(p);  // the quote shows the packet as it arrived here
      return p.family == 4 ? make_icmp_error(p, icmp4::kUnreachable, icmp4::kPortUnreachable, 0)
                           : make_icmp_error(p, icmp6::kUnreachable, icmp6::kPortUnreachable, 0);
    });
  }
};

template <class Addr>
void forget(Core& core, const Snapshot& snapshot, const flow::Flow<Addr>& flow, Tick now,
            Ended ended = Ended::in_time) {
  leave_template<Addr>(core, flow.parent, now, ended);
  if (core.ftp != nullptr) core.ftp->release(flow.helper);
  const Server* server = snapshot.server_at(flow.server_slot);
  core.loads[flow.server_slot].unbound(flow::is_active(flow.state), server ? server->upper_threshold : 0,
                                       server ? server->lower_threshold : 0);
}

template <class Addr>
void remove(Core& core, const Snapshot& snapshot, flow::Flow<Addr>* flow, Tick now) {
  forget(core, snapshot, *flow, now);
  core.tables.of<Addr>().erase(flow);
}

/**
 * Ticks that a flow whose time is over stays nevertheless: the control connection of living data connections is asked
 * again a minute later, as IPVS does (ip_vs_conn_expire_later).
 */
template <class Addr>
uint32_t longer(Core& core, const flow::Flow<Addr>& flow) {
  const bool needed =
      core.ftp != nullptr && FtpState::is_control(flow.helper) && core.ftp->has_children(flow.helper);
  return needed ? ticks_from_seconds(60) : 0;
}

/** `flow`, unless its time is over and only the sweep has not come by yet. */
template <class Addr>
flow::Flow<Addr>* live(Context& c, flow::Flow<Addr>* flow) {
  if (flow == nullptr || flow->expires_at.after(c.now.tick()) || longer(c.core, *flow) != 0) return flow;
  remove(c.core, c.snapshot, flow, c.now.tick());
  return nullptr;
}

/** State, timeout and load after one packet of `flow`. */
template <class Addr>
void advance(Context& c, flow::Flow<Addr>& flow, Direction direction) {
  bool assured = direction == Direction::reply && (flow.flags & flow::Flow<Addr>::kReplied) == 0;
  if (c.view().is_tcp()) {
    const State before = flow.state;
    const auto table = c.core.defence ? c.core.defence->tcp_table() : flow::TcpTable::usual;
    if (!track_tcp(flow, direction, c.view(), table)) {
      c.core.tally.suspect_resets.add(1);
      return;
    }
    if (flow::is_active(before) != flow::is_active(flow.state)) {
      c.core.loads[flow.server_slot].moved(flow::is_active(flow.state));
    }
    assured = flow.state == State::established && before != State::established;
  }
  if (c.view().is_sctp()) {
    const State before = flow.state;
    track_sctp(flow, direction, c.view());
    if (flow::is_active(before) != flow::is_active(flow.state)) {
      c.core.loads[flow.server_slot].moved(flow::is_active(flow.state));
    }
    assured = flow.state == State::sctp_established && before != State::sctp_established;
  }
  if (assured && flow.parent != flow::kNoFlow) c.core.tables.templates_of<Addr>().assure(flow.parent);
  if (direction == Direction::reply) flow.flags |= flow::Flow<Addr>::kReplied;
  if (flow.queue != c.core.queue) c.core.tally.foreign_flows.add(1);
  const uint32_t ticks = c.snapshot.timeout_ticks(flow.service_slot, flow.state);
  c.core.tables.of<Addr>().touch(&flow, c.now.tick().plus(ticks));
}

/** Does this server's reply tuple belong to another live connection of the same client port? */
template <class Addr>
bool reply_tuple_taken(Context& c, const Listener& at, const Server& server) {
  auto& table = c.core.tables.of<Addr>();
  auto* other =
      table.find_reply(c.pending.hash, c.view().protocol, saddr<Addr>(c.view()), source_port(c.view()),
                       server.address.get<Addr>(), target_port(at, server, destination_port(c.view())));
  if (live(c, other) == nullptr) return false;
  if (!flow::is_closed(other->state)) return true;
  remove(c.core, c.snapshot, other, c.now.tick());
  return false;
}

/**
 * A real server that is itself the client cannot serve this connection: translated, source and destination would be
 * the same address, which every host drops. (IPVS sends it all the same.)
 */
template <class Addr>
bool is_the_client(Context& c, const Server& server) {
  return server.address.get<Addr>() == saddr<Addr>(c.view());
}

/** A piece of an SCTP packet cannot have its port changed: its checksum is over bytes that are not here. */
template <class Addr>
bool is_untranslatable_piece(const PacketView& view, const flow::Flow<Addr>& flow) {
  return view.fragment && view.is_sctp() && !(flow.virtual_port == flow.real_port);
}

/** The helper of a control connection; null for every other flow. */
template <class Addr>
FtpState* helper_of(Context& c, const flow::Flow<Addr>& flow) {
  return FtpState::is_control(flow.helper) ? c.core.ftp : nullptr;
}

template <class Addr>
FtpScene<Addr> ftp_scene(Context& c, const flow::Flow<Addr>& flow) {
  const uint32_t ticks = c.snapshot.timeout_ticks(flow.service_slot, State::listen);
  return {*c.core.ftp, c.core.tables.of<Addr>(), c.now.tick().plus(ticks), c.core.segments};
}

void count(Core& core, const FtpReading& reading) {
  if (reading.announced != 0) core.tally.ftp_announced.add(reading.announced);
  if (reading.ignored != 0) core.tally.ftp_ignored.add(reading.ignored);
}

template <class Addr>
Outcome forward_request(Context& c, flow::Flow<Addr>& flow) {
  if (is_untranslatable_piece(c.view(), flow)) return dropped(DropReason::fragment);
  FtpState* const ftp = helper_of(c, flow);
  if (ftp != nullptr && !ftp_checksum_ok(c.view())) return dropped(DropReason::ftp_csum);
  ServerTally& tally = c.core.tally.server(flow.server_slot);
  tally.in_packets.add(1);
  tally.in_bytes.add(c.view().length);
  c.fragment_server = flow.server_slot;
  if (flow.in_packets != 0xff) ++flow.in_packets;
  if (ftp != nullptr) ftp_restore_numbers(ftp->record(flow.helper), c.view());
  advance(c, flow, Direction::request);
  if (ftp != nullptr) count(c.core, ftp_read_request(ftp_scene(c, flow), flow, c.view()));
  rewrite_request(c.view(), flow);
  return c.forward();
}

/** Why a TCP segment to a service cannot begin a connection; kNoDrop when it does. Sloppily, all but RST do. */
DropReason refuses_to_begin(const tcp_hdr& tcp, bool sloppily = false) {
  const uint8_t flags = tcp.flags & (tcp_hdr::kSyn | tcp_hdr::kFin | tcp_hdr::kRst | tcp_hdr::kAck);
  if ((flags & tcp_hdr::kSyn) && (flags & (tcp_hdr::kFin | tcp_hdr::kRst))) return DropReason::tcp_flags;
  if (sloppily && !(flags & tcp_hdr::kRst)) return kNoDrop;
  return flags == tcp_hdr::kSyn ? kNoDrop : DropReason::no_flow;
}

/**
 * A flow for the data connection that an FTP control connection has announced, when the packet, which has no flow,
 * begins it; null otherwise, and then `reason` is set if it must be dropped. Data connections are not scheduled and so
 * not counted among the service's, but they weigh on their server.
 */
template <class Addr>
flow::Flow<Addr>* announced_by_ftp(Context& c, Direction direction, DropReason& reason) {
  using Opener = FtpExpectation::Opener;
  const PacketView& view = c.view();
  FtpState* const ftp = c.core.ftp;
  if (ftp == nullptr || !view.is_tcp() || !ftp->waiting() || refuses_to_begin(view.tcp()) != kNoDrop) {
    return nullptr;
  }
  const bool is_request = direction == Direction::request;
  const Opener opener = is_request ? Opener::client : Opener::server;
  const Addr& client = is_request ? saddr<Addr>(view) : daddr<Addr>(view);
  const Addr& other = is_request ? daddr<Addr>(view) : saddr<Addr>(view);
  const be16 client_port = is_request ? source_port(view) : destination_port(view);
  const uint16_t other_port = (is_request ? destination_port(view) : source_port(view)).host();
  auto& table = c.core.tables.of<Addr>();
  FtpExpectation found;
  const uint16_t helper = ftp->take(ftp_hash(table, opener, client, destination_port(view).host()),
                                    c.now.tick(), found, [&](const FtpExpectation& e) {
                                      const auto& end = is_request ? e.virt : e.real;
                                      return e.opener == opener && e.client.family == Addr::kFamily &&
                                             e.client.get<Addr>() == client && end.get<Addr>() == other &&
                                             (is_request ? e.virtual_port : e.real_port) == other_port &&
                                             (is_request || e.client_port == client_port.host());
                                    });
  if (helper == 0) return nullptr;
  const be16 virtual_port = be16::from_host(found.virtual_port), real_port = be16::from_host(found.real_port);
  const auto refuse = [&](DropReason why) -> flow::Flow<Addr>* {
    ftp->release(helper);
    reason = why;
    return nullptr;
  };
  // Neither tuple may be a living connection's; one that is over gives way.
  for (const bool by_request : {true, false}) {
    const Addr& virt = found.virt.get<Addr>();
    const Addr& real = found.real.get<Addr>();
    auto* taken = live(
        c, by_request ? table.find_request(c.pending.hash, kProtoTcp, client, client_port, virt, virtual_port)
                      : table.find_reply(c.pending.hash, kProtoTcp, client, client_port, real, real_port));
    if (taken == nullptr) continue;
    if (!flow::is_closed(taken->state)) return refuse(DropReason::reply_taken);
    remove(c.core, c.snapshot, taken, c.now.tick());
  }
  const Server* server = c.snapshot.server_at(found.server_slot);
  if (server == nullptr) return refuse(DropReason::server_gone);
  auto* flow = table.insert(c.pending.hash, kProtoTcp, client, client_port, c.now.tick(),
                            [&](const flow::Flow<Addr>& evicted) {
                              forget(c.core, c.snapshot, evicted, c.now.tick(), Ended::given_up);
                            });
  if (flow == nullptr) return refuse(DropReason::table_full);
  flow->virt = found.virt.get<Addr>();
  flow->virtual_port = virtual_port;
  flow->real = found.real.get<Addr>();
  flow->real_port = real_port;
  flow->state = State::listen;
  flow->server_slot = found.server_slot;
  flow->service_slot = found.service_slot;
  flow->queue = c.core.queue;
  flow->helper = helper;
  compute_deltas(*flow);
  c.core.loads[found.server_slot].bound(server->upper_threshold);
  return flow;
}

/** A datagram of a one-packet service: a connection as far as counting goes. */
template <class Addr>
Outcome forward_once(Context& c, const Listener& at, const Server& server) {
  flow::Flow<Addr> flow{};
  lead_flow(flow, at, server, daddr<Addr>(c.view()), destination_port(c.view()));
  service::ServerLoad& load = c.core.loads[server.slot];
  load.bound(server.upper_threshold);
  load.unbound(false, server.upper_threshold, server.lower_threshold);
  ServerTally& tally = c.core.tally.server(server.slot);
  tally.connections.add(1);
  tally.in_packets.add(1);
  tally.in_bytes.add(c.view().length);
  c.core.tally.service(at.service->slot).connections.add(1);
  c.fragment_server = server.slot;
  rewrite_request(c.view(), flow);
  return c.forward();
}

/** Does this packet open a connection, as a SYN does? With `policy`, also those that sloppy_tcp and sloppy_sctp let. */
bool opens(const PacketView& view, const service::Policy& policy = {}) {
  if (view.is_tcp()) return refuses_to_begin(view.tcp(), policy.sloppy_tcp) == kNoDrop;
  return view.is_sctp() && sctp_begins(view, policy.sloppy_sctp);
}

/** A flow that an ICMP error began has had no packet yet: ip_vs_conn_new gives it three seconds. */
template <class Addr>
Outcome await_client(Context& c, flow::Flow<Addr>& flow) {
  constexpr uint32_t kProvisionalSeconds = 3;
  c.core.tables.of<Addr>().touch(&flow, c.now.tick().plus(ticks_from_seconds(kProvisionalSeconds)));
  return {Verdict::forward, kNoDrop, Generated::count};
}

/**
 * `replaced` is the closed connection this one takes the place of, if any. The kernel forgets it only when the new one
 * has its server, so it still counts for the pick.
 */
template <class Addr>
Outcome schedule(Context& c, flow::Flow<Addr>* replaced = nullptr) {
  const PacketView& view = c.view();
  DropReason reason = kNoDrop;
  auto* data = announced_by_ftp<Addr>(c, Direction::request, reason);
  if (data != nullptr) return forward_request(c, *data);
  if (reason != kNoDrop) return dropped(reason);
  const Listener at = c.snapshot.find_listener(view.protocol, daddr<Addr>(view), destination_port(view));
  const Service* service = at.service;
  if (service == nullptr) {
    if (replaced != nullptr) remove(c.core, c.snapshot, replaced, c.now.tick());
    if (view.is_udp()) return c.answer_port_unreachable(DropReason::no_service);
    if (view.is_sctp()) return c.answer_proto_unreachable(DropReason::no_service);
    if (view.tcp().flags & tcp_hdr::kRst) return dropped(DropReason::no_service);
    return c.answer_reset(DropReason::no_service);
  }
  if (view.is_tcp() && !c.by_error) {
    const DropReason refusal = refuses_to_begin(view.tcp(), c.snapshot.policy.sloppy_tcp);
    if (refusal != kNoDrop) {
      // A listening host answers a stray segment with RST only when it acknowledges something (RFC
      // 9293 3.10.7.2).
      const uint8_t flags = view.tcp().flags;
      const bool host_would_reset = (flags & tcp_hdr::kAck) && !(flags & tcp_hdr::kRst);
      return refusal == DropReason::no_flow && host_would_reset ? c.answer_reset(refusal) : dropped(refusal);
    }
  }
  if (view.is_sctp() && !c.by_error && !sctp_begins(view, c.snapshot.policy.sloppy_sctp))
    return c.answer_sctp_abort(DropReason::no_flow);
  if (c.core.defence && c.core.defence->drops_newcomer()) {
    if (replaced != nullptr) remove(c.core, c.snapshot, replaced, c.now.tick());
    return dropped(DropReason::drop_packet);
  }
  const bool with_ftp =
      service->helper == service::Helper::ftp && view.is_tcp() && !c.by_error && c.core.ftp != nullptr;
  if (with_ftp && !ftp_checksum_ok(view)) return dropped(DropReason::ftp_csum);
  ServiceTally& service_tally = c.core.tally.service(service->slot);
  const service::ClientKey key{saddr<Addr>(view).fold(), source_port(view).host()};
  const auto* destination = reinterpret_cast<const uint8_t*>(&daddr<Addr>(view));
  const service::Occasion occasion{{destination, sizeof(Addr)}, c.now.tick(), &c.core.prng};
  std::optional<Persistence<Addr>> persistence;
  if (service->persistent()) {
    persistence.emplace(c.core, c.snapshot, at, view.protocol, saddr<Addr>(view), daddr<Addr>(view),
                        c.now.tick());
  }
  const Server* server = persistence ? persistence->find() : nullptr;
  const bool is_remembered = server != nullptr;
  if (!is_remembered) server = service::pick(c.snapshot, *service, key, c.core.loads, occasion);
  if (replaced != nullptr) remove(c.core, c.snapshot, replaced, c.now.tick());
  if (server == nullptr) {
    service_tally.schedule_failures.add(1);
    if (c.by_error) return dropped(DropReason::no_server);
    return c.answer_port_unreachable(DropReason::no_server);
  }
  if (is_the_client<Addr>(c, *server) || reply_tuple_taken<Addr>(c, at, *server)) {
    // Replies of two VIPs' flows would look alike. Another server keeps them apart; IPVS would mix them.
    const DropReason otherwise = is_the_client<Addr>(c, *server) ? DropReason::land : DropReason::reply_taken;
    if (is_remembered) return dropped(otherwise);  // elsewhere its session would be unknown
    const Server* free_one = nullptr;
    for (uint32_t i = 0; i < service->server_count && free_one == nullptr; ++i) {
      const Server& other = c.snapshot.servers[service->first_server + i];
      if (service::usable(other, c.core.loads) && !is_the_client<Addr>(c, other) &&
          !reply_tuple_taken<Addr>(c, at, other)) {
        free_one = &other;
      }
    }
    if (free_one == nullptr) return dropped(otherwise);
    server = free_one;
  }
  uint32_t parent = flow::kNoFlow;
  if (persistence) {
    const Server* chosen = server;
    parent = persistence->join(server);
    if (parent == flow::kNoFlow) return dropped(DropReason::table_full);
    if (server != chosen && (is_the_client<Addr>(c, *server) || reply_tuple_taken<Addr>(c, at, *server))) {
      leave_template<Addr>(c.core, parent, c.now.tick(), Ended::in_time);
      return dropped(DropReason::reply_taken);
    }
  }
  if (service->one_packet && view.is_udp()) {
    leave_template<Addr>(c.core, parent, c.now.tick(), Ended::in_time);
    return forward_once<Addr>(c, at, *server);
  }
  auto* flow =
      c.core.tables.of<Addr>().insert(c.pending.hash, view.protocol, saddr<Addr>(view), source_port(view),
                                      c.now.tick(), [&](const flow::Flow<Addr>& evicted) {
                                        forget(c.core, c.snapshot, evicted, c.now.tick(), Ended::given_up);
                                      });
  if (flow == nullptr) {
    leave_template<Addr>(c.core, parent, c.now.tick(), Ended::given_up);
    return dropped(DropReason::table_full);
  }
  lead_flow(*flow, at, *server, daddr<Addr>(view), destination_port(view));
  flow->state = view.is_tcp() ? State::none : view.is_sctp() ? State::sctp_none : State::udp;
  flow->parent = parent;
  flow->queue = c.core.queue;
  if (with_ftp) {
    flow->helper = c.core.ftp->open();
    if (flow->helper == 0) c.core.tally.ftp_ignored.add(1);  // it works, but for active and passive transfers
  }
  c.core.loads[server->slot].bound(server->upper_threshold);
  service_tally.connections.add(1);
  c.core.tally.server(server->slot).connections.add(1);
  return c.by_error ? await_client(c, *flow) : forward_request(c, *flow);
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

/** A connection that keeps its place although its client begins another: what was learnt of the old one goes. */
template <class Addr>
void begin_anew(flow::Flow<Addr>& flow) {
  flow.flags = 0;
  for (const int direction : {0, 1}) flow.seq_end[direction] = flow.acked[direction] = 0;
}

template <class Addr>
Outcome request(Context& c) {
  const PacketView& view = c.view();
  auto& table = c.core.tables.of<Addr>();
  typename flow::Table<Addr>::Guard guard(table, c.pending.hash);
  auto* flow = live(c, table.find_request(c.pending.hash, view.protocol, saddr<Addr>(view), source_port(view),
                                          daddr<Addr>(view), destination_port(view)));
  if (flow == nullptr) return schedule<Addr>(c);
  const bool begins = opens(view);
  if (begins && is_replaced(c, *flow)) return schedule<Addr>(c, flow);  // the client port is used again
  if (begins && flow::is_closed(flow->state)) {
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

template <class Addr>
const service::OnePacketReply* one_packet_reply(Context& c, uint8_t protocol, const Addr& real,
                                                be16 real_port) {
  if (protocol != kProtoUdp) return nullptr;
  const service::OnePacketReply* found = c.snapshot.find_one_packet_reply(real, real_port);
  if (found == nullptr || !found->ambiguous) return found;
  c.core.tally.ambiguous_replies.add(1);
  return nullptr;
}

/** From a real server to a client without a flow: not ours, unless it may be from a one-packet service. */
template <class Addr>
Outcome reply_without_flow(Context& c) {
  const PacketView& view = c.view();
  const auto* found = one_packet_reply<Addr>(c, view.protocol, saddr<Addr>(view), source_port(view));
  if (found == nullptr) return stray_reply<Addr>(c);
  ServerTally& tally = c.core.tally.server(found->server_slot);
  tally.out_packets.add(1);
  tally.out_bytes.add(view.length);
  c.fragment_server = found->server_slot;
  rewrite_reply(view, one_packet_flow<Addr>(*found, saddr<Addr>(view), source_port(view)));
  return c.forward();
}

template <class Addr>
Outcome reply(Context& c) {
  const PacketView& view = c.view();
  auto& table = c.core.tables.of<Addr>();
  typename flow::Table<Addr>::Guard guard(table, c.pending.hash);
  auto* flow = live(c, table.find_reply(c.pending.hash, view.protocol, daddr<Addr>(view),
                                        destination_port(view), saddr<Addr>(view), source_port(view)));
  if (flow == nullptr || flow::is_closed(flow->state)) {
    DropReason reason = kNoDrop;
    if (auto* data = announced_by_ftp<Addr>(c, Direction::reply, reason)) flow = data;
    if (reason != kNoDrop) return dropped(reason);
  }
  if (flow == nullptr) return reply_without_flow<Addr>(c);
  if (is_untranslatable_piece(view, *flow)) return dropped(DropReason::fragment);
  FtpState* const ftp = helper_of(c, *flow);
  if (ftp != nullptr && !ftp_checksum_ok(view)) return dropped(DropReason::ftp_csum);
  ServerTally& tally = c.core.tally.server(flow->server_slot);
  tally.out_packets.add(1);
  tally.out_bytes.add(view.length);
  c.fragment_server = flow->server_slot;
  advance(c, *flow, Direction::reply);
  if (ftp != nullptr) count(c.core, ftp_rewrite_reply(ftp_scene(c, *flow), *flow, c.packet, c.pending.view));
  rewrite_reply(view, *flow);
  return c.forward();
}

/** The packet an ICMP error quotes: its client endpoint and the other one. */
template <class Addr>
struct Quoted {
  const Addr &source, &destination;

  explicit Quoted(const QuoteView& q) : source(source_of(q)), destination(destination_of(q)) {}

 private:
  static const Addr& source_of(const QuoteView& q) {
    if constexpr (Addr::kFamily == 4) {
      return q.v4().saddr;
    } else {
      return q.v6().saddr;
    }
  }
  static const Addr& destination_of(const QuoteView& q) {
    if constexpr (Addr::kFamily == 4) {
      return q.v4().daddr;
    } else {
      return q.v6().daddr;
    }
  }
};

/**
 * schedule_icmp: an error about a reply whose connection is not known, which another director may have had. The quoted
 * packet turned around is what its client would have sent; that is scheduled, and whatever the client sends next goes
 * the same way.
 */
template <class Addr>
Outcome schedule_by_error(Context& c, const QuoteView& quote, uint64_t hash) {
  const Quoted<Addr> quoted(quote);
  uint8_t bytes[sizeof(ipv6_hdr) + sizeof(tcp_hdr)] = {};
  Pending pending;
  pending.hash = hash;
  PacketView& view = pending.view;
  view.ip = bytes;
  view.family = Addr::kFamily;
  view.protocol = quote.protocol;
  view.l4_offset = Addr::kFamily == 4 ? sizeof(ipv4_hdr) : sizeof(ipv6_hdr);
  view.length = sizeof(bytes);
  saddr<Addr>(view) = quoted.destination;
  daddr<Addr>(view) = quoted.source;
  // Where TCP and UDP both have their ports.
  view.udp().sport = quote.dport();
  view.udp().dport = quote.sport();
  if (c.snapshot.find_service(quote.protocol, quoted.source, quote.sport()) == nullptr)
    return dropped(DropReason::no_flow);
  Context newcomer{c.core, c.snapshot, c.now, c.packet, pending};
  newcomer.by_error = true;
  return schedule<Addr>(newcomer);
}

/** Errors refresh and end nothing (RFC 5508 REQ-6): the flow is only looked at. */
template <class Addr>
Outcome error_to_vip(Context& c) {
  QuoteView quote;
  if (!icmp_mtu_ok(c.view())) return dropped(DropReason::icmp_mtu);
  if (parse_quote(quote_of(c.view()), Addr::kFamily, quote) != kNoDrop)
    return dropped(DropReason::icmp_quote);
  const Quoted<Addr> quoted(quote);
  if (!(quoted.source == daddr<Addr>(c.view()))) return dropped(DropReason::icmp_dir);
  auto& table = c.core.tables.of<Addr>();
  const uint64_t hash = table.hash(quote.protocol, quoted.destination, quote.dport());
  typename flow::Table<Addr>::Guard guard(table, hash);
  const auto find = [&] {
    return table.find_request(hash, quote.protocol, quoted.destination, quote.dport(), quoted.source,
                              quote.sport());
  };
  auto* flow = live(c, find());
  if (flow == nullptr && c.snapshot.policy.schedule_icmp) {
    const Outcome scheduled = schedule_by_error<Addr>(c, quote, hash);
    if (scheduled.verdict != Verdict::forward) return scheduled;
    flow = find();
  }
  if (flow == nullptr) return dropped(DropReason::no_flow);
  if (saddr<Addr>(c.view()) == flow->real) return dropped(DropReason::land);  // it would go to its own sender
  ServerTally& tally = c.core.tally.server(flow->server_slot);
  tally.in_packets.add(1);
  tally.in_bytes.add(c.view().length);
  translate_error_about_reply(c.view(), quote, *flow);
  return c.forward();
}

template <class Addr>
Outcome error_from_servers(Context& c) {
  QuoteView quote;
  if (parse_quote(quote_of(c.view()), Addr::kFamily, quote) != kNoDrop) return c.pass();
  const Quoted<Addr> quoted(quote);
  auto& table = c.core.tables.of<Addr>();
  const uint64_t hash = table.hash(quote.protocol, quoted.source, quote.sport());
  typename flow::Table<Addr>::Guard guard(table, hash);
  auto* flow = live(c, table.find_reply(hash, quote.protocol, quoted.source, quote.sport(),
                                        quoted.destination, quote.dport()));
  flow::Flow<Addr> once{};
  if (flow == nullptr) {
    const auto* found = one_packet_reply<Addr>(c, quote.protocol, quoted.destination, quote.dport());
    if (found == nullptr) return c.pass();
    once = one_packet_flow<Addr>(*found, quoted.destination, quote.dport());
    flow = &once;
  }
  if (!icmp_checksum_ok(c.view())) return dropped(DropReason::icmp_csum);
  if (!icmp_mtu_ok(c.view())) return dropped(DropReason::icmp_mtu);
  ServerTally& tally = c.core.tally.server(flow->server_slot);
  tally.out_packets.add(1);
  tally.out_bytes.add(c.view().length);
  translate_error_about_request(c.view(), quote, *flow);
  return c.forward();
}

template <class Addr>
Outcome icmp(Context& c) {
  const uint8_t type = c.view().icmp().type;
  const bool v4 = Addr::kFamily == 4;
  const bool is_error = v4 ? icmp4::is_error(type) : icmp6::is_error(type);
  // From a VIP to itself: about a reply that did not fit this host's way out. Anything else so addressed is forged.
  if (saddr<Addr>(c.view()) == daddr<Addr>(c.view()) && !(c.pending.to_vip && is_error))
    return dropped(DropReason::land);
  if (!c.pending.to_vip) return is_error ? error_from_servers<Addr>(c) : c.pass();
  if (!icmp_checksum_ok(c.view())) return dropped(DropReason::icmp_csum);
  if (is_error) return error_to_vip<Addr>(c);
  if (type == (v4 ? icmp4::kEcho : icmp6::kEcho)) {
    return c.answer(DropReason::answered, Generated::echo_reply, make_echo_reply);
  }
  return dropped(type == (v4 ? icmp4::kEchoReply : icmp6::kEchoReply) ? DropReason::no_flow
                                                                      : DropReason::icmp_type);
}

/** Does a piece from here to there concern us, as far as its addresses tell? */
template <class Addr>
bool may_be_ours(const Context& c) {
  return c.pending.to_vip || c.snapshot.is_real_server(saddr<Addr>(c.view()));
}

/** A first fragment is a request or a reply like any other; what becomes of it is remembered for the rest. */
template <class Addr>
Outcome first_fragment(Context& c) {
  const FragmentKey key = fragment_key(c.view());
  const Extent extent = extent_of(c.view());
  const bool ours = may_be_ours<Addr>(c);
  if (ours && extent.is_impossible) return dropped(DropReason::fragment);
  if (ours && c.core.fragments.repeats(key, extent, c.now.tick()))
    return dropped(DropReason::fragment_overlap);
  Fate fate;
  fate.is_reply = !c.pending.to_vip;
  const Outcome outcome = c.pending.to_vip ? request<Addr>(c) : reply<Addr>(c);
  if (outcome.verdict == Verdict::pass && !ours) return outcome;
  if (outcome.verdict == Verdict::pass) fate.kind = Fate::Kind::pass;
  if (outcome.verdict == Verdict::forward) {
    fate.kind = Fate::Kind::translate;
    fate.server_slot = c.fragment_server;
    std::memcpy(fate.source.data(), &saddr<Addr>(c.view()), sizeof(Addr));
    std::memcpy(fate.destination.data(), &daddr<Addr>(c.view()), sizeof(Addr));
  }
  if (c.core.fragments.decide(key, extent, fate, c.now.tick())) {
    c.core.loose.has_ripe = true;
    c.core.loose.ripe = key;
  }
  return outcome;
}

template <class Addr>
Outcome follow(Context& c, const Fate& fate) {
  if (fate.kind == Fate::Kind::drop) return dropped(DropReason::fragment);
  if (fate.kind == Fate::Kind::pass) return c.pass();
  Addr source, destination;
  std::memcpy(&source, fate.source.data(), sizeof(Addr));
  std::memcpy(&destination, fate.destination.data(), sizeof(Addr));
  ServerTally& tally = c.core.tally.server(fate.server_slot);
  (fate.is_reply ? tally.out_packets : tally.in_packets).add(1);
  (fate.is_reply ? tally.out_bytes : tally.in_bytes).add(c.view().length);
  rewrite_addresses<Addr>(c.view(), source, destination);
  return c.forward();
}

template <class Addr>
Outcome later_fragment(Context& c) {
  const PacketView& view = c.view();
  const bool ours = may_be_ours<Addr>(c);
  // Early enough to overwrite the ports of the first: an attack, never a sender (RFC 3128).
  if (view.is_tcp() && view.fragment_offset < sizeof(tcp_hdr)) return dropped(DropReason::fragment);
  const Extent extent = extent_of(view);
  if (extent.is_impossible) return ours ? dropped(DropReason::fragment) : c.pass();
  const bool may_wait = ours && !c.was_held;
  const auto arrival = c.core.fragments.arrive(fragment_key(view), extent, view, may_wait, c.now.tick());
  c.core.loose.evicted += arrival.evicted;
  switch (arrival.standing) {
    case Fragments::Standing::known:
      return follow<Addr>(c, arrival.fate);
    case Fragments::Standing::repeated:
      return dropped(DropReason::fragment_overlap);
    case Fragments::Standing::held:
      return {Verdict::held, kNoDrop, Generated::count};
    case Fragments::Standing::refused:
      return dropped(DropReason::fragment_full);
    case Fragments::Standing::unknown:
      break;
  }
  return ours ? dropped(DropReason::fragment) : c.pass();
}

/** Protocols no service can have, and fragments of them. */
Outcome other(Context& c) {
  if (!c.pending.to_vip) return c.pass();
  if (c.view().fragment) return dropped(DropReason::fragment);
  if (c.view().family == 6 && c.view().protocol == kProtoNoNext)
    return dropped(DropReason::proto);  // nothing there, nothing to complain of
  return c.answer_proto_unreachable(DropReason::proto);
}

template <class Addr>
void prepare_for(Core& core, const Snapshot& snapshot, Pending& pending) {
  const PacketView& view = pending.view;
  const Addr& source = saddr<Addr>(view);
  pending.to_vip = snapshot.is_vip(daddr<Addr>(view));
  auto& table = core.tables.of<Addr>();
  const bool is_icmp = !view.fragment && view.is_icmp();
  const bool has_ports = view.is_tcp() || view.is_udp() || view.is_sctp();
  // This host's own ICMP errors may come from an address that is a VIP; nothing else may.
  if (!is_icmp && snapshot.is_vip(source)) {
    pending.reason = DropReason::vip_loop;
    return;
  }
  if (has_ports && view.later_fragment) {
    pending.role = Pending::Role::later_fragment;
    return;
  }
  if (has_ports) {
    pending.role = view.fragment    ? Pending::Role::first_fragment
                   : pending.to_vip ? Pending::Role::request
                                    : Pending::Role::reply;
    pending.hash = pending.to_vip ? table.hash(view.protocol, source, source_port(view))
                                  : table.hash(view.protocol, daddr<Addr>(view), destination_port(view));
    table.prefetch(pending.hash);
    return;
  }
  pending.role = is_icmp ? Pending::Role::icmp : Pending::Role::other;
}

template <class Addr>
Outcome finish_for(Context& c) {
  switch (c.pending.role) {
    case Pending::Role::request:
      return request<Addr>(c);
    case Pending::Role::reply:
      return reply<Addr>(c);
    case Pending::Role::first_fragment:
      return first_fragment<Addr>(c);
    case Pending::Role::later_fragment:
      return later_fragment<Addr>(c);
    case Pending::Role::icmp:
      return icmp<Addr>(c);
    case Pending::Role::other:
      return other(c);
    case Pending::Role::dropped:
      break;
  }
  return dropped(c.pending.reason);
}

}  // namespace

void prepare(Core& core, const Snapshot& snapshot, Packet& packet, Pending& pending) {
  pending.role = Pending::Role::dropped;
  pending.reason = parse({packet.data, packet.length}, packet.vnet, pending.view);
  if (pending.reason != kNoDrop) return;
  if (pending.view.is_sctp()) finish_sctp_checksum(pending.view, packet.vnet);
  if (pending.view.family == 4) {
    prepare_for<Addr4>(core, snapshot, pending);
  } else {
    prepare_for<Addr6>(core, snapshot, pending);
  }
}

void warm(Core& core, const Pending& pending) {
  if (pending.role != Pending::Role::request && pending.role != Pending::Role::reply) return;
  if (pending.view.family == 4) {
    core.tables.v4.prefetch_flow(pending.hash);
  } else {
    core.tables.v6.prefetch_flow(pending.hash);
  }
}

Outcome finish(Core& core, const Snapshot& snapshot, Now now, Packet& packet, Pending& pending) {
  if (pending.role == Pending::Role::dropped) return dropped(pending.reason);
  Context c{core, snapshot, now, packet, pending};
  const PacketView& view = pending.view;
  const uint8_t hops = view.family == 4 ? view.v4().ttl : view.v6().hop_limit;
  if (hops == 0) {
    // Cannot come from the kernel's forwarding, which sends this error itself one hop earlier.
    // Nothing is said about ICMP, nor about a piece of a datagram (RFC 1812 section 4.3.2.7).
    if (!pending.to_vip || pending.role == Pending::Role::icmp || view.fragment)
      return dropped(DropReason::ttl);
    return c.answer(DropReason::ttl, Generated::time_exceeded, [](const PacketView& p) {
      return make_icmp_error(p, p.family == 4 ? icmp4::kTimeExceeded : icmp6::kTimeExceeded, 0, 0);
    });
  }
  return view.family == 4 ? finish_for<Addr4>(c) : finish_for<Addr6>(c);
}

bool release_next(Core& core, const Snapshot& snapshot, Now now, Released& released) {
  released.piece = nullptr;
  if (core.loose.evicted > 0) {
    --core.loose.evicted;
    released.outcome = dropped(DropReason::fragment_full);
    return true;
  }
  if (!core.loose.has_ripe) return false;
  Fragments::Held* piece = core.fragments.take(core.loose.ripe);
  if (piece == nullptr) {
    core.loose.has_ripe = false;
    return false;
  }
  released.piece = piece;
  if (now.tick().after(piece->until)) {
    released.outcome = dropped(DropReason::fragment_timeout);
    return true;
  }
  released.packet = Packet{piece->packet(), piece->length, piece->length, vnet_hdr{}};
  prepare(core, snapshot, released.packet, released.pending);
  if (released.pending.role != Pending::Role::later_fragment) {
    // A snapshot came in between that sees its addresses differently.
    released.outcome = dropped(DropReason::fragment);
    return true;
  }
  Context c{core, snapshot, now, released.packet, released.pending};
  c.was_held = true;
  released.outcome = released.pending.view.family == 4 ? finish_for<Addr4>(c) : finish_for<Addr6>(c);
  return true;
}

bool expire(Core& core, const Snapshot& snapshot, uint32_t shard, Tick now, uint32_t budget) {
  const auto gone = [&](auto& flow) {
    if (const uint32_t ticks = longer(core, flow); ticks != 0) {
      flow.expires_at = now.plus(ticks);
      return true;
    }
    forget(core, snapshot, flow, now);
    return false;
  };
  const auto sweep = [&](auto& table, auto&& on_expire) {
    return table.sweep(shard, now, budget, on_expire) == budget;
  };
  FlowTables& tables = core.tables;
  if (shard < tables.v4.shard_count()) return sweep(tables.v4, gone);
  shard -= tables.v4.shard_count();
  if (shard < tables.v6.shard_count()) return sweep(tables.v6, gone);
  shard -= tables.v6.shard_count();
  if (shard < tables.templates4.table().shard_count()) return sweep(tables.templates4, template_gone(core));
  shard -= tables.templates4.table().shard_count();
  return sweep(tables.templates6, template_gone(core));
}

template <class Addr>
void end_flow(Core& core, const Snapshot& snapshot, flow::Flow<Addr>* flow, Tick now) {
  forget(core, snapshot, *flow, now, Ended::given_up);
  core.tables.of<Addr>().erase(flow);
}
template void end_flow(Core&, const Snapshot&, flow::Flow<Addr4>*, Tick);
template void end_flow(Core&, const Snapshot&, flow::Flow<Addr6>*, Tick);

}  // namespace vsnat::nat
