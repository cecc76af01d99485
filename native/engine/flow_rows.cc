// SPDX-License-Identifier: Apache-2.0
#include "engine/flow_rows.h"

#include <algorithm>
#include <string_view>

namespace vsnat::engine {
namespace {

void set_address(service::IpAddress& to, const wire::Addr4& from) {
  to.family = 4;
  to.v4 = from;
}
void set_address(service::IpAddress& to, const wire::Addr6& from) {
  to.family = 6;
  to.v6 = from;
}

void set_call_id(FlowRow& row, std::string_view call_id) {
  row.call_id_length = uint8_t(call_id.size());
  std::copy(call_id.begin(), call_id.end(), row.call_id.begin());
}

template <class Addr>
FlowRow row_of(const flow::Flow<Addr>& flow, Now now, bool is_template) {
  FlowRow row{};
  row.protocol = flow.protocol;
  row.state = flow.state;
  row.is_template = is_template;
  row.is_assured = is_template && flow::Templates<Addr>::is_assured(flow);
  row.expires_in_ticks = std::max(0, flow.expires_at.since(now.tick()));
  set_address(row.client, flow.client);
  set_address(row.virt, flow.virt);
  set_address(row.real, flow.real);
  row.client_port = is_template ? 0 : flow.client_port.host();
  row.virtual_port = flow.virtual_port.host();
  row.real_port = flow.real_port.host();
  row.service_slot = flow.service_slot;
  row.server_slot = flow.server_slot;
  row.queue = flow.queue;
  return row;
}

}  // namespace

uint64_t walk_flows(nat::FlowTables& tables, uint64_t cursor, uint32_t limit, Now now,
                    std::vector<FlowRow>& rows) {
  rows.reserve(rows.size() + limit);  // not while a shard is locked
  // The upper half of a cursor numbers the table, the lower the record.
  const uint64_t table = cursor >> 32;
  const auto walk_flows = [&](auto& records) {
    return records.walk(uint32_t(cursor), limit,
                        [&](const auto& flow) { rows.push_back(row_of(flow, now, false)); });
  };
  const auto walk_templates = [&](auto& templates) {
    return templates.table().walk(uint32_t(cursor), limit, [&](const auto& record) {
      rows.push_back(row_of(record, now, true));
      set_call_id(rows.back(), templates.word_of(record));
    });
  };
  uint32_t next = flow::kNoFlow;
  if (table == 0) next = walk_flows(tables.v4);
  if (table == 1) next = walk_flows(tables.v6);
  if (table == 2) next = walk_templates(tables.templates4);
  if (table == 3) next = walk_templates(tables.templates6);
  if (next != flow::kNoFlow) return table << 32 | next;
  return table < 3 ? (table + 1) << 32 : kWalkEnd;
}

}  // namespace vsnat::engine
