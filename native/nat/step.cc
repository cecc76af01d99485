// SPDX-License-Identifier: Apache-2.0
#include "nat/step.h"

#include "nat/answer.h"
#include "nat/icmp.h"
#include "nat/lifetime.h"
#include "nat/lookup.h"
#include "nat/pieces.h"
#include "nat/usual.h"

namespace vsnat::nat {

using namespace wire;
using service::Snapshot;

namespace {

/** Protocols no service can have, and fragments of them. */
Outcome other(Context& c) {
  if (!c.pending.to_vip) return c.pass();
  if (c.view().fragment) return dropped(DropReason::fragment);
  if (c.view().family == 6 && c.view().protocol == kProtoNoNext)
    return dropped(DropReason::proto);  // nothing there, nothing to complain of
  return c.answer_proto_unreachable(DropReason::proto);
}

/** Where the flow of a whole packet with ports is. */
template <class Addr>
[[gnu::always_inline]] inline void expect_flow(Core& core, Pending& pending) {
  using Role = Pending::Role;
  const PacketView& view = pending.view;
  pending.role = pending.to_vip ? Role::request : Role::reply;
  const Addr& client = pending.to_vip ? saddr<Addr>(view) : daddr<Addr>(view);
  const be16 client_port = pending.to_vip ? source_port(view) : destination_port(view);
  const auto& table = core.tables.of<Addr>();
  pending.hash = table.hash(view.protocol, client, client_port);
  pending.bucket = table.home_of(pending.hash);
}

template <class Addr>
void prepare_for(Core& core, const Snapshot& snapshot, Pending& pending) {
  using Role = Pending::Role;
  const PacketView& view = pending.view;
  pending.to_vip = snapshot.is_vip(daddr<Addr>(view));
  const bool has_ports = view.is_tcp() || view.is_udp() || view.is_sctp();
  if (!has_ports && !view.is_icmp()) {
    pending.role = Role::other;
    return;
  }
  if (view.later_fragment) {
    pending.role = Role::later_fragment;
    return;
  }
  if (!has_ports) {
    pending.role = view.fragment ? Role::first_fragment : Role::icmp;
    return;
  }
  expect_flow<Addr>(core, pending);
  pending.is_segment = view.is_tcp() && !view.fragment && view.csum == CsumState::full;
  if (!view.fragment) [[likely]]
    return;
  pending.role = Role::first_fragment;
  pending.bucket = nullptr;
}

[[gnu::noinline]] void prepare_rarer(Core& core, const Snapshot& snapshot, Packet& packet, Pending& pending) {
  pending.reason = parse_carefully({packet.data, packet.length}, packet.vnet, pending.view);
  if (pending.reason != kNoDrop) return;
  if (pending.view.is_sctp()) finish_sctp_checksum(pending.view, packet.vnet);
  if (pending.view.family == 4) {
    prepare_for<Addr4>(core, snapshot, pending);
  } else {
    prepare_for<Addr6>(core, snapshot, pending);
  }
}

/**
 * Nothing comes from a VIP but this host's own ICMP errors, and what is left of a connection that is older than the VIP: nearly
 * all of its segments go the short way, which does not ask (nat/usual.h), so the others must not fare worse.
 */
template <class Addr>
bool may_come(Context& c) {
  const PacketView& view = c.view();
  if (!c.snapshot.is_vip(saddr<Addr>(view))) [[likely]]
    return true;
  return (view.is_icmp() && !view.fragment) || continues<Addr>(c);
}

template <class Addr>
Outcome finish_rarer(Context& c) {
  switch (c.pending.role) {
    case Pending::Role::request:
    case Pending::Role::reply:
      break;  // see finish_for()
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

template <class Addr>
Outcome finish_for(Context& c) {
  if (c.pending.role == Pending::Role::request) return request<Addr>(c);
  if (c.pending.role == Pending::Role::reply) return reply<Addr>(c);
  return finish_rarer<Addr>(c);
}

}  // namespace

void prepare(Core& core, const Snapshot& snapshot, Packet& packet, Pending& pending) {
  pending.role = Pending::Role::dropped;
  pending.bucket = nullptr;
  pending.likely_flow = flow::kNoFlow;
  pending.is_segment = false;
  pending.is_of_steady = false;
  if (!parse_plain({packet.data, packet.length}, packet.vnet, pending.view)) [[unlikely]]
    return prepare_rarer(core, snapshot, packet, pending);
  pending.reason = kNoDrop;
  pending.to_vip = snapshot.is_vip(daddr<Addr4>(pending.view));
  expect_flow<Addr4>(core, pending);
  pending.is_segment = true;
}

void seek(std::span<const Pending> pending) {
  for (const Pending& p : pending) {
    if (p.bucket != nullptr) [[likely]]
      prefetch(p.bucket);
  }
}

void warm(const Core& core, std::span<Pending> pending) {
  for (Pending& p : pending) {
    if (p.bucket == nullptr) [[unlikely]]
      continue;
    p.likely_flow = p.view.family == 4 ? core.tables.v4.prefetch_flow(p.hash, *p.bucket)
                                       : core.tables.v6.prefetch_flow(p.hash, *p.bucket);
  }
}

void heat(const Core& core, std::span<const Pending> pending) {
  for (const Pending& p : pending) {
    if (p.likely_flow == flow::kNoFlow) continue;
    const uint32_t slot = p.view.family == 4 ? core.tables.v4.likely_server(p.likely_flow)
                                             : core.tables.v6.likely_server(p.likely_flow);
    core.tally.prefetch_count(slot);
  }
}

namespace {

[[gnu::noinline]] Outcome walk(Core& core, const Snapshot& snapshot, Now now, Packet& packet,
                               Pending& pending) {
  if (pending.role == Pending::Role::dropped) return dropped(pending.reason);
  Context c{core, snapshot, now, packet, pending};
  const PacketView& view = pending.view;
  if (!(view.family == 4 ? may_come<Addr4>(c) : may_come<Addr6>(c))) return dropped(DropReason::vip_loop);
  const uint8_t hops = view.family == 4 ? hops_left<Addr4>(view) : hops_left<Addr6>(view);
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

}  // namespace

Outcome finish(Core& core, const Snapshot& snapshot, Now now, Packet& packet, Pending& pending) {
  if (pending.is_segment && pending.likely_flow != flow::kNoFlow) [[likely]] {
    Context c{core, snapshot, now, packet, pending};  // of its own: inlined, it is in registers
    const bool is_done = pending.view.family == 4 ? forward_usual<Addr4>(c) : forward_usual<Addr6>(c);
    if (is_done) [[likely]]
      return c.forward();
  }
  return walk(core, snapshot, now, packet, pending);
}

bool expire(Core& core, const Snapshot& snapshot, uint32_t shard, Tick now, uint32_t budget) {
  const auto gone = [&](auto& flow) {
    if (const uint32_t ticks = longer(core, flow); ticks != 0) {
      flow.expires_at = now.plus(ticks);
      return true;
    }
    time_out(core, snapshot, flow, now);
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
  forget(core, snapshot, *flow, now, flow::Ended::given_up);
  core.tables.of<Addr>().erase(flow);
}
template void end_flow(Core&, const Snapshot&, flow::Flow<Addr4>*, Tick);
template void end_flow(Core&, const Snapshot&, flow::Flow<Addr6>*, Tick);

}  // namespace vsnat::nat
