// SPDX-License-Identifier: Apache-2.0
#include "nat/schedule.h"

#include <optional>

#include "nat/ftp_data.h"
#include "nat/health_check.h"
#include "nat/opening.h"
#include "nat/sip_text.h"
#include "nat/translate.h"

namespace vsnat::nat {

using namespace wire;
using flow::Ended;
using service::Listener;
using service::Server;
using service::Service;

namespace {

/** To a VIP, but to no service: what a host with the address says. */
Outcome refuse_without_service(Context& c) {
  if (c.view().is_udp()) return c.answer_port_unreachable(DropReason::no_service);
  if (c.view().is_sctp()) return c.answer_proto_unreachable(DropReason::no_service);
  if (c.view().tcp().flags & tcp_hdr::kRst) return dropped(DropReason::no_service);
  return c.answer_reset(DropReason::no_service);
}

/** Of no connection, and it begins none; nothing when it does. */
std::optional<Outcome> refuse_midstream(Context& c) {
  const PacketView& view = c.view();
  if (c.by_error) return std::nullopt;
  if (view.is_sctp() && !sctp_begins(view, c.snapshot.policy.sloppy_sctp))
    return c.answer_sctp_abort(DropReason::no_flow);
  if (!view.is_tcp()) return std::nullopt;
  const DropReason refusal = refuses_to_begin(view.tcp(), c.snapshot.policy.sloppy_tcp);
  if (refusal == kNoDrop) return std::nullopt;
  // A listening host answers a stray segment with RST only when it acknowledges something (RFC 9293 3.10.7.2).
  const uint8_t flags = view.tcp().flags;
  const bool host_would_reset = (flags & tcp_hdr::kAck) && !(flags & tcp_hdr::kRst);
  return refusal == DropReason::no_flow && host_would_reset ? c.answer_reset(refusal) : dropped(refusal);
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
 * Why this server cannot have this connection. One that is itself the client: translated, source and destination would
 * be the same address, which every host drops (IPVS sends it all the same). One whose replies to another VIP's connection
 * would look alike: IPVS would mix them.
 */
template <class Addr>
DropReason unfit(Context& c, const Listener& at, const Server& server) {
  if (server.address.get<Addr>() == saddr<Addr>(c.view())) return DropReason::land;
  return reply_tuple_taken<Addr>(c, at, server) ? DropReason::reply_taken : kNoDrop;
}

/** The first server that can have this connection; null when there is none. */
template <class Addr>
const Server* first_fit(Context& c, const Listener& at) {
  for (uint32_t i = 0; i < at.service->server_count(); ++i) {
    const Server& server = at.service->servers[i];
    if (service::usable(server, c.core.loads) && unfit<Addr>(c, at, server) == kNoDrop) return &server;
  }
  return nullptr;
}

/** A datagram of a one-packet service: a connection as far as counting goes. */
template <class Addr>
Outcome forward_once(Context& c, const Listener& at, const Server& server) {
  flow::Flow<Addr> flow{};
  lead_flow(flow, at, server, daddr<Addr>(c.view()), destination_port(c.view()));
  count_once(c.core, at, server);
  c.core.tally.count(server.slot, flow::Direction::request, c.view().length);
  c.fragment_server = server.slot;
  rewrite_request(c.view(), flow);
  return c.forward();
}

/** A flow that an ICMP error began has had no packet yet: ip_vs_conn_new gives it three seconds. */
template <class Addr>
Outcome await_client(Context& c, flow::Flow<Addr>& flow) {
  constexpr uint32_t kProvisionalSeconds = 3;
  c.core.tables.of<Addr>().touch(&flow, c.now.tick().plus(ticks_from_seconds(kProvisionalSeconds)));
  return {Verdict::forward, kNoDrop, Generated::count};
}

}  // namespace

template <class Addr>
Outcome schedule(Context& c, flow::Flow<Addr>* replaced) {
  const PacketView& view = c.view();
  if (c.snapshot.is_check_source(saddr<Addr>(view))) [[unlikely]]
    return schedule_check(c, replaced);
  const auto make_way = [&] {
    if (replaced != nullptr) remove(c.core, c.snapshot, replaced, c.now.tick());
  };
  DropReason reason = kNoDrop;
  auto* data = announced_by_ftp<Addr>(c, flow::Direction::request, reason);
  if (data != nullptr) return forward_request(c, *data);
  if (reason != kNoDrop) return dropped(reason);

  const Listener at = c.snapshot.find_listener(view.protocol, daddr<Addr>(view), destination_port(view));
  const Service* service = at.service;
  if (service == nullptr) {
    make_way();
    return refuse_without_service(c);
  }
  if (const auto refusal = refuse_midstream(c)) return *refusal;
  if (c.core.defence && c.core.defence->drops_newcomer()) {
    make_way();
    return dropped(DropReason::drop_packet);
  }
  const bool with_ftp =
      service->helper == service::Helper::ftp && view.is_tcp() && !c.by_error && c.core.ftp != nullptr;
  if (with_ftp && !ftp_checksum_ok(view)) return dropped(DropReason::ftp_csum);

  std::optional<Persistence<Addr>> persistence;
  if (service->persistent()) {
    std::string_view call_id;
    if (service->together == service::Together::sip_call) {
      if (view.is_udp() && !c.by_error) call_id = find_call_id(payload_of(view));
      if (call_id.empty()) return dropped(DropReason::no_call_id);
    }
    persistence.emplace(c.core, c.snapshot, at, view.protocol, saddr<Addr>(view), daddr<Addr>(view), call_id,
                        c.now.tick());
  }
  const Server* server = persistence ? persistence->find() : nullptr;
  const bool is_remembered = server != nullptr;
  if (!is_remembered) {
    const service::ClientKey key{saddr<Addr>(view).fold(), source_port(view).host()};
    const auto* destination = reinterpret_cast<const uint8_t*>(&daddr<Addr>(view));
    const service::Occasion occasion{{destination, sizeof(Addr)}, c.now.tick(), &c.core.prng};
    server = service::pick(c.snapshot, *service, key, c.core.loads, occasion);
  }
  make_way();
  if (server == nullptr) {
    c.core.tally.service(service->slot).schedule_failures.add(1);
    if (c.by_error) return dropped(DropReason::no_server);
    return c.answer_port_unreachable(DropReason::no_server);
  }
  if (const DropReason why = unfit<Addr>(c, at, *server); why != kNoDrop) {
    // For a remembered client there is no other: elsewhere its session would be unknown.
    server = is_remembered ? nullptr : first_fit<Addr>(c, at);
    if (server == nullptr) return dropped(why);
  }
  uint32_t parent = flow::kNoFlow;
  if (persistence) {
    const Server* chosen = server;
    parent = persistence->join(server);
    if (parent == flow::kNoFlow) return dropped(DropReason::table_full);
    if (server != chosen && unfit<Addr>(c, at, *server) != kNoDrop) {
      leave_template<Addr>(c.core, parent, c.now.tick(), Ended::in_time);
      return dropped(DropReason::reply_taken);
    }
  }
  if (service->one_packet && view.is_udp()) {
    leave_template<Addr>(c.core, parent, c.now.tick(), Ended::in_time);
    if (c.by_error) return dropped(DropReason::no_flow);  // there is no flow to translate it by
    return forward_once<Addr>(c, at, *server);
  }
  const Ends<Addr> ends{saddr<Addr>(view), source_port(view), daddr<Addr>(view), destination_port(view)};
  auto* flow = open_flow(c, at, *server, ends, parent);
  if (flow == nullptr) {
    leave_template<Addr>(c.core, parent, c.now.tick(), Ended::given_up);
    return dropped(DropReason::table_full);
  }
  if (!c.by_error) expect_to_measure(*flow, view);
  if (with_ftp) {
    flow->helper = c.core.ftp->open();
    if (flow->helper == 0) c.core.tally.ftp_ignored.add(1);  // it works, but for active and passive transfers
  }
  return c.by_error ? await_client(c, *flow) : forward_request(c, *flow);
}

template Outcome schedule(Context&, flow::Flow<Addr4>*);
template Outcome schedule(Context&, flow::Flow<Addr6>*);

}  // namespace vsnat::nat
