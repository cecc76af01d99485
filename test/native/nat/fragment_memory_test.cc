// SPDX-License-Identifier: Apache-2.0
//
// The memory of datagrams in pieces, alone: against a model that keeps everything in a list, at its bounds, and from
// several threads at once.
#include <pthread.h>

#include <cstring>
#include <deque>
#include <map>
#include <memory>

#include "base/mapping.h"
#include "nat/fragments.h"
#include "test/native/check.h"
#include "test/native/support/packets.h"
#include "test/native/support/views.h"

namespace vsnat::test {
namespace {

using nat::Extent;
using nat::Fate;
using nat::FragmentKey;
using nat::FragmentLimits;
using nat::Fragments;
using Standing = Fragments::Standing;

struct Memory {
  explicit Memory(const FragmentLimits& limits, flow::Sharing sharing = flow::Sharing::exclusive) {
    auto mapped = Mapping::anonymous(Fragments::bytes_for(limits), "test");
    if (!CHECK(bool(mapped))) return;
    mapping = std::move(mapped.value());
    fragments.format(mapping.bytes(), limits, HashKey{1, 2}, sharing);
  }
  Mapping mapping;
  Fragments fragments;
};

/** A piece of datagram `id` from host `source`: `units` of eight bytes at `begin`, the first of which look like UDP. */
struct Piece {
  Piece(uint8_t source, uint16_t id, uint32_t begin, uint32_t units, bool last, uint8_t mark) {
    bytes = udp(4)
                .from({ip4(203, 0, 113, source), 7})
                .ip_id(id)
                .fragment_field(uint16_t((last ? 0 : 0x2000) | begin))
                .payload(Bytes((units - 1) * 8, mark))
                .bytes();
    wire::vnet_hdr vnet;
    CHECK_EQ(wire::parse(bytes, vnet, view), wire::kNoDrop);
  }
  FragmentKey key() const { return nat::fragment_key(view); }
  Extent extent() const { return nat::extent_of(view); }

  Bytes bytes;
  wire::PacketView view;
};

Bytes bytes_of(Fragments::Held* held) {
  return Bytes(held->packet(), held->packet() + held->length);
}

TEST("held pieces come out of the ring as a list would give them, through many laps") {
  Random random("held pieces come out of the ring as a list would give them, through many laps");
  Memory memory({.datagrams = 64, .pieces = 40, .pieces_per_source = 1000, .bytes = 8192});
  struct Waiting {
    FragmentKey key;
    Bytes bytes;
    Tick until;
  };
  std::deque<Waiting> model;
  uint32_t tick = 0;
  for (int round = 0; round < scaled(20000); ++round) {
    const Now now{uint64_t(tick) * 125};
    if (random.one_in(8)) tick += random.below(6);
    if (random.one_in(50)) {
      uint32_t gone = 0;
      while (!model.empty() && now.tick().after(model.front().until)) model.pop_front(), ++gone;
      if (!CHECK_EQ(memory.fragments.expire(now.tick()), gone)) return;
    } else if (random.one_in(3) && !model.empty()) {
      const FragmentKey key = model[random.below(uint32_t(model.size()))].key;
      Fragments::Held* held = memory.fragments.take(key);
      if (!CHECK(held != nullptr)) return;
      size_t i = 0;
      while (!(model[i].key == key)) ++i;
      if (!CHECK(bytes_of(held) == model[i].bytes)) return;
      memory.fragments.give_back(held);
      model.erase(model.begin() + long(i));
    } else {
      const Piece piece(uint8_t(random.between(1, 5)), uint16_t(random.below(12)), random.between(1, 500),
                        random.between(1, 90), random.one_in(2), random.byte());
      const auto arrival = memory.fragments.arrive(piece.key(), piece.extent(), piece.view, true, now.tick());
      // Whoever is evicted is the oldest; how many that takes is the ring's affair, but never more than it must be.
      for (uint32_t n = 0; n < arrival.evicted; ++n) {
        if (!CHECK(!model.empty())) return;
        model.pop_front();
      }
      if (!CHECK_EQ(arrival.standing, Standing::held)) return;
      model.push_back({piece.key(), piece.bytes, now.tick().plus(16)});
    }
    if (!CHECK_EQ(memory.fragments.waiting(), uint32_t(model.size()))) return;
    if (!CHECK(model.size() <= 40)) return;
  }
  while (!model.empty()) {
    Fragments::Held* held = memory.fragments.take(model.front().key);
    if (!CHECK(held != nullptr && bytes_of(held) == model.front().bytes)) return;
    memory.fragments.give_back(held);
    model.pop_front();
  }
}

TEST("no piece is evicted while there is room, and a piece larger than the ring is refused") {
  Memory memory({.datagrams = 64, .pieces = 1000, .pieces_per_source = 1000, .bytes = 16384});
  uint32_t held = 0;
  for (uint16_t id = 0;; ++id) {
    const Piece piece(1, id, 1, 100, true, 7);
    const auto arrival = memory.fragments.arrive(piece.key(), piece.extent(), piece.view, true, Tick{0});
    if (arrival.evicted > 0) break;
    ++held;
  }
  CHECK(held >= 16384 / (820 + sizeof(Fragments::Held) + Fragments::kHeadroom + 16));
  const Piece giant(2, 1, 1, 2100, true, 7);
  const auto arrival = memory.fragments.arrive(giant.key(), giant.extent(), giant.view, true, Tick{0});
  CHECK_EQ(arrival.standing, Standing::refused);
}

TEST("a piece somebody holds in his hands is not overwritten, however many come") {
  Memory memory({.datagrams = 64, .pieces = 1000, .pieces_per_source = 1000, .bytes = 8192});
  const Piece mine(1, 1, 1, 50, true, 0xab);
  CHECK_EQ(memory.fragments.arrive(mine.key(), mine.extent(), mine.view, true, Tick{0}).standing,
           Standing::held);
  Fragments::Held* held = memory.fragments.take(mine.key());
  if (!CHECK(held != nullptr)) return;
  int refused = 0;
  for (uint16_t id = 2; id < 60; ++id) {
    const Piece piece(2, id, 1, 60, true, uint8_t(id));
    refused += memory.fragments.arrive(piece.key(), piece.extent(), piece.view, true, Tick{0}).standing ==
               Standing::refused;
  }
  CHECK(refused > 0);
  CHECK(bytes_of(held) == mine.bytes);
  CHECK_EQ(memory.fragments.expire(Tick{1000}), 0u);  // it stands in the way of all the others
  memory.fragments.give_back(held);
  CHECK(memory.fragments.expire(Tick{1000}) > 0);
  CHECK_EQ(memory.fragments.waiting(), 0u);
}

TEST("what was seen of a datagram is known to the byte, against a map of bytes") {
  Random random("what was seen of a datagram is known to the byte, against a map of bytes");
  for (int round = 0; round < scaled(300); ++round) {
    Memory memory({.datagrams = 16, .pieces = 16, .pieces_per_source = 16, .bytes = 4096});
    const Piece first(1, 9, 0, random.between(1, 40), false, 1);
    Fate fate;
    fate.kind = Fate::Kind::translate;
    memory.fragments.decide(first.key(), first.extent(), fate, Tick{0});
    std::map<uint32_t, bool> seen;
    for (uint32_t unit = first.extent().begin; unit < first.extent().end; ++unit) seen[unit] = true;
    for (int n = 0; n < 40; ++n) {
      const Piece piece(1, 9, random.below(300), random.between(1, 30), false, 1);
      const Extent extent = piece.extent();
      uint32_t already = 0;
      for (uint32_t unit = extent.begin; unit < extent.end; ++unit) already += uint32_t(seen.count(unit));
      const auto arrival = memory.fragments.arrive(first.key(), extent, piece.view, false, Tick{0});
      if (!CHECK_EQ(arrival.standing, already == 0 ? Standing::known : Standing::repeated)) return;
      const bool ended = already != 0 && already != extent.end - extent.begin;
      if (!CHECK_EQ(arrival.fate.kind == Fate::Kind::drop, ended)) return;
      if (ended) break;
      for (uint32_t unit = extent.begin; unit < extent.end; ++unit) seen[unit] = true;
    }
  }
}

/** Pieces of many datagrams, firsts and others on different threads: each comes out exactly once. */
TEST("pieces and their firsts meet on whatever thread they come") {
  const uint16_t datagrams = uint16_t(scaled(2000));
  Memory memory({.datagrams = 65536, .pieces = 65536, .pieces_per_source = 65536, .bytes = 16 << 20},
                flow::Sharing::shared);
  struct Worker {
    Fragments* fragments;
    uint16_t datagrams;
    bool firsts;
    uint64_t through = 0;
  };
  Worker workers[2] = {{&memory.fragments, datagrams, true}, {&memory.fragments, datagrams, false}};
  const auto body = [](void* argument) -> void* {
    auto& w = *static_cast<Worker*>(argument);
    Fate fate;
    fate.kind = Fate::Kind::translate;
    for (uint16_t id = 0; id < w.datagrams; ++id) {
      const Piece piece(1, id, w.firsts ? 0 : 5, 5, false, uint8_t(id));
      if (!w.firsts) {
        const auto arrival = w.fragments->arrive(piece.key(), piece.extent(), piece.view, true, Tick{0});
        w.through += arrival.standing == Standing::known;
        continue;
      }
      if (!w.fragments->decide(piece.key(), piece.extent(), fate, Tick{0})) continue;
      while (Fragments::Held* held = w.fragments->take(piece.key())) {
        wire::PacketView view;
        wire::vnet_hdr vnet;
        const bool good = wire::parse({held->packet(), held->length}, vnet, view) == wire::kNoDrop;
        const auto arrival = w.fragments->arrive(piece.key(), nat::extent_of(view), view, false, Tick{0});
        w.through += good && arrival.standing == Standing::known && held->packet()[28] == uint8_t(id);
        w.fragments->give_back(held);
      }
    }
    return nullptr;
  };
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) CHECK_EQ(::pthread_create(&threads[i], nullptr, body, &workers[i]), 0);
  for (pthread_t thread : threads) ::pthread_join(thread, nullptr);
  CHECK_EQ(workers[0].through + workers[1].through, uint64_t(datagrams));
  CHECK_EQ(memory.fragments.waiting(), 0u);
}

}  // namespace
}  // namespace vsnat::test
