// SPDX-License-Identifier: Apache-2.0
//
// The flow table: who is talking to whom.
//
// Theory of operation
// -------------------
// One record per connection serves both directions. What request (CIP -> VIP) and reply (RIP -> CIP) have in
// common is the client endpoint {protocol, client address, client port}; the table is indexed by a keyed hash
// of that alone (IPVS does the same), and a lookup compares the full tuple of its direction. Two VIPs that
// share a real server can therefore never get each other's replies: before it inserts, nat/schedule.cc looks for a
// live flow with the same reply tuple, which the kernel does not (ip_vs_conn_out_get compares no VIP).
//
//   hash = SipHash-1-3(key, protocol | client port | client address)
//   hash bits: 63..32 bucket (multiply-shift, so any bucket count works), 31..16 shard, 15..0 tag
//
//   shard:    lock | counts | free list | sweep cursor   one of 1 or 16; a flow lives in one shard for ever
//   bucket:   tag[10] index[10] spilled                  one cache line; a hit costs this line and the record's
//   flow:     64 bytes (IPv4) or 104 bytes (IPv6)        one or two lines, dense, addressed by index
//   deadline: 4 bytes per flow                           what the sweep reads
//   due:      4 bytes per 32 flows                       what it reads first
//
// A full bucket spills into the next ones, at most kMaxProbe buckets away; `spilled` counts the entries that
// had to pass, so a lookup goes on only while there is something further on, and never further than
// kMaxProbe. Buckets are sized for a mean of at most six of ten, where spilling concerns a few percent of the
// flows.
//
// Expiry: a packet writes only its own record (`expires_at`). `deadline[i]` is a lower bound of it, corrected
// when the sweep finds it passed (then the flow is put off or removed), or by the packet when a change of
// state shortens the timeout. `due[i / 32]` is a lower bound of the deadlines of 32 records that lie side by side, made anew
// whenever the sweep comes by them: where it has not passed, none of them is looked at. So a sweep reads 4 bytes for each 32 flows
// and for each flow of those groups where something is due, in sequence, a bounded number per call.
// Rejected: a timer wheel (a third cache line per packet and list surgery on every one), and deadlines inside
// the buckets (ten slots would not fit one line with indices). Of groups, larger ones: with a million flows of five minutes 3,300
// deadlines pass each second, and there is one in nearly every group of 512.
//
// When a shard is full, insert() looks at up to kEvictProbes records for one that is half-open or unconfirmed, closed, or a
// UDP flow that never saw a reply, and gives that up. Established flows are never given up; then the new one
// is refused.
//
// Memory is handed in from outside, holds no pointers, and begins with a header naming its layout version, so
// that it can outlive the process. Clock and hash key are arguments.
//
// Threads: any number of workers; a shard is touched only under its lock. With client-endpoint steering a
// lock is never contended. `Sharing::exclusive` (memory device, fuzzing) skips the locks.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "base/prefetch.h"
#include "base/siphash.h"
#include "base/spinlock.h"
#include "base/time.h"
#include "flow/bucket.h"
#include "flow/tcp_state.h"
#include "wire/address.h"
#include "wire/endian.h"

namespace vsnat::flow {

inline constexpr uint32_t kNoFlow = 0xffffffff;

/** What of a flow is being timed (nat/measure.h). */
enum class Timing : uint8_t {
  off,              // all of it has been measured, or none of it will be
  opening,          // no packet yet
  handshake,        // since the SYN
  handshake_again,  // the SYN came again: whose answer will it be?
  between,          // answered; the client has asked nothing yet
  request,          // since the client's first payload
  request_again,
};

/** One tracked connection. Ports and addresses as on the wire, ready to be written into packets. */
template <class Addr>
struct Flow {
  Addr client, virt, real;
  wire::be16 client_port, virtual_port, real_port;
  uint8_t protocol;  // 0 marks a free record
  State state;
  Tick expires_at;
  uint32_t server_slot;
  uint16_t service_slot;
  uint16_t helper;  // of a helper's connections: what nat/ftp_state.h calls it; else 0
  /** CsumDelta of a request: addresses alone, and addresses with ports. A reply's are the complements. */
  uint16_t addr_delta, addr_port_delta;
  /** By direction: end of the sequence space seen, and highest acknowledgment sent. RSTs are held against
   * them. */
  uint32_t seq_end[2], acked[2];
  /** Whom this flow belongs to: the index of its persistence template (flow/templates.h). */
  uint32_t parent = kNoFlow;
  uint8_t queue;  // the queue that created it
  uint8_t flags;
  uint8_t in_packets;  // of the client, as far as 255. What drop_entry goes by
  Timing timing;
  Stamp timed_since;

  static constexpr uint8_t kReplied = 1;      // a packet of the real server was seen
  static constexpr uint8_t kRequestSeen = 2;  // seq_end/acked[request] are meaningful
  static constexpr uint8_t kReplySeen = 4;
  static constexpr uint8_t kRequestAcked = 8;  // acked[request] is meaningful
  static constexpr uint8_t kReplyAcked = 16;
  static constexpr uint8_t kConfirmed =
      32;  // the handshake was completed by somebody who saw the server's part
  static constexpr uint8_t kSilenced = 64;  // ended by an operator: it stays only to have its packets dropped
  static constexpr uint8_t kShortcut = 128;  // shortcut() is one (flow/shortcut.h); nothing is timed any more

  /** The number of its shortcut, where kShortcut says that it has one. */
  uint32_t shortcut() const { return timed_since.us; }
  void set_shortcut(uint32_t slot) {
    timed_since.us = slot;
    flags |= kShortcut;
  }
};

/** Whether a packet from the client to the VIP is of this flow. */
template <class Addr>
[[gnu::always_inline]] inline bool is_of_request(const Flow<Addr>& flow, uint8_t protocol, const Addr& client,
                                                 wire::be16 client_port, const Addr& virt,
                                                 wire::be16 virtual_port) {
  return flow.client_port == client_port && flow.client == client && flow.virt == virt &&
         flow.virtual_port == virtual_port && flow.protocol == protocol;
}

/** Whether a packet from the real server to the client is of this flow. */
template <class Addr>
[[gnu::always_inline]] inline bool is_of_reply(const Flow<Addr>& flow, uint8_t protocol, const Addr& client,
                                               wire::be16 client_port, const Addr& real,
                                               wire::be16 real_port) {
  return flow.client_port == client_port && flow.client == client && flow.real == real &&
         flow.real_port == real_port && flow.protocol == protocol;
}

/** The same flow, free: `next` threads the free list through `expires_at`'s place. */
static_assert(sizeof(Flow<wire::Addr4>) <= 64, "an IPv4 flow is one cache line");
static_assert(sizeof(Flow<wire::Addr6>) <= 104, "an IPv6 flow is a little more than a line and a half");

template <class Addr>
struct RecordSize;
template <>
struct RecordSize<wire::Addr4> {
  static constexpr size_t value = 64;
};
template <>
struct RecordSize<wire::Addr6> {
  static constexpr size_t value = 104;
};

struct TableStats {
  uint64_t capacity = 0, flows = 0, expired = 0, evicted = 0, bytes = 0;
};

enum class Sharing : uint8_t { shared, exclusive };

template <class Addr>
class Table {
 public:
  using FlowT = Flow<Addr>;

  static constexpr uint32_t kLayoutVersion = 5;
  static constexpr unsigned kMaxProbe = 8;
  static constexpr unsigned kEvictProbes = 16;
  static constexpr unsigned kSlots = Bucket::kSlots;
  /** Records side by side that have a deadline together. */
  static constexpr uint32_t kGroup = 32;
  /** Of one removal, in looks: three cache lines and a server's load against four bytes read in sequence. */
  static constexpr uint32_t kRemovalCost = 4;

  /** Bytes of memory a table for at least `capacity` flows needs. */
  static size_t bytes_for(uint32_t capacity);
  /** How many records it has then, which index_of() numbers. */
  static size_t records_for(uint32_t capacity);

  /** Make an empty table in `memory` (zeroed, 64-byte aligned, at least bytes_for(capacity) long). */
  void format(std::span<std::byte> memory, uint32_t capacity, HashKey key, Sharing sharing);

  /**
   * Use a table somebody formatted earlier, alone: whoever used it before is gone. A shard whose lock is held was left in
   * the middle of a change and is made whole. False when it is no table, or of another layout.
   */
  bool attach(std::span<std::byte> memory, Sharing sharing);

  [[gnu::always_inline]] uint64_t hash(uint8_t protocol, const Addr& client, wire::be16 client_port) const {
    SipHash13 h = keyed_;
    const uint64_t head = uint64_t(protocol) << 16 | client_port.host();
    if constexpr (Addr::kFamily == 4) {
      return h.finish(head << 32 | client.value.host(), 7);
    } else {
      uint64_t words[2];
      std::memcpy(words, &client, 16);
      h.word(words[0]);
      h.word(words[1]);
      return h.finish(head, 19);
    }
  }

  /** Ask for the bucket's cache line ahead of the lookup. */
  [[gnu::always_inline]] void prefetch(uint64_t hash) const { vsnat::prefetch(home_of(hash)); }
  /** That bucket, which a lookup looks at first. */
  [[gnu::always_inline]] const Bucket* home_of(uint64_t hash) const {
    return &bucket_at(shard_index(hash), home_bucket(hash));
  }
  /**
   * Once the bucket line is there: ask for the first record whose tag fits. Its number, or kNoFlow when there is none: what
   * find_request() and find_reply() want to know.
   */
  [[gnu::always_inline]] uint32_t prefetch_flow(uint64_t hash, const Bucket& home) const;
  [[gnu::always_inline]] uint32_t prefetch_flow(uint64_t hash) const {
    return prefetch_flow(hash, *home_of(hash));
  }
  /** Once that record is there: which server its flow has. Read without the lock, so for a hint alone. */
  [[gnu::no_sanitize_thread]] uint32_t likely_server(uint32_t index) const {
    return __atomic_load_n(&flow_at(index)->server_slot, __ATOMIC_RELAXED);
  }

  /** Holds a flow's shard. Everything below is called under the guard of the hash's shard. */
  class Guard {
   public:
    Guard(Table& table, uint64_t hash) : Guard(table, table.shard_index(hash)) {}
    Guard(Table& table, uint32_t shard)
        : lock_(table.sharing_ == Sharing::shared ? &table.shard(shard).lock : nullptr) {
      if (lock_) lock_->lock();
    }
    ~Guard() {
      if (lock_) lock_->unlock();
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    Spinlock* lock_;
  };

  /** Where the record that is `likely` is the right one, as nearly always, the bucket is not searched a second time. */
  [[gnu::always_inline]] FlowT* find_request(uint64_t hash, uint8_t protocol, const Addr& client,
                                             wire::be16 client_port, const Addr& virt,
                                             wire::be16 virtual_port, uint32_t likely = kNoFlow);
  [[gnu::always_inline]] FlowT* find_reply(uint64_t hash, uint8_t protocol, const Addr& client,
                                           wire::be16 client_port, const Addr& real, wire::be16 real_port,
                                           uint32_t likely = kNoFlow);
  /** The first of those with this hash that `match(flow)`. */
  template <class Match>
  [[gnu::always_inline]] FlowT* find(uint64_t hash, Match&& match, uint32_t likely = kNoFlow);

  /** For insert(): nobody is spared. */
  struct KeepsNone {
    bool operator()(const FlowT&) const { return false; }
  };

  /**
   * A blank flow for this client endpoint, linked in, with protocol, client and client_port set; null when
   * the table is full. The caller fills in the rest and calls touch(). `on_evict(flow)` hears of a flow given
   * up for it; one that `keeps(flow)` is not.
   */
  template <class OnEvict, class Keeps = KeepsNone>
  FlowT* insert(uint64_t hash, uint8_t protocol, const Addr& client, wire::be16 client_port, Tick now,
                OnEvict&& on_evict, Keeps&& keeps = {});

  void erase(FlowT* flow);

  /** Set when the flow expires. Call on every packet; keeps the sweep's lower bound true. */
  void touch(FlowT* flow, Tick expires_at) {
    const Tick before = flow->expires_at;
    flow->expires_at = expires_at;
    if (before.after(expires_at)) bring_forward(index_of(flow), expires_at);
  }

  uint32_t shard_count() const { return shards_; }
  /** For what hangs on the table and must be as hard to guess. */
  HashKey key() const { return key_; }

  /**
   * Look at up to `budget` records of one shard and remove the expired, telling `on_expire(flow)` first; a removal
   * counts as kRemovalCost of them, a group where nothing is due as one. Returns what was spent: less than `budget` when the end of the shard was reached (the
   * next call starts over). Takes the shard's lock itself. An `on_expire` that answers true has given the flow a new
   * `expires_at`, and it stays.
   */
  template <class OnExpire>
  uint32_t sweep(uint32_t shard, Tick now, uint32_t budget, OnExpire&& on_expire);

  /** Records of a shard that ever held a flow: what there is to look at. Takes the shard's lock. */
  uint32_t records_used(uint32_t shard_index) {
    Guard guard(*this, shard_index);
    return shard(shard_index).high_water;
  }

  /**
   * Look at `count` records of one shard, drawn from those ever used by `draw(bound)`, and call `visit(flow)` for each
   * that is taken; it may erase it. Takes the shard's lock itself.
   */
  template <class Draw, class Visit>
  void sample(uint32_t shard, uint32_t count, Draw&& draw, Visit&& visit);

  /** `visit(flow)`, which may erase it, for the flows in up to `count` records from `first` on. False at the end. */
  template <class Visit>
  bool comb(uint32_t shard, uint32_t first, uint32_t count, Visit&& visit);

  /** Call `visit(flow)` for up to `limit` records from `cursor` on; returns the next cursor, kNoFlow at the
   * end. */
  template <class Visit>
  uint32_t walk(uint32_t cursor, uint32_t limit, Visit&& visit);

  TableStats stats() const;

  /** A record by the number it has for as long as it is in use. Under the guard of its shard. */
  FlowT* flow_at(size_t i) const {
    return reinterpret_cast<FlowT*>(record_base_ + i * RecordSize<Addr>::value);
  }
  uint32_t index_of(const FlowT* flow) const {
    return uint32_t(size_t(reinterpret_cast<const std::byte*>(flow) - record_base_) /
                    RecordSize<Addr>::value);
  }
  uint32_t shard_of(uint32_t index) const { return index / records_; }

 private:
  struct alignas(64) Shard {
    Spinlock lock;
    uint32_t flows;
    uint32_t free_head;   // kNoFlow: none
    uint32_t high_water;  // records ever used; beyond it nothing was touched
    uint32_t sweep_cursor;
    uint32_t evict_cursor;
    uint64_t expired, evicted;
  };
  static_assert(sizeof(Shard) == 64);

  struct alignas(64) Header {
    uint64_t magic;
    uint32_t layout_version;
    uint32_t record_bytes;
    uint32_t shards;
    uint32_t buckets_per_shard;
    uint32_t records_per_shard;
    uint32_t capacity;
    uint64_t total_bytes;
    HashKey key;
    uint64_t seal;  // of all the above: with one wrong bit of the key, no flow would be where its hash says
  };
  static_assert(sizeof(Header) == 64);
  static uint64_t seal_of(const Header& header);

  struct Geometry {
    uint32_t shards, buckets_per_shard, records_per_shard;
    size_t bytes() const;
  };
  static Geometry geometry(uint32_t capacity);

  void bind(std::span<std::byte> memory);
  void forget_shortcuts();
  /** Make everything anew that follows from the records of a shard. */
  void repair(uint32_t shard);

  uint32_t shard_index(uint64_t hash) const { return uint32_t(hash >> 16 & 0xffff) & (shards_ - 1); }
  uint32_t home_bucket(uint64_t hash) const { return uint32_t((hash >> 32) * buckets_ >> 32); }
  static uint16_t tag_of(uint64_t hash) {
    const auto tag = uint16_t(hash);
    return tag == 0 ? 1 : tag;
  }
  Shard& shard(uint32_t i) const { return shard_base_[i]; }
  Bucket& bucket_at(uint32_t shard, uint32_t i) const { return bucket_base_[size_t(shard) * buckets_ + i]; }
  Tick* deadlines() const { return deadline_base_; }
  /** Of the group that a record is in; no group has records of two shards. */
  Tick& due_of(size_t index) const { return due_base_[index / kGroup]; }
  /** The deadline of a record, which is no later than before. */
  void bring_forward(size_t index, Tick deadline) {
    deadlines()[index] = deadline;
    Tick& due = due_of(index);
    if (due.after(deadline)) due = deadline;
  }
  /** Later than any deadline, and not yet before `now` when 32 bits have gone round: four years. */
  static Tick never(Tick now) { return now.plus(1u << 30); }

  /** Whether the flow is gone. */
  template <class OnExpire>
  bool sweep_one(FlowT& flow, Tick now, OnExpire& on_expire);
  bool link(uint64_t hash, uint32_t index);
  void unlink(uint64_t hash, uint32_t index);
  static uint32_t& next_free(FlowT* flow) { return flow->expires_at.count; }

  std::byte* base_ = nullptr;
  Shard* shard_base_ = nullptr;
  Bucket* bucket_base_ = nullptr;
  std::byte* record_base_ = nullptr;
  Tick *deadline_base_ = nullptr, *due_base_ = nullptr;
  uint32_t shards_ = 0, buckets_ = 0, records_ = 0;
  HashKey key_;
  SipHash13 keyed_{HashKey{}};  // as it stands before the first word
  Sharing sharing_ = Sharing::exclusive;
};

}  // namespace vsnat::flow

#include "flow/table_inline.h"

namespace vsnat::flow {

extern template class Table<wire::Addr4>;
extern template class Table<wire::Addr6>;

}  // namespace vsnat::flow
