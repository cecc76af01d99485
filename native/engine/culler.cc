// SPDX-License-Identifier: Apache-2.0
#include "engine/culler.h"

#include <algorithm>

namespace vsnat::engine {

bool Culler::run(nat::Core& core, const service::Snapshot& snapshot, Now now) {
  const bool orphans = end_orphans(core, snapshot, now.tick());
  return drop_entries(core, snapshot, now) || orphans;
}

bool Culler::end_orphans(nat::Core& core, const service::Snapshot& snapshot, Tick now) {
  if (orphan_shard_ >= nat::expirable_shards(core.tables)) {
    orphan_shard_ = kIdle;
    return false;
  }
  if (nat::end_orphans(core, snapshot, orphan_shard_, now, orphan_record_, kInSequencePerSlice)) {
    orphan_record_ += kInSequencePerSlice;
  } else {
    orphan_shard_ += stride_;
    orphan_record_ = 0;
  }
  return true;
}

bool Culler::drop_entries(nat::Core& core, const service::Snapshot& snapshot, Now now) {
  if (core.defence == nullptr || !core.defence->drops_entries()) {
    drop_shard_ = kIdle;
    return false;
  }
  const uint32_t shards = nat::expirable_shards(core.tables);
  if (drop_shard_ >= shards) {
    if (now.ms < next_round_ms_) return false;
    next_round_ms_ = now.ms + kEveryMs;
    drop_shard_ = first_;
    if (drop_shard_ >= shards) return false;  // more lanes than shards: this one has none
    visits_left_ = share_of(core, drop_shard_);
  }
  const uint32_t visits = std::min(visits_left_, kDrawnPerSlice);
  nat::drop_entries(core, snapshot, drop_shard_, now.tick(), visits, rule_);
  visits_left_ -= visits;
  if (visits_left_ > 0) return true;
  drop_shard_ += stride_;
  if (drop_shard_ < shards) visits_left_ = share_of(core, drop_shard_);
  return drop_shard_ < shards;
}

uint32_t Culler::share_of(nat::Core& core, uint32_t shard) {
  const uint64_t used = nat::records_used(core.tables, shard);
  return uint32_t((used + core.prng.below(kShareOfRecords)) / kShareOfRecords);
}

}  // namespace vsnat::engine
