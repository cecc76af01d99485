// SPDX-License-Identifier: Apache-2.0
//
// Datagrams in pieces. Only the first piece says whose a datagram is; the others share its fate, in whatever order they
// come and on whatever queue.
//
// Theory of operation
// -------------------
// A first piece with its whole transport header is handled like any packet: the checksum it carries is adjusted for the
// datagram's change of addresses and ports, which is right for the whole datagram, so the pieces need not be put
// together (the kernel does, and cuts again; docs/differences.md). What became of it is remembered, with a bit for
// every eight bytes that went by, until the datagram is complete or 30 s have passed.
//
// An SCTP checksum changes with a port by an amount that depends on how many bytes follow the port. Only the last piece
// tells, so the first of SCTP waits for it, and the others for the first.
//
// A later piece whose first is unknown is held if it may be one of ours: copied into a ring of bytes, oldest first, and
// found again by its datagram through a small hash table. When the first piece comes, those that waited are taken out
// one by one, translated where they lie and written right behind it. Nothing waits longer than 2 s or so: a piece that
// overtook its first did so by milliseconds, and the first that is lost is lost.
//
//   Datagram   who, what to do, which bytes were seen    sets of four, the oldest gives way
//   Held       a record in the ring, with the packet     the oldest gives way when the ring is full
//
// A piece that repeats bytes already seen goes no further, and one that overlaps them in part ends the datagram (RFC
// 5722; RFC 1858 and 3128 tell what overlaps are for). A repeated first piece counts as such for 2 s; later it begins
// the datagram anew, because IPv4 has but 65,536 numbers for a pair of hosts.
//
// Bounds (FragmentLimits): datagrams, pieces in all and of one source, bytes. All of them are met by counting, none by
// looking around: the cost of a piece does not grow with the flood it is part of.
//
// Threads: one memory for all queues, under one lock; pieces of one datagram may come to several queues where steering
// is not in use. A piece that was taken out belongs to its taker until it is given back. Rejected: memory per queue,
// which steering makes sufficient and nothing makes right without it. `Sharing::exclusive` skips the lock.
//
// Memory is handed in, zeroed, and may be touched lazily. Clock and hash key are arguments.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/siphash.h"
#include "base/spinlock.h"
#include "base/time.h"
#include "flow/table.h"
#include "wire/packet.h"

namespace vsnat::nat {

struct FragmentLimits {
  uint32_t datagrams = 1024;  // a power of two
  uint32_t pieces = 8192;
  uint32_t pieces_per_source = 64;
  uint32_t bytes = 4 << 20;  // of the ring, a multiple of 64
};

/** What pieces of one datagram have in common (RFC 791 section 3.2, RFC 8200 section 4.5). */
struct FragmentKey {
  std::array<uint8_t, 16> source{}, destination{};  // IPv4 in the first four bytes
  uint32_t id = 0;
  uint8_t protocol = 0;
  uint8_t family = 0;
  friend bool operator==(const FragmentKey&, const FragmentKey&) = default;
};

FragmentKey fragment_key(const wire::PacketView& piece);

/** The part of the datagram a piece carries, in units of eight bytes. */
struct Extent {
  uint32_t begin = 0, end = 0;
  bool is_last = false;

  /** No receiver would take it: nothing in it, a hole that nothing could fill, or beyond the largest datagram. */
  bool is_impossible = false;
};

Extent extent_of(const wire::PacketView& piece);

/** What a first piece decides for the others. */
struct Fate {
  enum class Kind : uint8_t { drop, pass, translate, echo };
  Kind kind = Kind::drop;
  bool is_reply = false;
  uint32_t server_slot = 0;
  std::array<uint8_t, 16> source{}, destination{};  // to be written into the others
};

class Fragments {
 public:
  static constexpr unsigned kWays = 4;
  static constexpr size_t kHeadroom = 16;
  static constexpr uint32_t kRememberSeconds = 30, kHoldSeconds = 2, kRepeatSeconds = 2;

  static size_t bytes_for(const FragmentLimits& limits);
  /** `memory` is zeroed, 64-byte aligned and at least bytes_for(limits) long; it stays the caller's. */
  void format(std::span<std::byte> memory, const FragmentLimits& limits, HashKey key, flow::Sharing sharing);

  /** Is this first piece one that was there already? Then it is not to go further. */
  bool repeats(const FragmentKey& key, const Extent& extent, Tick now);

  /** What became of a first piece. True when others wait for it. */
  bool decide(const FragmentKey& key, const Extent& extent, const Fate& fate, Tick now);

  enum class Standing : uint8_t {
    known,     // `fate` says what to do
    repeated,  // these bytes, or some of them, were there already
    unknown,   // its first was not seen
    held,      // a copy waits for the first; the packet itself is done
    refused,   // it should wait, and there is no room
  };
  struct Arrival {
    Standing standing = Standing::unknown;
    Fate fate;
    uint32_t evicted = 0;    // pieces that had to make room
    bool completes = false;  // it is held, is the last of its datagram, and the first waits for it
  };

  /** A later piece. With `may_wait` it is held when its first is unknown. */
  Arrival arrive(const FragmentKey& key, const Extent& extent, const wire::PacketView& piece, bool may_wait,
                 Tick now);

  /** How many bytes all pieces have together, if the last one waits here; 0 when it does not. */
  uint32_t datagram_bytes(const FragmentKey& key);

  /** A first piece that must wait for the last. `standing` is held or refused. */
  Arrival hold_first(const FragmentKey& key, const wire::PacketView& piece, Tick now);

  /** A piece in the ring. */
  struct alignas(16) Held {
    enum class State : uint8_t { free, waiting, taken };

    uint32_t record_bytes;
    uint32_t length;  // of the packet
    uint32_t next;    // in its bucket's chain
    uint16_t bucket, source;
    Tick until;
    State state;
    bool is_first;            // with kAnswerHeadroom bytes behind it
    uint32_t datagram_bytes;  // of a last piece; else 0
    FragmentKey key;

    /** In front of the packet are kHeadroom bytes for whoever writes it to a device. */
    uint8_t* packet() { return reinterpret_cast<uint8_t*>(this + 1) + kHeadroom; }
  };

  /** The first piece of this datagram, or else the one that has waited longest, to be given back; null when none waits. */
  Held* take(const FragmentKey& key);
  void give_back(Held* piece);

  /** Give up what has waited too long. Returns how many pieces that were. */
  uint32_t expire(Tick now);

  /** Pieces that wait now. */
  uint32_t waiting() const { return waiting_; }

 private:
  static constexpr uint32_t kUnits = 65536 / 8;
  static constexpr uint32_t kBuckets = 2048, kSources = 1024;

  struct Datagram {
    FragmentKey key;
    Fate fate;
    Tick since;
    uint32_t units_seen, units_total;  // 0: the last piece was not seen
    bool used;
    std::array<uint64_t, kUnits / 64> seen;
  };

  class Guard {
   public:
    explicit Guard(Fragments& fragments)
        : lock_(fragments.sharing_ == flow::Sharing::shared ? &fragments.lock_ : nullptr) {
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

  uint64_t hash_of(const FragmentKey& key) const;
  uint16_t source_of(const FragmentKey& key) const;
  std::span<Datagram> set_of(uint64_t hash) const;
  Datagram* find(uint64_t hash, const FragmentKey& key, Tick now) const;
  /** True when the bytes are new. A partial overlap and a contradiction end the datagram. */
  static bool note(Datagram& datagram, const Extent& extent);

  Held& at(uint64_t position) const { return *reinterpret_cast<Held*>(ring_ + position % limits_.bytes); }
  /** Copy a piece into the ring. `standing` becomes held, or refused. */
  Held* hold(uint64_t hash, const FragmentKey& key, const wire::PacketView& piece, uint32_t headroom,
             Tick now, Arrival& arrival);
  Held* append(uint32_t packet_bytes, uint32_t& evicted);
  /** Call `each(piece)` for the held pieces of this datagram, the newest first. */
  template <class Each>
  void for_held(uint64_t hash, const FragmentKey& key, Each&& each) const {
    for (uint32_t link = buckets_[bucket_of(hash)]; link != 0;) {
      Held& piece = *reinterpret_cast<Held*>(ring_ + (link - 1));
      if (piece.key == key) each(piece);
      link = piece.next;
    }
  }
  static uint16_t bucket_of(uint64_t hash) { return uint16_t(hash >> 32 & (kBuckets - 1)); }
  /** Advance the tail by one record; false when there is none or it is in somebody's hands. */
  bool drop_oldest(bool& was_waiting);
  void unlink(Held& piece);
  uint32_t offset_of(const Held& piece) const {
    return uint32_t(reinterpret_cast<const std::byte*>(&piece) - ring_);
  }

  FragmentLimits limits_;
  HashKey key_;
  flow::Sharing sharing_ = flow::Sharing::exclusive;
  Spinlock lock_;
  Datagram* datagrams_ = nullptr;
  uint32_t* buckets_ = nullptr;         // offset of the newest piece, plus one; 0: none
  uint16_t* held_of_source_ = nullptr;  // counts; sources that share one share the limit
  std::byte* ring_ = nullptr;
  uint64_t head_ = 0, tail_ = 0;  // positions only grow; modulo the ring's size they are places in it
  uint32_t waiting_ = 0;
};

}  // namespace vsnat::nat
