// SPDX-License-Identifier: Apache-2.0
#include "nat/cull.h"

#include "nat/lifetime.h"

namespace vsnat::nat {
namespace {

/** `flows(table, shard)` or `templates(templates, shard)`, whichever owns this shard, numbered as for expire(). */
template <class Flows, class Templates>
auto in_its_table(FlowTables& tables, uint32_t shard, Flows&& flows, Templates&& templates) {
  if (shard < tables.v4.shard_count()) return flows(tables.v4, shard);
  shard -= tables.v4.shard_count();
  if (shard < tables.v6.shard_count()) return flows(tables.v6, shard);
  shard -= tables.v6.shard_count();
  if (shard < tables.templates4.table().shard_count()) return templates(tables.templates4, shard);
  return templates(tables.templates6, shard - tables.templates4.table().shard_count());
}

}  // namespace

uint32_t records_used(FlowTables& tables, uint32_t shard) {
  return in_its_table(
      tables, shard, [](auto& table, uint32_t s) { return table.records_used(s); },
      [](auto& templates, uint32_t s) { return templates.table().records_used(s); });
}

void drop_entries(Core& core, const service::Snapshot& snapshot, uint32_t shard, Tick now, uint32_t visits,
                  DropEntryRule& rule) {
  const auto draw = [&core](uint32_t bound) { return uint32_t(core.prng.below(bound)); };
  const auto flows = [&](auto& table, uint32_t s) {
    table.sample(s, visits, draw, [&](auto* flow) {
      // When it was last heard of follows from when it would end. After a change of timeouts that is off by the change
      // until its next packet.
      const uint32_t timeout = snapshot.timeout_ticks(flow->service_slot, flow->state);
      const int32_t quiet = int32_t(timeout) - flow->expires_at.since(now);
      if (is_needed(core, *flow)) return;
      if (!rule.ends(flow->state, uint32_t(quiet > 0 ? quiet : 0), flow->in_packets)) return;
      core.tally.entries_dropped.add(1);
      end_flow(core, snapshot, flow, now);
    });
  };
  const auto templates = [&](auto& table, uint32_t s) { table.thin(s, visits, draw, template_gone(core)); };
  in_its_table(core.tables, shard, flows, templates);
}

bool end_orphans(Core& core, const service::Snapshot& snapshot, uint32_t shard, Tick now, uint32_t first,
                 uint32_t count) {
  const auto flows = [&](auto& table, uint32_t s) {
    return table.comb(s, first, count, [&](auto* flow) {
      if (!snapshot.server_gone(flow->server_slot, flow->service_slot)) return;
      core.tally.orphans_ended.add(1);
      end_flow(core, snapshot, flow, now);
    });
  };
  // A template of a deleted server finds its end when a client asks for it.
  return in_its_table(core.tables, shard, flows, [](auto&, uint32_t) { return false; });
}

}  // namespace vsnat::nat
