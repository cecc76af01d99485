// SPDX-License-Identifier: Apache-2.0
#include "flow/table.h"

#include <cmath>
#include <cstddef>
#include <cstring>

#include "base/check.h"

namespace vsnat::flow {
namespace {

constexpr uint64_t kMagic = 0x776f6c66744e5376;  // "vSNtflow"
constexpr uint32_t kShards = 16;
constexpr uint32_t kFlowsWorthSharding = 65536;
constexpr uint32_t kMeanFlowsPerBucket = 6;

size_t aligned(size_t bytes) {
  return (bytes + 63) & ~size_t{63};
}

}  // namespace

template <class Addr>
typename Table<Addr>::Geometry Table<Addr>::geometry(uint32_t capacity) {
  Geometry g{};
  g.shards = capacity >= kFlowsWorthSharding ? kShards : 1;
  const uint32_t mean = (capacity + g.shards - 1) / g.shards;
  // Flows fall into shards by chance. Six standard deviations of room let the whole table take `capacity`
  // flows before any shard is full.
  const uint32_t slack = g.shards == 1 ? 0 : uint32_t(6 * std::sqrt(double(mean)));
  g.records_per_shard = mean + slack;
  if (g.shards > 1) g.records_per_shard = (g.records_per_shard + kGroup - 1) / kGroup * kGroup;
  g.buckets_per_shard = std::max(2 * kMaxProbe, g.records_per_shard / kMeanFlowsPerBucket + 1);
  return g;
}

template <class Addr>
size_t Table<Addr>::Geometry::bytes() const {
  const size_t records = size_t(shards) * records_per_shard;
  return sizeof(Header) + sizeof(Shard) * shards + sizeof(Bucket) * shards * buckets_per_shard +
         aligned(records * RecordSize<Addr>::value) + aligned(records * sizeof(Tick)) +
         aligned((records + kGroup - 1) / kGroup * sizeof(Tick));
}

template <class Addr>
size_t Table<Addr>::bytes_for(uint32_t capacity) {
  return geometry(capacity).bytes();
}

template <class Addr>
size_t Table<Addr>::records_for(uint32_t capacity) {
  const Geometry g = geometry(capacity);
  return size_t(g.shards) * g.records_per_shard;
}

template <class Addr>
uint64_t Table<Addr>::seal_of(const Header& header) {
  SipHash13 hash(HashKey{kMagic, kLayoutVersion});
  uint64_t words[offsetof(Header, seal) / 8];
  std::memcpy(words, &header, sizeof(words));
  for (const uint64_t word : words) hash.word(word);
  return hash.finish(0, sizeof(words));
}

template <class Addr>
void Table<Addr>::bind(std::span<std::byte> memory) {
  const auto& header = *reinterpret_cast<const Header*>(memory.data());
  base_ = memory.data();
  shards_ = header.shards;
  buckets_ = header.buckets_per_shard;
  records_ = header.records_per_shard;
  key_ = header.key;
  keyed_ = SipHash13(key_);
  std::byte* at = base_ + sizeof(Header);
  shard_base_ = reinterpret_cast<Shard*>(at);
  at += sizeof(Shard) * shards_;
  bucket_base_ = reinterpret_cast<Bucket*>(at);
  at += sizeof(Bucket) * shards_ * buckets_;
  record_base_ = at;
  at += aligned(size_t(shards_) * records_ * RecordSize<Addr>::value);
  deadline_base_ = reinterpret_cast<Tick*>(at);
  at += aligned(size_t(shards_) * records_ * sizeof(Tick));
  due_base_ = reinterpret_cast<Tick*>(at);
}

template <class Addr>
void Table<Addr>::format(std::span<std::byte> memory, uint32_t capacity, HashKey key, Sharing sharing) {
  const Geometry g = geometry(capacity);
  VSNAT_CHECK(memory.size() >= g.bytes(), "a flow table needs bytes_for(capacity) of memory");
  VSNAT_CHECK(reinterpret_cast<uintptr_t>(memory.data()) % 64 == 0, "a flow table begins on a cache line");
  auto& header = *reinterpret_cast<Header*>(memory.data());
  header = Header{kMagic,   kLayoutVersion,      uint32_t(RecordSize<Addr>::value),
                  g.shards, g.buckets_per_shard, g.records_per_shard,
                  capacity, g.bytes(),           key,
                  0};
  header.seal = seal_of(header);
  sharing_ = sharing;
  bind(memory);
  for (uint32_t s = 0; s < shards_; ++s) shard(s).free_head = kNoFlow;
}

template <class Addr>
bool Table<Addr>::attach(std::span<std::byte> memory, Sharing sharing) {
  if (memory.size() < sizeof(Header)) return false;
  const auto& header = *reinterpret_cast<const Header*>(memory.data());
  if (header.magic != kMagic || header.layout_version != kLayoutVersion) return false;
  if (header.seal != seal_of(header)) return false;
  if (header.record_bytes != RecordSize<Addr>::value || header.total_bytes > memory.size()) return false;
  const Geometry g{header.shards, header.buckets_per_shard, header.records_per_shard};
  const Geometry expected = geometry(header.capacity);
  if (g.shards != expected.shards || g.buckets_per_shard != expected.buckets_per_shard ||
      g.records_per_shard != expected.records_per_shard || header.total_bytes != g.bytes()) {
    return false;
  }
  sharing_ = sharing;
  bind(memory);
  for (uint32_t s = 0; s < shards_; ++s) {
    if (!shard(s).lock.is_held()) continue;
    repair(s);
    shard(s).lock.unlock();
  }
  forget_shortcuts();
  return true;
}

/** They were another process's, and its slots are somebody else's by now. */
template <class Addr>
void Table<Addr>::forget_shortcuts() {
  for (uint32_t s = 0; s < shards_; ++s) {
    const uint32_t used = std::min(shard(s).high_water, records_);
    for (uint32_t i = 0; i < used; ++i)
      flow_at(size_t(s) * records_ + i)->flags &= uint8_t(~FlowT::kShortcut);
  }
}

template <class Addr>
void Table<Addr>::repair(uint32_t s) {
  Shard& home = shard(s);
  std::memset(static_cast<void*>(&bucket_at(s, 0)), 0, sizeof(Bucket) * buckets_);
  home.high_water = std::min(home.high_water, records_);
  home.flows = 0;
  home.free_head = kNoFlow;
  home.sweep_cursor = home.evict_cursor = 0;
  const uint32_t first = s * records_;
  for (uint32_t i = home.high_water; i-- > 0;) {  // backwards, so that the free list begins at the lowest
    FlowT* flow = flow_at(first + i);
    // A record that was being filled may have any part of its tuple. Where it does not belong here, it is free.
    const uint64_t h = hash(flow->protocol, flow->client, flow->client_port);
    if (flow->protocol != 0 && shard_index(h) == s && link(h, first + i)) {
      deadlines()[first + i] = flow->expires_at;
      ++home.flows;
      continue;
    }
    flow->protocol = 0;
    next_free(flow) = home.free_head;
    home.free_head = first + i;
  }
  for (uint32_t i = 0; i < home.high_water; ++i) {
    const size_t index = first + i;
    if (i % kGroup == 0 || due_of(index).after(deadlines()[index])) due_of(index) = deadlines()[index];
  }
}

template <class Addr>
bool Table<Addr>::link(uint64_t hash, uint32_t index) {
  const uint32_t s = shard_index(hash);
  const uint32_t home = home_bucket(hash);
  uint32_t b = home;
  for (unsigned probe = 0; probe < kMaxProbe; ++probe) {
    Bucket& bucket = bucket_at(s, b);
    for (unsigned i = 0; i < kSlots; ++i) {
      if (bucket.tag[i] != 0) continue;
      __atomic_store_n(&bucket.index[i], index, __ATOMIC_RELAXED);
      __atomic_store_n(&bucket.tag[i], tag_of(hash), __ATOMIC_RELAXED);
      for (uint32_t passed = home; passed != b; passed = passed + 1 == buckets_ ? 0 : passed + 1) {
        ++bucket_at(s, passed).spilled;
      }
      return true;
    }
    if (++b == buckets_) b = 0;
  }
  return false;
}

template <class Addr>
void Table<Addr>::unlink(uint64_t hash, uint32_t index) {
  const uint32_t s = shard_index(hash);
  const uint32_t home = home_bucket(hash);
  uint32_t b = home;
  for (unsigned probe = 0; probe < kMaxProbe; ++probe) {
    Bucket& bucket = bucket_at(s, b);
    for (unsigned i = 0; i < kSlots; ++i) {
      if (bucket.tag[i] != tag_of(hash) || bucket.index[i] != index) continue;
      __atomic_store_n(&bucket.tag[i], uint16_t{0}, __ATOMIC_RELAXED);
      for (uint32_t passed = home; passed != b; passed = passed + 1 == buckets_ ? 0 : passed + 1) {
        --bucket_at(s, passed).spilled;
      }
      return;
    }
    if (++b == buckets_) b = 0;
  }
  VSNAT_CHECK(false, "a live flow is in one of its buckets");
}

template <class Addr>
void Table<Addr>::erase(FlowT* flow) {
  const uint64_t h = hash(flow->protocol, flow->client, flow->client_port);
  const uint32_t index = index_of(flow);
  unlink(h, index);
  Shard& home = shard(shard_index(h));
  flow->protocol = 0;
  next_free(flow) = home.free_head;
  home.free_head = index;
  --home.flows;
}

template <class Addr>
TableStats Table<Addr>::stats() const {
  const auto& header = *reinterpret_cast<const Header*>(base_);
  TableStats total;
  total.capacity = header.capacity;
  total.bytes = header.total_bytes;
  for (uint32_t s = 0; s < shards_; ++s) {
    Guard guard(const_cast<Table&>(*this), s);
    total.flows += shard(s).flows;
    total.expired += shard(s).expired;
    total.evicted += shard(s).evicted;
  }
  return total;
}

template class Table<wire::Addr4>;
template class Table<wire::Addr6>;

}  // namespace vsnat::flow
