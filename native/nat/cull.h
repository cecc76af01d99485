// SPDX-License-Identifier: Apache-2.0
//
// Connections that end before their time: by drop_entry, while memory is short, and by expire_nodest_conn, when
// their server has left. Both tell nobody, as the kernel does. A bounded number of records per call.
#pragma once

#include <array>
#include <cstdint>

#include "nat/step.h"

namespace vsnat::nat {

/**
 * Whether drop_entry ends a flow it came upon (ip_vs_conn.c, ip_vs_random_dropentry and todrop_entry): a handshake in
 * progress always; an established or UDP one that was quiet for a minute when it has had 1 to 8 packets of its client,
 * and of those with n packets every n-th; any other stays. So does, whatever the rule says, an FTP
 * control connection with living data connections.
 */
class DropEntryRule {
 public:
  static constexpr uint32_t kQuietSeconds = 60;

  bool ends(flow::State state, uint32_t quiet_ticks, uint8_t in_packets) {
    using flow::State;
    if (state == State::syn_recv || state == State::synack) return true;
    if (state == State::sctp_init1 || state == State::sctp_init) return true;
    if (state != State::established && state != State::sctp_established && state != State::udp) return false;
    if (quiet_ticks < ticks_from_seconds(kQuietSeconds)) return false;
    if (in_packets == 0 || in_packets >= to_go_.size()) return false;
    if (--to_go_[in_packets] > 0) return false;
    to_go_[in_packets] = int8_t(in_packets);
    return true;
  }

 private:
  std::array<int8_t, 9> to_go_{};
};

/** Records of one shard (numbered as for expire()) that were ever in use. */
uint32_t records_used(FlowTables& tables, uint32_t shard);

/** Look at `visits` records of one shard, drawn by chance; end the flows `rule` ends, and templates not yet assured. */
void drop_entries(Core& core, const service::Snapshot& snapshot, uint32_t shard, Tick now, uint32_t visits,
                  DropEntryRule& rule);

/**
 * End the flows whose server has left, in `count` records of one shard from `first` on. False when that was the end
 * of the shard.
 */
bool end_orphans(Core& core, const service::Snapshot& snapshot, uint32_t shard, Tick now, uint32_t first,
                 uint32_t count);

}  // namespace vsnat::nat
