// SPDX-License-Identifier: Apache-2.0
//
// Ends connections early, a slice between two bursts: drop_entry looks at a 32nd of the records of every shard once a
// second, as the kernel does at a 32nd of its buckets, and after a change of the configuration expire_nodest_conn
// looks at all of them once. Belongs to one lane; shards are divided among the lanes as for expiry.
#pragma once

#include <cstdint>

#include "nat/cull.h"

namespace vsnat::engine {

class Culler {
 public:
  Culler(uint32_t first_shard, uint32_t stride) : first_(first_shard), stride_(stride) {}

  /** A snapshot with expire_nodest_conn was adopted. */
  void look_for_orphans() {
    orphan_shard_ = first_;
    orphan_record_ = 0;
  }

  /** One slice of what there is to do. True while there is more to do at once. */
  bool run(nat::Core& core, const service::Snapshot& snapshot, Now now);
  /** Of that only what expire_nodest_conn ends. */
  bool end_orphans(nat::Core& core, const service::Snapshot& snapshot, Tick now);

 private:
  static constexpr uint32_t kShareOfRecords = 32, kEveryMs = 1000;
  // Drawn records are a cache miss each, those in sequence are not.
  static constexpr uint32_t kDrawnPerSlice = 64, kInSequencePerSlice = 512;
  static constexpr uint32_t kIdle = 0xffffffff;

  bool drop_entries(nat::Core& core, const service::Snapshot& snapshot, Now now);
  /** How many records of a shard to look at: where its share is no whole number, chance rounds it. */
  static uint32_t share_of(nat::Core& core, uint32_t shard);

  const uint32_t first_, stride_;
  uint32_t orphan_shard_ = kIdle, orphan_record_ = 0;
  uint32_t drop_shard_ = kIdle, visits_left_ = 0;
  uint64_t next_round_ms_ = 0;
  nat::DropEntryRule rule_;
};

}  // namespace vsnat::engine
