// SPDX-License-Identifier: Apache-2.0
//
// What the FTP helper remembers: a record per control connection, and in it the data connections it has announced.
//
// A flow names its record by `Flow::helper`: 0 is none, the number itself is the control connection's, and with
// kChild set it is a data connection that the record has brought about. The record lives until the last of them is
// gone; while a data connection lives, its control connection is not forgotten (IPVS: n_control).
//
//   text, numbering, mode     touched only for packets of the control connection, so under its flow's shard
//   everything else           under the lock here, which is always taken after a shard, never before one
//
// An announced data connection is found by what is known of its first packet beforehand: its client's address, and the
// port that the announcing side will listen on. kExpected are remembered per control connection, the oldest gives way,
// so that no client can push out another's. `waiting()` is false while there are none at all, which is what the packets
// of everybody else pay: one relaxed load where no flow was found.
//
// Memory is handed in from outside; all-zero is empty. No heap, no clock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>

#include "base/spinlock.h"
#include "base/time.h"
#include "nat/sequence.h"
#include "service/snapshot.h"

namespace vsnat::nat {

/** A data connection that was announced: its endpoints, as far as they are known. */
struct FtpExpectation {
  enum class Opener : uint8_t { nobody, client, server };

  Opener opener = Opener::nobody;
  service::IpAddress client, virt, real;
  uint16_t client_port = 0;  // 0: any, when the client opens
  uint16_t virtual_port = 0, real_port = 0;
  uint32_t service_slot = 0, server_slot = 0;
  Tick until;

  /** The port its opener connects to. */
  uint16_t port() const { return opener == Opener::client ? virtual_port : client_port; }
};

/** What the client asked for last; the server's next answer of that kind is meant. */
enum class FtpMode : uint8_t { none, passive, extended_passive };

struct FtpRecord {
  static constexpr unsigned kExpected = 4;

  // Under the shard of the control connection's flow.
  SequenceMap replies;
  FtpMode mode;
  bool has_passed;
  uint32_t passed;  // the end of the replies that went by, in the server's numbers

  // Under FtpState's lock.
  bool in_use, has_control;
  uint8_t oldest;  // of `expected`: the next to be written over
  uint16_t children;
  uint16_t next_free;
  uint16_t bucket[kExpected], chain[kExpected];  // where each is listed, and the next one there by name
  FtpExpectation expected[kExpected];
};

class FtpState {
 public:
  static constexpr uint16_t kChild = 0x8000;
  static constexpr uint16_t kMostRecords = 8192;  // with four places each, a place has a name of 16 bits

  static bool is_control(uint16_t helper) { return helper != 0 && (helper & kChild) == 0; }

  static size_t bytes_for(uint16_t records) { return records * (sizeof(FtpRecord) + sizeof(uint16_t)); }

  /** `memory` is zeroed, aligned for FtpRecord, and as long as bytes_for() says. */
  void format(std::span<std::byte> memory, uint16_t records) {
    records_ = reinterpret_cast<FtpRecord*>(memory.data());
    buckets_ = reinterpret_cast<uint16_t*>(records_ + records);
    capacity_ = records;
  }

  /** A record for a new control connection; 0 when there is none left. */
  uint16_t open() {
    const Guard guard(lock_);
    uint16_t helper = free_;
    if (helper != 0) {
      free_ = record(helper).next_free;
    } else if (used_ < capacity_) {
      helper = ++used_;
    } else {
      return 0;
    }
    FtpRecord& fresh = *new (&record(helper)) FtpRecord{};
    fresh.in_use = fresh.has_control = true;
    return helper;
  }

  /** The flow is gone. `helper` is its, of whichever kind; 0 is allowed. */
  void release(uint16_t helper) {
    if (helper == 0) return;
    const Guard guard(lock_);
    FtpRecord& of = record(uint16_t(helper & ~kChild));
    if (helper & kChild) {
      --of.children;
    } else {
      of.has_control = false;
      for (unsigned i = 0; i < FtpRecord::kExpected; ++i) forget(uint16_t(helper), i);
    }
    if (of.has_control || of.children != 0) return;
    of.in_use = false;
    of.next_free = free_;
    free_ = uint16_t(helper & ~kChild);
  }

  /** The record, for what is not under the lock. */
  FtpRecord& record(uint16_t helper) { return records_[helper - 1]; }

  bool has_children(uint16_t helper) {
    const Guard guard(lock_);
    return record(helper).children != 0;
  }

  /** Remember an announced data connection. The same one again only gets its new deadline. */
  void expect(uint16_t helper, uint64_t hash, const FtpExpectation& expectation) {
    const Guard guard(lock_);
    FtpRecord& of = record(helper);
    unsigned place = of.oldest;
    bool known = false;
    for (unsigned i = 0; i < FtpRecord::kExpected && !known; ++i) {
      known = same(of.expected[i], expectation);
      if (known) place = i;
    }
    if (known) {
      of.expected[place].until = expectation.until;
      return;
    }
    forget(helper, place);
    of.oldest = uint8_t((place + 1) % FtpRecord::kExpected);
    of.expected[place] = expectation;
    of.bucket[place] = bucket_of(hash);
    of.chain[place] = head(of.bucket[place]);
    set_head(of.bucket[place], name_of(helper, place));
    waiting_.store(waiting_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

  bool waiting() const { return waiting_.load(std::memory_order_acquire) != 0; }

  /**
   * Take out the announced data connection that `matches`, and count it as its record's child. Returns the `helper` of
   * its flow; 0 when nothing of the kind was announced, or too long ago.
   */
  template <class Matches>
  uint16_t take(uint64_t hash, Tick now, FtpExpectation& found, Matches&& matches) {
    if (head(bucket_of(hash)) == 0) return 0;  // what everybody else's SYNs meet: no lock
    const Guard guard(lock_);
    for (uint16_t name = head(bucket_of(hash)); name != 0;) {
      const uint16_t helper = helper_of(name);
      const unsigned place = place_of(name);
      FtpRecord& of = record(helper);
      name = of.chain[place];
      const FtpExpectation& expectation = of.expected[place];
      if (!expectation.until.after(now)) {
        forget(helper, place);
        continue;
      }
      if (!matches(expectation)) continue;
      found = expectation;
      forget(helper, place);
      ++of.children;
      return uint16_t(helper | kChild);
    }
    return 0;
  }

  /** Records in use; for tests. */
  uint32_t in_use() {
    const Guard guard(lock_);
    uint32_t count = 0;
    for (uint16_t helper = 1; helper <= used_; ++helper) count += record(helper).in_use;
    return count;
  }

 private:
  class Guard {
   public:
    explicit Guard(Spinlock& lock) : lock_(lock) { lock_.lock(); }
    ~Guard() { lock_.unlock(); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    Spinlock& lock_;
  };

  // A place of a record, as one number; 0 is none.
  static uint16_t name_of(uint16_t helper, unsigned place) {
    return uint16_t((helper - 1u) * FtpRecord::kExpected + place + 1);
  }
  static uint16_t helper_of(uint16_t name) { return uint16_t((name - 1u) / FtpRecord::kExpected + 1); }
  static unsigned place_of(uint16_t name) { return (name - 1u) % FtpRecord::kExpected; }

  uint16_t bucket_of(uint64_t hash) const { return uint16_t((hash >> 32) * capacity_ >> 32); }

  uint16_t head(uint16_t bucket) const {
    return std::atomic_ref(buckets_[bucket]).load(std::memory_order_relaxed);
  }
  void set_head(uint16_t bucket, uint16_t name) {
    std::atomic_ref(buckets_[bucket]).store(name, std::memory_order_relaxed);
  }
  uint16_t& chain_of(uint16_t name) { return record(helper_of(name)).chain[place_of(name)]; }

  /** Within one record: the addresses are the control connection's. */
  static bool same(const FtpExpectation& a, const FtpExpectation& b) {
    return a.opener == b.opener && a.port() == b.port() && a.real_port == b.real_port;
  }

  /** Empty a place; nothing to do when it is. */
  void forget(uint16_t helper, unsigned place) {
    FtpRecord& of = record(helper);
    if (of.expected[place].opener == FtpExpectation::Opener::nobody) return;
    const uint16_t name = name_of(helper, place);
    uint16_t at = head(of.bucket[place]);
    if (at == name) {
      set_head(of.bucket[place], of.chain[place]);
    } else {
      while (chain_of(at) != name) at = chain_of(at);
      chain_of(at) = of.chain[place];
    }
    of.expected[place].opener = FtpExpectation::Opener::nobody;
    waiting_.store(waiting_.load(std::memory_order_relaxed) - 1, std::memory_order_release);
  }

  Spinlock lock_;
  FtpRecord* records_ = nullptr;
  uint16_t* buckets_ = nullptr;
  uint16_t capacity_ = 0, used_ = 0, free_ = 0;
  std::atomic<uint32_t> waiting_{0};
};

}  // namespace vsnat::nat
