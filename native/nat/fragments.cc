// SPDX-License-Identifier: Apache-2.0
#include "nat/fragments.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "nat/answer.h"

namespace vsnat::nat {
namespace {

constexpr size_t aligned(size_t bytes, size_t to) {
  return (bytes + to - 1) / to * to;
}

/** Call `each(word index, mask)` for the words of a bit set that bits [begin, end) lie in. */
template <class Each>
void for_words(uint32_t begin, uint32_t end, Each&& each) {
  while (begin < end) {
    const uint32_t word = begin / 64, from = begin % 64;
    const uint32_t count = std::min(64 - from, end - begin);
    const uint64_t ones = count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
    each(word, ones << from);
    begin += count;
  }
}

}  // namespace

FragmentKey fragment_key(const wire::PacketView& piece) {
  FragmentKey key;
  const size_t bytes = piece.family == 4 ? sizeof(wire::Addr4) : sizeof(wire::Addr6);
  const void* source = piece.family == 4 ? static_cast<const void*>(&piece.v4().saddr) : &piece.v6().saddr;
  std::memcpy(key.source.data(), source, bytes);
  std::memcpy(key.destination.data(), static_cast<const uint8_t*>(source) + bytes, bytes);
  key.id = piece.fragment_id;
  key.protocol = piece.protocol;
  key.family = piece.family;
  return key;
}

Extent extent_of(const wire::PacketView& piece) {
  const uint32_t bytes = piece.length - piece.piece_offset;
  Extent extent;
  extent.begin = piece.fragment_offset / 8u;
  extent.end = (piece.fragment_offset + bytes + 7) / 8u;
  extent.is_last = !piece.more_fragments;
  extent.is_impossible =
      bytes == 0 || piece.fragment_offset + bytes > 65535 || (piece.more_fragments && bytes % 8 != 0);
  return extent;
}

size_t Fragments::bytes_for(const FragmentLimits& limits) {
  return aligned(sizeof(Datagram) * limits.datagrams, 64) + sizeof(uint32_t) * kBuckets +
         sizeof(uint16_t) * kSources + limits.bytes;
}

void Fragments::format(std::span<std::byte> memory, const FragmentLimits& limits, HashKey key,
                       flow::Sharing sharing) {
  VSNAT_CHECK(memory.size() >= bytes_for(limits), "the fragment memory needs bytes_for(limits)");
  VSNAT_CHECK(reinterpret_cast<uintptr_t>(memory.data()) % 64 == 0 && limits.bytes % 64 == 0,
              "the fragment memory and its ring begin on a cache line");
  VSNAT_CHECK(std::has_single_bit(limits.datagrams) && limits.datagrams >= kWays,
              "datagrams are kept in a power of two of places");
  limits_ = limits;
  key_ = key;
  sharing_ = sharing;
  std::byte* at = memory.data();
  datagrams_ = reinterpret_cast<Datagram*>(at);
  at += aligned(sizeof(Datagram) * limits.datagrams, 64);
  buckets_ = reinterpret_cast<uint32_t*>(at);
  at += sizeof(uint32_t) * kBuckets;
  held_of_source_ = reinterpret_cast<uint16_t*>(at);
  at += sizeof(uint16_t) * kSources;
  ring_ = at;
  head_ = tail_ = 0;
  waiting_ = 0;
}

uint64_t Fragments::hash_of(const FragmentKey& key) const {
  SipHash13 hash(key_);
  uint64_t words[4];
  std::memcpy(words, key.source.data(), 16);
  std::memcpy(words + 2, key.destination.data(), 16);
  for (const uint64_t word : words) hash.word(word);
  return hash.finish(uint64_t(key.family) << 40 | uint64_t(key.protocol) << 32 | key.id, 38);
}

uint16_t Fragments::source_of(const FragmentKey& key) const {
  SipHash13 hash(key_);
  uint64_t words[2];
  std::memcpy(words, key.source.data(), 16);
  for (const uint64_t word : words) hash.word(word);
  return uint16_t(hash.finish(key.family, 17) % kSources);
}

std::span<Fragments::Datagram> Fragments::set_of(uint64_t hash) const {
  const uint64_t sets = limits_.datagrams / kWays;
  return {datagrams_ + (hash & (sets - 1)) * kWays, kWays};
}

Fragments::Datagram* Fragments::find(uint64_t hash, const FragmentKey& key, Tick now) const {
  for (Datagram& datagram : set_of(hash)) {
    if (!datagram.used || !(datagram.key == key)) continue;
    const bool too_old = now.after(datagram.since.plus(ticks_from_seconds(kRememberSeconds)));
    return too_old ? nullptr : &datagram;
  }
  return nullptr;
}

bool Fragments::note(Datagram& datagram, const Extent& extent) {
  uint32_t already = 0;
  for_words(extent.begin, extent.end, [&](uint32_t word, uint64_t mask) {
    already += uint32_t(std::popcount(datagram.seen[word] & mask));
  });
  const uint32_t units = extent.end - extent.begin;
  if (already == units) return false;
  const bool beyond_end = datagram.units_total != 0 && extent.end > datagram.units_total;
  bool ends_early = false;
  if (extent.is_last) {
    ends_early = datagram.units_total != 0 && datagram.units_total != extent.end;
    for_words(extent.end, kUnits, [&](uint32_t word, uint64_t mask) {
      ends_early = ends_early || (datagram.seen[word] & mask) != 0;
    });
  }
  if (already != 0 || beyond_end || ends_early) {
    datagram.fate.kind = Fate::Kind::drop;
    return false;
  }
  for_words(extent.begin, extent.end, [&](uint32_t word, uint64_t mask) { datagram.seen[word] |= mask; });
  datagram.units_seen += units;
  if (extent.is_last) datagram.units_total = extent.end;
  return true;
}

bool Fragments::repeats(const FragmentKey& key, const Extent& extent, Tick now) {
  Guard guard(*this);
  Datagram* datagram = find(hash_of(key), key, now);
  if (datagram == nullptr || now.after(datagram->since.plus(ticks_from_seconds(kRepeatSeconds))))
    return false;
  note(*datagram, extent);
  return true;
}

bool Fragments::decide(const FragmentKey& key, const Extent& extent, const Fate& fate, Tick now) {
  Guard guard(*this);
  const uint64_t hash = hash_of(key);
  const std::span<Datagram> set = set_of(hash);
  Datagram* place = &set[0];
  for (Datagram& datagram : set) {
    const bool is_free = !datagram.used || datagram.key == key;
    if (is_free || place->since.after(datagram.since)) place = &datagram;
    if (is_free) break;
  }
  *place = Datagram{};
  place->key = key;
  place->fate = fate;
  place->since = now;
  place->used = true;
  note(*place, extent);
  bool others_wait = false;
  for_held(hash, key, [&](const Held&) { others_wait = true; });
  return others_wait;
}

Fragments::Arrival Fragments::arrive(const FragmentKey& key, const Extent& extent,
                                     const wire::PacketView& piece, bool may_wait, Tick now) {
  Guard guard(*this);
  Arrival arrival;
  const uint64_t hash = hash_of(key);
  if (Datagram* datagram = find(hash, key, now)) {
    const bool is_dead = datagram->fate.kind == Fate::Kind::drop;
    arrival.standing = is_dead || note(*datagram, extent) ? Standing::known : Standing::repeated;
    arrival.fate = datagram->fate;
    // Complete: what comes under this number next is another datagram.
    if (!is_dead && datagram->units_seen == datagram->units_total) datagram->used = false;
    return arrival;
  }
  if (!may_wait) return arrival;
  Held* held = hold(hash, key, piece, 0, now, arrival);
  if (held == nullptr || !extent.is_last) return arrival;
  held->datagram_bytes = piece.fragment_offset + piece.length - piece.piece_offset;
  for_held(hash, key, [&](const Held& other) { arrival.completes = arrival.completes || other.is_first; });
  return arrival;
}

uint32_t Fragments::datagram_bytes(const FragmentKey& key) {
  Guard guard(*this);
  uint32_t bytes = 0;
  for_held(hash_of(key), key, [&](const Held& piece) { bytes = std::max(bytes, piece.datagram_bytes); });
  return bytes;
}

Fragments::Arrival Fragments::hold_first(const FragmentKey& key, const wire::PacketView& piece, Tick now) {
  Guard guard(*this);
  Arrival arrival;
  const uint64_t hash = hash_of(key);
  // What is still known under this number is another datagram.
  if (Datagram* datagram = find(hash, key, now)) datagram->used = false;
  if (Held* held = hold(hash, key, piece, kAnswerHeadroom, now, arrival)) held->is_first = true;
  return arrival;
}

Fragments::Held* Fragments::hold(uint64_t hash, const FragmentKey& key, const wire::PacketView& piece,
                                 uint32_t headroom, Tick now, Arrival& arrival) {
  const uint16_t source = source_of(key);
  arrival.standing = Standing::refused;
  if (held_of_source_[source] >= limits_.pieces_per_source) return nullptr;
  Held* held = append(piece.length + headroom, arrival.evicted);
  if (held == nullptr) return nullptr;
  std::memcpy(held->packet(), piece.ip, piece.length);
  held->length = piece.length;
  held->key = key;
  held->source = source;
  held->bucket = bucket_of(hash);
  held->until = now.plus(ticks_from_seconds(kHoldSeconds));
  held->next = buckets_[held->bucket];
  buckets_[held->bucket] = offset_of(*held) + 1;
  ++held_of_source_[source];
  ++waiting_;
  arrival.standing = Standing::held;
  return held;
}

Fragments::Held* Fragments::append(uint32_t packet_bytes, uint32_t& evicted) {
  const uint32_t need = uint32_t(aligned(sizeof(Held) + kHeadroom + packet_bytes, alignof(Held)));
  const auto place = uint32_t(head_ % limits_.bytes);
  // No record lies across the end; what is left there becomes one that is free.
  const uint32_t skipped = limits_.bytes - place < need ? limits_.bytes - place : 0;
  if (skipped + need > limits_.bytes) return nullptr;
  while (head_ + skipped + need - tail_ > limits_.bytes || waiting_ >= limits_.pieces) {
    bool was_waiting = false;
    if (!drop_oldest(was_waiting)) return nullptr;
    if (was_waiting) ++evicted;
  }
  if (skipped >= sizeof(Held)) {
    Held& filler = at(head_);
    filler = Held{};
    filler.record_bytes = skipped;
  }
  head_ += skipped;
  Held& held = at(head_);
  held = Held{};
  held.record_bytes = need;
  held.state = Held::State::waiting;
  head_ += need;
  return &held;
}

bool Fragments::drop_oldest(bool& was_waiting) {
  if (tail_ == head_) return false;
  const auto left = uint32_t(limits_.bytes - tail_ % limits_.bytes);
  if (left < sizeof(Held)) {
    tail_ += left;
    return true;
  }
  Held& oldest = at(tail_);
  if (oldest.state == Held::State::taken) return false;
  was_waiting = oldest.state == Held::State::waiting;
  if (was_waiting) unlink(oldest);
  tail_ += oldest.record_bytes;
  return true;
}

void Fragments::unlink(Held& piece) {
  const uint32_t wanted = offset_of(piece) + 1;
  uint32_t* link = &buckets_[piece.bucket];
  while (*link != wanted) link = &reinterpret_cast<Held*>(ring_ + (*link - 1))->next;
  *link = piece.next;
  --held_of_source_[piece.source];
  --waiting_;
}

Fragments::Held* Fragments::take(const FragmentKey& key) {
  Guard guard(*this);
  Held* next = nullptr;
  for_held(hash_of(key), key, [&](Held& piece) {
    if (next == nullptr || piece.is_first || !next->is_first) next = &piece;
  });
  if (next == nullptr) return nullptr;
  unlink(*next);
  next->state = Held::State::taken;
  return next;
}

void Fragments::give_back(Held* piece) {
  Guard guard(*this);
  piece->state = Held::State::free;
}

uint32_t Fragments::expire(Tick now) {
  Guard guard(*this);
  uint32_t gone = 0;
  while (tail_ != head_) {
    const bool has_record = limits_.bytes - tail_ % limits_.bytes >= sizeof(Held);
    if (has_record && at(tail_).state == Held::State::waiting && !now.after(at(tail_).until)) break;
    bool was_waiting = false;
    if (!drop_oldest(was_waiting)) break;
    if (was_waiting) ++gone;
  }
  return gone;
}

}  // namespace vsnat::nat
