// SPDX-License-Identifier: Apache-2.0
//
// How the servers of a large service compare, kept while connections come and go, so that a pick need not look at
// everybody. It is the walk's answer (service/dispatch.cc) without the walk: the first of the least, the sum of the
// weights, whether anybody has room.
//
// Loads are counted where flows are (service/load.h), by any thread, and each change is noted there (service/changes.h).
// A pick takes the lock, looks at what has changed since the last one, and reads the answer. It never waits for the
// lock: who finds it taken walks.
//
// Standings are told of changes from watch() until retire(), which is when the service's successor is published. A
// worker that still has the old snapshot walks from then on. Services of few servers have none, since the walk is
// quicker than all this.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/spinlock.h"
#include "service/changes.h"
#include "service/load.h"
#include "service/tournament.h"
#include "service/weight_sums.h"

namespace vsnat::service {

struct Server;
struct Service;

class Standings {
 public:
  /** Null where a walk is as good. Refers to the service, whose plan and servers are complete. */
  static std::unique_ptr<Standings> of(const Service& service);

  /** Control thread, before anybody picks: to be told of every change from now on. */
  void watch(ServerLoad* loads);
  /** Control thread: to be told no more. Somebody else may be told already. */
  void retire(ServerLoad* loads);

  /** The standings as they are now, for one pick. False where there are none to be had: then walk. */
  class Reading {
   public:
    Reading(const Service& service, const ServerLoad* loads);
    ~Reading() {
      if (standings_ != nullptr) standings_->lock_.unlock();
    }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
    explicit operator bool() const { return standings_ != nullptr; }

    /** Of a least, local or first plan: whom the walk would find, as an index of a server; -1 for nobody. */
    int32_t best() const;
    /** Of a plan that draws: the weights of the usable servers by their places in the order. */
    const WeightSums& weights() const { return *standings_->weights_; }
    /** Of a bounded plan: load and weight of all usable servers. */
    uint64_t load() const { return standings_->load_; }
    uint64_t weight() const { return standings_->weight_; }
    /** Of a local plan: whether any server has active connections for less than half of its weight. */
    bool has_room() const { return standings_->roomy_ > 0; }

   private:
    Standings* standings_;
  };

 private:
  /** What a server adds to the sums. */
  struct Share {
    uint64_t load = 0;
    uint32_t weight = 0;
    bool roomy = false;
  };

  explicit Standings(const Service& service);

  bool begin(const ServerLoad* loads);
  void look_at(uint32_t server, const ServerLoad* loads, bool settle_later);
  Tournament::Entry entry_of(uint32_t server, const ServerLoad* loads) const;
  Share share_of(const Server& server, const ServerLoad* loads) const;

  const Service& service_;
  Changes changes_;
  std::atomic<bool> watching_{false};
  Spinlock lock_;
  // All below under the lock.
  /** By server, the first place in the order of the plan that names it. */
  std::vector<uint32_t> place_of_;
  std::optional<Tournament> tournament_;
  std::optional<WeightSums> weights_;
  std::vector<Share> shares_;
  uint64_t load_ = 0, weight_ = 0;
  uint32_t roomy_ = 0;
};

}  // namespace vsnat::service
