// SPDX-License-Identifier: Apache-2.0
#include "nat/call_out.h"

#include "nat/opening.h"
#include "nat/sip_text.h"
#include "nat/translate.h"

namespace vsnat::nat {

using namespace wire;
using service::CallingServer;
using service::Listener;
using service::Server;

namespace {

/** What is known of this call at one of the services that have the server. */
template <class Addr>
Persistence<Addr> memory_of(Context& c, const CallingServer& from, std::string_view call_id) {
  const Listener at{c.snapshot.services[from.service].get(), from.virtual_port.host()};
  return {c.core,  c.snapshot,  at, kProtoUdp, daddr<Addr>(c.view()), from.virt.get<Addr>(),
          call_id, c.now.tick()};
}

/**
 * Of the services that share the server the one that knows the call. The kernel has the newest speak for all of them; so
 * do we for a call that is new, and when there are too many to ask.
 */
template <class Addr>
const CallingServer& whose_call(Context& c, const CallingServer& newest, std::string_view call_id) {
  unsigned left = 16;
  for (const CallingServer* from = &newest; from != nullptr && left > 0; --left) {
    if (memory_of<Addr>(c, *from, call_id).leads_to(from->server_slot)) return *from;
    from = c.snapshot.calling_servers().older(*from);
  }
  return newest;
}

}  // namespace

template <class Addr>
std::optional<Outcome> call_out(Context& c) {
  const PacketView& view = c.view();
  if (!view.is_udp()) return std::nullopt;
  const auto* newest = c.snapshot.calling_servers().find(saddr<Addr>(view), source_port(view));
  if (newest == nullptr) return std::nullopt;
  const std::string_view call_id = find_call_id(payload_of(view));
  if (call_id.empty()) return std::nullopt;

  const CallingServer& from = whose_call<Addr>(c, *newest, call_id);
  const Listener at{c.snapshot.services[from.service].get(), from.virtual_port.host()};
  const Server& server = *c.snapshot.server_at(from.server_slot);
  const Addr& virt = from.virt.get<Addr>();
  auto& templates = c.core.tables.templates_of<Addr>();
  const uint32_t parent = memory_of<Addr>(c, from, call_id).join_for(&server);
  if (parent == flow::kNoFlow) return dropped(DropReason::table_full);
  if (at.service->one_packet) {
    templates.assure(parent);
    leave_template<Addr>(c.core, parent, c.now.tick(), flow::Ended::in_time);
    flow::Flow<Addr> once{};
    lead_flow(once, at, server, virt, from.virtual_port);
    count_once(c.core, at, server);
    c.core.tally.count(server.slot, flow::Direction::reply, view.length);
    c.fragment_server = server.slot;
    rewrite_reply(view, once);
    return c.forward();
  }
  // What this client port had with another server gives way: what it sends next is an answer to this one.
  auto& table = c.core.tables.of<Addr>();
  auto* const before = table.find_request(c.pending.hash, kProtoUdp, daddr<Addr>(view),
                                          destination_port(view), virt, from.virtual_port);
  if (before != nullptr) remove(c.core, c.snapshot, before, c.now.tick());
  const Ends<Addr> ends{daddr<Addr>(view), destination_port(view), virt, from.virtual_port};
  auto* flow = open_flow(c, at, server, ends, parent);
  if (flow == nullptr) {
    leave_template<Addr>(c.core, parent, c.now.tick(), flow::Ended::given_up);
    return dropped(DropReason::table_full);
  }
  return forward_reply(c, *flow);
}

template std::optional<Outcome> call_out<Addr4>(Context&);
template std::optional<Outcome> call_out<Addr6>(Context&);

}  // namespace vsnat::nat
