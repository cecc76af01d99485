// SPDX-License-Identifier: Apache-2.0
#include "nat/health_check.h"

#include "nat/opening.h"
#include "nat/schedule.h"
#include "nat/translate.h"

namespace vsnat::nat {

using namespace wire;
using service::Listener;
using service::Server;

namespace {

constexpr uint8_t kNeverForwarded = 255;

uint8_t hop_limit(const PacketView& view) {
  return view.family == 4 ? view.v4().ttl : view.v6().hop_limit;
}

template <class Addr>
void end_check_of(FlowTables& tables, service::ServerLoad* loads, uint32_t check_slot,
                  const CheckEnds& ends) {
  auto& table = tables.of<Addr>();
  const Addr &source = ends.source.get<Addr>(), &virt = ends.virt.get<Addr>();
  const auto source_port = be16::from_host(ends.source_port),
             virtual_port = be16::from_host(ends.virtual_port);
  const uint64_t hash = table.hash(ends.protocol, source, source_port);
  typename flow::Table<Addr>::Guard guard(table, hash);
  auto* flow = table.find_request(hash, ends.protocol, source, source_port, virt, virtual_port);
  if (flow == nullptr || flow->server_slot != check_slot) return;
  loads[check_slot].unbound(flow::is_active(flow->state), 0, 0);
  table.erase(flow);
}

}  // namespace

template <class Addr>
Outcome schedule_check(Context& c, flow::Flow<Addr>* replaced) {
  const PacketView& view = c.view();
  if (c.by_error || hop_limit(view) != kNeverForwarded || c.core.check_ports == nullptr)
    return dropped(DropReason::check_source);
  const auto lead = c.core.check_ports->at(source_port(view).host());
  const Listener at = c.snapshot.find_listener(view.protocol, daddr<Addr>(view), destination_port(view));
  if (!lead || at.service == nullptr || at.service->slot != lead->service_slot)
    return dropped(DropReason::check_source);
  const Server* server = c.snapshot.server_of(*at.service, lead->server_slot);
  if (server == nullptr) return dropped(DropReason::check_source);  // it has just left the configuration
  if (!view.is_udp() && !opens(view)) return dropped(DropReason::no_flow);
  if (replaced != nullptr) remove(c.core, c.snapshot, replaced, c.now.tick());

  Server checked = *server;
  checked.slot = c.snapshot.check_slot();
  checked.upper_threshold = checked.lower_threshold = 0;
  const Ends<Addr> ends{saddr<Addr>(view), source_port(view), daddr<Addr>(view), destination_port(view)};
  auto* flow = make_flow(c, at, checked, ends, flow::kNoFlow);
  return flow == nullptr ? dropped(DropReason::table_full) : forward_request(c, *flow);
}

void end_check(FlowTables& tables, service::ServerLoad* loads, uint32_t check_slot, const CheckEnds& ends) {
  if (ends.source.family == 4) {
    end_check_of<Addr4>(tables, loads, check_slot, ends);
  } else {
    end_check_of<Addr6>(tables, loads, check_slot, ends);
  }
}

template Outcome schedule_check(Context&, flow::Flow<Addr4>*);
template Outcome schedule_check(Context&, flow::Flow<Addr6>*);

}  // namespace vsnat::nat
