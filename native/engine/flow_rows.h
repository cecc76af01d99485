// SPDX-License-Identifier: Apache-2.0
//
// The connection table, row by row, for people.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/time.h"
#include "nat/step.h"
#include "service/places.h"

namespace vsnat::engine {

struct FlowRow {
  uint8_t protocol;  // kAnyProtocol of flow/templates.h: a mark's template
  flow::State state;
  /** A persistence template, which has no state but this. */
  bool is_template, is_assured;
  int32_t expires_in_ticks;
  service::IpAddress client, virt, real;
  uint16_t client_port, virtual_port, real_port;
  uint32_t service_slot, server_slot;
  uint8_t queue;
  /** A template's Call-ID, as far as call_id_length. Not a string: rows are filled in while a shard is locked. */
  uint8_t call_id_length;
  std::array<char, 255> call_id;
};

inline constexpr uint64_t kWalkEnd = ~uint64_t{0};

/** Rows from `cursor` on, looking at up to `limit` records; returns the next cursor or kWalkEnd. */
uint64_t walk_flows(nat::FlowTables& tables, uint64_t cursor, uint32_t limit, Now now,
                    std::vector<FlowRow>& rows);

}  // namespace vsnat::engine
