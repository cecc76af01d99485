// SPDX-License-Identifier: Apache-2.0
//
// Which servers' loads have changed since somebody last looked. A stack: any thread pushes, and whoever looks takes all of
// it at once; a server is in it once however often it changes meanwhile. So looking costs what has changed, and noting a
// change two atomic operations at most.
//
// No change is lost: note() comes after the change, and each() has made the server pushable again before it is looked at.
// All of that is sequentially consistent, the change and the look included (service/load.h), so one of the two sees the
// other.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace vsnat::service {

class Changes {
 public:
  /** One server's place in the stack. */
  class Watch {
   public:
    void note() {
      if (noted_.load() || noted_.exchange(true)) return;
      next_ = changes_->newest_.load(std::memory_order_relaxed);
      while (!changes_->newest_.compare_exchange_weak(next_, this, std::memory_order_release,
                                                      std::memory_order_relaxed)) {
      }
    }

   private:
    friend class Changes;
    Changes* changes_ = nullptr;
    Watch* next_ = nullptr;
    uint32_t server_ = 0;
    std::atomic<bool> noted_{false};
  };

  explicit Changes(uint32_t servers) : watches_(std::make_unique<Watch[]>(servers)) {
    for (uint32_t i = 0; i < servers; ++i) {
      watches_[i].changes_ = this;
      watches_[i].server_ = i;
    }
  }
  Changes(const Changes&) = delete;
  Changes& operator=(const Changes&) = delete;

  Watch& watch(uint32_t server) { return watches_[server]; }

  /** `look(server)` at each that has changed, the last first. One thread at a time. */
  template <class Look>
  void each(Look&& look) {
    if (newest_.load(std::memory_order_relaxed) == nullptr) return;
    for (Watch* at = newest_.exchange(nullptr, std::memory_order_acquire); at != nullptr;) {
      Watch* const next = at->next_;  // before it may be pushed again
      at->noted_.exchange(false);
      look(at->server_);
      at = next;
    }
  }

 private:
  std::atomic<Watch*> newest_{nullptr};
  std::unique_ptr<Watch[]> watches_;
};

}  // namespace vsnat::service
