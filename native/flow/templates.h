// SPDX-License-Identifier: Apache-2.0
//
// Persistence: which real server a client's network was given, so that its next connection gets the same one.
//
// A template is what IPVS calls it (ip_vs_core.c ip_vs_sched_persist, ip_vs_conn.c): a record that no packet is
// translated by, found by {protocol, client network, virtual address and port, service}, that new connections copy their
// server from. It counts the connections made from it, its children, and lives as long as they do:
//
//   timer    starts at the service's timeout; every new child starts it again, their packets do not
//   expires  without children: gone. With children: again in 60 s, and 60 s is its timeout from then on
//   assured  a child was answered (UDP) or established (TCP); shown, and spared when room is needed
//   stale    its server may not be used any more: it matches nobody, keeps its children and ages out
//
// Nothing runs when a timer does. settle() catches up with what has come due since, before anything is read or counted,
// so the lateness of the sweep cannot be seen: a template whose last child ended 59 s into a retry still has its 60th
// second, and one that ran out before its last child came to look is not there.
//
// A table of its own (flow/table.h) in memory of its own, which nobody pays for before the first template: the record is
// a connection's, the sequence numbers make room for the two counts, and what would be the client's port is a fold of
// the virtual endpoint, so that one network's templates for many services do not crowd one bucket. Protocol 0 marks a free
// record, so the templates of a mark, which have no protocol, are under kAnyProtocol.
//
// A persistence engine remembers a word as well: a SIP call's Call-ID (ip_vs_pe_sip.c), which is compared like the rest of the
// key. The words lie in memory of their own, a place for each record, mapped when the first service asks for it.
//
// Threads: as the flow table. Locks are taken in one order, a flow's shard and then a template's; nobody who holds a
// template's shard asks for a flow's.
#pragma once

#include <atomic>
#include <string_view>

#include "flow/table.h"

namespace vsnat::flow {

/** Why a child ended. Who gives up a connection nobody proved to be real gives up its template as well. */
enum class Ended : uint8_t { in_time, given_up };

template <class Addr>
class Templates {
 public:
  using Record = Flow<Addr>;

  static constexpr uint8_t kAnyProtocol = 255;
  static constexpr uint32_t kRetryTicks = ticks_from_seconds(60);
  /** The port of a template that matches nobody; the kernel shows the same. */
  static constexpr uint16_t kStalePort = 0xffff;

  struct Key {
    uint8_t protocol = 0;
    Addr client{};  // its network
    Addr virt{};
    wire::be16 virtual_port{};
    uint32_t service_slot = 0;
    /** Of a SIP call, its Call-ID; otherwise empty. */
    std::string_view word{};
  };

  /** One place for a word: its length and up to 255 bytes. */
  static constexpr size_t kWordBytes = 256;
  static size_t word_bytes_for(uint32_t capacity) { return Table<Addr>::records_for(capacity) * kWordBytes; }
  /** Zeroed memory for the words; before the first snapshot whose services have any, while workers may be at work. */
  void keep_words_in(std::span<std::byte> memory) { words_.store(memory.data(), std::memory_order_release); }
  bool keeps_words() const { return words_.load(std::memory_order_acquire) != nullptr; }

  Table<Addr>& table() { return table_; }
  const Table<Addr>& table() const { return table_; }

  uint64_t hash(const Key& key) const { return table_.hash(key.protocol, key.client, spread(key)); }

  // ---- under the guard of the hash's shard. `gone(record)` hears of every template that ends. ----

  /** Null when there is none. */
  template <class Gone>
  Record* find(uint64_t hash, const Key& key, Tick now, Gone&& gone) {
    Record* record = table_.find(hash, [&](const Record& r) {
      return r.client == key.client && r.virt == key.virt && r.virtual_port == key.virtual_port &&
             r.protocol == key.protocol && r.service_slot == key.service_slot && !is_stale(r) &&
             word_of(r) == key.word;
    });
    if (record == nullptr) return nullptr;
    settle(*record, now);
    if (record->expires_at.after(now)) return record;
    gone(*record);
    table_.erase(record);
    return nullptr;
  }

  /** A new one without children; the caller names the server. Null when there is no room. */
  template <class Gone>
  Record* create(uint64_t hash, const Key& key, Tick now, uint32_t timeout_ticks, Gone&& gone) {
    Record* record = table_.insert(hash, key.protocol, key.client, spread(key), now, gone,
                                   [now](const Record& r) { return is_spared(r, now); });
    if (record == nullptr) return nullptr;
    record->virt = key.virt;
    record->virtual_port = key.virtual_port;
    record->service_slot = uint16_t(key.service_slot);
    remember(*record, key.word);
    record->seq_end[1] = timeout_ticks;
    table_.touch(record, now.plus(timeout_ticks));
    return record;
  }

  /** A new child: what it has to remember as its parent. */
  uint32_t adopt(Record& record, Tick now) {
    ++record.seq_end[0];
    table_.touch(&record, now.plus(timeout_ticks(record)));
    return table_.index_of(&record);
  }

  /** Its server may not be used any more. */
  static void invalidate(Record& record) {
    record.flags |= kStale;
    record.virtual_port = record.real_port = wire::be16::from_host(kStalePort);
  }

  // ---- these take the lock themselves ----

  /** A child has ended. */
  template <class Gone>
  void release(uint32_t parent, Tick now, Ended ended, Gone&& gone) {
    typename Table<Addr>::Guard guard(table_, table_.shard_of(parent));
    Record& record = *table_.flow_at(parent);
    settle(record, now);
    --record.seq_end[0];
    if (ended == Ended::in_time || children(record) != 0 || is_assured(record)) return;
    gone(record);
    table_.erase(&record);
  }

  /** A child has proved that somebody is there. */
  void assure(uint32_t parent) {
    typename Table<Addr>::Guard guard(table_, table_.shard_of(parent));
    table_.flow_at(parent)->flags |= kAssured;
  }

  /** As Table::sweep. */
  template <class Gone>
  uint32_t sweep(uint32_t shard, Tick now, uint32_t budget, Gone&& gone) {
    return table_.sweep(shard, now, budget, [&](Record& record) {
      settle(record, now);
      if (record.expires_at.after(now)) return true;
      gone(record);
      return false;
    });
  }

  /** Give up, of `count` records drawn by chance, those of which nobody proved that their client is there. */
  template <class Draw, class Gone>
  void thin(uint32_t shard, uint32_t count, Draw&& draw, Gone&& gone) {
    table_.sample(shard, count, draw, [&](Record* record) {
      if (children(*record) != 0 || is_assured(*record)) return;
      gone(*record);
      table_.erase(record);
    });
  }

  // ---- what a record says ----

  static uint32_t children(const Record& record) { return record.seq_end[0]; }
  static uint32_t timeout_ticks(const Record& record) { return record.seq_end[1]; }
  static bool is_assured(const Record& record) { return (record.flags & kAssured) != 0; }
  static bool is_stale(const Record& record) { return (record.flags & kStale) != 0; }
  std::string_view word_of(const Record& record) const {
    const auto* place = reinterpret_cast<const char*>(place_of(record));
    return place == nullptr ? std::string_view{} : std::string_view{place + 1, uint8_t(place[0])};
  }

 private:
  static constexpr uint8_t kAssured = Record::kReplied, kStale = Record::kConfirmed;

  /** Not given up to make room. Only those whose client may not exist are. */
  static bool is_spared(const Record& record, Tick now) {
    return children(record) != 0 || (is_assured(record) && record.expires_at.after(now));
  }

  std::byte* place_of(const Record& record) const {
    std::byte* const words = words_.load(std::memory_order_acquire);
    return words == nullptr ? nullptr : words + size_t{table_.index_of(&record)} * kWordBytes;
  }

  void remember(const Record& record, std::string_view word) {
    std::byte* place = place_of(record);
    if (place == nullptr) return;
    place[0] = std::byte(word.size());
    if (!word.empty()) std::memcpy(place + 1, word.data(), word.size());  // null is not for memcpy
  }

  wire::be16 spread(const Key& key) const {
    uint32_t mixed =
        (key.virt.fold() * 0x9e3779b1u ^ key.virtual_port.host()) * 0x85ebca6bu + key.service_slot;
    // Strangers choose the words, so which bucket they fall into is for nobody to know.
    if (!key.word.empty()) mixed ^= uint32_t(siphash13(table_.key(), key.word));
    return wire::be16::from_host(uint16_t(mixed ^ mixed >> 16));
  }

  /** With children, a timer that has run out was set again at that moment, for 60 s, as often as need be. */
  void settle(Record& record, Tick now) {
    if (children(record) == 0 || record.expires_at.after(now)) return;
    const auto late = uint32_t(now.since(record.expires_at));
    record.seq_end[1] = kRetryTicks;
    table_.touch(&record, record.expires_at.plus((late / kRetryTicks + 1) * kRetryTicks));
  }

  Table<Addr> table_;
  std::atomic<std::byte*> words_{nullptr};
};

}  // namespace vsnat::flow
