// SPDX-License-Identifier: Apache-2.0
//
// The parts of flow/table.h the packet path wants inlined. Included by it alone.
#pragma once

namespace vsnat::flow {

template <class Addr>
template <class Match>
inline typename Table<Addr>::FlowT* Table<Addr>::find(uint64_t hash, Match&& match, uint32_t likely) {
  if (likely != kNoFlow) [[likely]] {
    FlowT* flow = flow_at(likely);
    if (match(*flow)) [[likely]]
      return flow;
  }
  const uint32_t s = shard_index(hash);
  const uint16_t tag = tag_of(hash);
  uint32_t b = home_bucket(hash);
  for (unsigned probe = 0;; ++probe) {
    const Bucket& bucket = bucket_at(s, b);
    for (uint32_t found = bucket.match(tag); found != 0; found &= found - 1) {
      FlowT* flow = flow_at(bucket.index[std::countr_zero(found)]);
      if (match(*flow)) [[likely]]
        return flow;
    }
    if (bucket.spilled == 0 || probe + 1 == kMaxProbe) return nullptr;
    if (++b == buckets_) b = 0;
  }
}

template <class Addr>
inline typename Table<Addr>::FlowT* Table<Addr>::find_request(uint64_t hash, uint8_t protocol,
                                                              const Addr& client, wire::be16 client_port,
                                                              const Addr& virt, wire::be16 virtual_port,
                                                              uint32_t likely) {
  const auto is_wanted = [&](const FlowT& f) {
    return is_of_request(f, protocol, client, client_port, virt, virtual_port);
  };
  return find(hash, is_wanted, likely);
}

template <class Addr>
inline typename Table<Addr>::FlowT* Table<Addr>::find_reply(uint64_t hash, uint8_t protocol,
                                                            const Addr& client, wire::be16 client_port,
                                                            const Addr& real, wire::be16 real_port,
                                                            uint32_t likely) {
  const auto is_wanted = [&](const FlowT& f) {
    return is_of_reply(f, protocol, client, client_port, real, real_port);
  };
  return find(hash, is_wanted, likely);
}

template <class Addr>
inline uint32_t Table<Addr>::prefetch_flow(uint64_t hash, const Bucket& bucket) const {
  // Read without the lock: a stale tag costs a useless prefetch, never a wrong answer.
  const uint32_t found = bucket.match(tag_of(hash));
  if (found == 0) return kNoFlow;
  const uint32_t index = __atomic_load_n(&bucket.index[std::countr_zero(found)], __ATOMIC_RELAXED);
  const auto* flow = reinterpret_cast<const std::byte*>(flow_at(index));
  for (size_t at = 0; at < RecordSize<Addr>::value; at += 64) vsnat::prefetch(flow + at);
  if constexpr (RecordSize<Addr>::value % 64 != 0) vsnat::prefetch(flow + RecordSize<Addr>::value - 1);
  return index;
}

template <class Addr>
template <class OnEvict, class Keeps>
typename Table<Addr>::FlowT* Table<Addr>::insert(uint64_t hash, uint8_t protocol, const Addr& client,
                                                 wire::be16 client_port, Tick now, OnEvict&& on_evict,
                                                 Keeps&& keeps) {
  const uint32_t s = shard_index(hash);
  Shard& home = shard(s);
  const uint32_t first = s * records_;
  if (home.free_head == kNoFlow && home.high_water == records_) {
    for (unsigned i = 0; i < kEvictProbes && home.free_head == kNoFlow; ++i) {
      if (home.evict_cursor >= records_) home.evict_cursor = 0;
      FlowT* candidate = flow_at(first + home.evict_cursor++);
      const uint8_t proof = candidate->state == State::udp ? FlowT::kReplied : FlowT::kConfirmed;
      const bool dispensable = now.after(candidate->expires_at) || is_half_open(candidate->state) ||
                               is_closed(candidate->state) || (candidate->flags & proof) == 0;
      if (candidate->protocol == 0 || !dispensable || keeps(*candidate)) continue;
      on_evict(*candidate);
      erase(candidate);
      ++home.evicted;
    }
    if (home.free_head == kNoFlow) return nullptr;
  }
  uint32_t index;
  if (home.free_head != kNoFlow) {
    index = home.free_head;
    home.free_head = next_free(flow_at(index));
  } else {
    index = first + home.high_water++;
    if (index % kGroup == 0) due_of(index) = now;  // of a group that had no record yet
  }
  FlowT* flow = flow_at(index);
  *flow = FlowT{};
  if (!link(hash, index)) {
    next_free(flow) = home.free_head;
    home.free_head = index;
    return nullptr;
  }
  flow->protocol = protocol;
  flow->client = client;
  flow->client_port = client_port;
  flow->expires_at = now;
  bring_forward(index, now);
  ++home.flows;
  return flow;
}

/** Of a record whose deadline has passed. */
template <class Addr>
template <class OnExpire>
bool Table<Addr>::sweep_one(FlowT& flow, Tick now, OnExpire& on_expire) {
  if (flow.protocol == 0 || flow.expires_at.after(now)) return false;
  if constexpr (std::is_same_v<decltype(on_expire(flow)), bool>) {
    if (on_expire(flow)) return false;
  } else {
    on_expire(flow);
  }
  erase(&flow);
  return true;
}

template <class Addr>
template <class OnExpire>
uint32_t Table<Addr>::sweep(uint32_t s, Tick now, uint32_t budget, OnExpire&& on_expire) {
  Guard guard(*this, s);
  Shard& home = shard(s);
  const size_t first = size_t(s) * records_;
  uint32_t spent = 0;
  while (spent < budget && home.sweep_cursor < home.high_water) {
    const size_t index = first + home.sweep_cursor;
    Tick& due = due_of(index);
    ++spent;
    if (home.sweep_cursor % kGroup == 0) {
      if (due.after(now)) {
        home.sweep_cursor += kGroup;
        continue;
      }
      due = never(
          now);  // and as early as the earliest that is found, or that somebody brings forward meanwhile
    }
    ++home.sweep_cursor;
    Tick& deadline = deadlines()[index];
    if (!deadline.after(now)) {
      const bool is_removed = sweep_one(*flow_at(index), now, on_expire);
      deadline = flow_at(index)->protocol == 0 ? never(now) : flow_at(index)->expires_at;
      if (is_removed) {
        ++home.expired;
        spent += kRemovalCost - 1;
      }
    }
    if (due.after(deadline)) due = deadline;
  }
  // Not as soon as the cursor stands at the end: a full budget must always mean that there is more to look at.
  if (spent < budget) home.sweep_cursor = 0;
  return std::min(spent, budget);
}

template <class Addr>
template <class Draw, class Visit>
void Table<Addr>::sample(uint32_t s, uint32_t count, Draw&& draw, Visit&& visit) {
  Guard guard(*this, s);
  const uint32_t used = shard(s).high_water;
  for (; used > 0 && count > 0; --count) {
    FlowT* flow = flow_at(size_t(s) * records_ + draw(used));
    if (flow->protocol != 0) visit(flow);
  }
}

template <class Addr>
template <class Visit>
bool Table<Addr>::comb(uint32_t s, uint32_t first, uint32_t count, Visit&& visit) {
  Guard guard(*this, s);
  const uint32_t used = shard(s).high_water;
  const uint32_t end = first >= used ? used : first + std::min(count, used - first);
  for (uint32_t i = first; i < end; ++i) {
    FlowT* flow = flow_at(size_t(s) * records_ + i);
    if (flow->protocol != 0) visit(flow);
  }
  return end < used;
}

template <class Addr>
template <class Visit>
uint32_t Table<Addr>::walk(uint32_t cursor, uint32_t limit, Visit&& visit) {
  constexpr uint32_t kPerLock = 64;  // a walk never holds a shard for longer than this many records
  while (limit > 0 && cursor < shards_ * records_) {
    const uint32_t s = cursor / records_;
    const uint32_t begin = cursor % records_;
    Guard guard(*this, s);
    const uint32_t end_of_used = shard(s).high_water;
    if (begin >= end_of_used) {
      cursor = (s + 1) * records_;
      continue;
    }
    const uint32_t end = std::min(begin + std::min(kPerLock, limit), end_of_used);
    for (uint32_t i = begin; i < end; ++i) {
      const FlowT* flow = flow_at(size_t(s) * records_ + i);
      if (flow->protocol != 0) visit(*flow);
    }
    limit -= end - begin;
    cursor = s * records_ + end;
  }
  return cursor < shards_ * records_ ? cursor : kNoFlow;
}

}  // namespace vsnat::flow
