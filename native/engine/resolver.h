// SPDX-License-Identifier: Apache-2.0
//
// The thread behind direct egress: workers ask for hosts, it asks the kernel and writes what it learns into the table
// they read (io/next_hops.h). It follows the kernel's notifications and forgets what may have changed.
//
// Rejected: following the routing tables themselves. The kernel's lookup has rules, metrics, exceptions and families of
// next hops that a copy would get wrong in the one case that matters; a question per host costs 10 µs, once.
//
// Threads: ask() by any worker, each on its own ring; everything else on the control thread.
#pragma once

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "io/netlink.h"
#include "io/next_hops.h"

namespace vsnat::engine {

/** Hosts that one worker wants to know about: one writer, one reader. Full means that somebody asks again later. */
class Questions {
 public:
  bool push(const io::Host& host) {
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == kRoom) return false;
    hosts_[tail % kRoom] = host;
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }
  bool pop(io::Host& host) {
    const uint32_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return false;
    host = hosts_[head % kRoom];
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

 private:
  static constexpr uint32_t kRoom = 256;
  std::array<io::Host, kRoom> hosts_;
  alignas(64) std::atomic<uint32_t> tail_{0};
  alignas(64) std::atomic<uint32_t> head_{0};
};

class Resolver {
 public:
  /** `tun` is the interface that no packet may leave by. */
  static Result<std::unique_ptr<Resolver>> open(unsigned workers, int tun, uint32_t hosts);
  ~Resolver();

  Result<bool> start();
  void stop();

  io::NextHops& next_hops() { return next_hops_; }

  /** A worker's wish; its answer will be in next_hops(). */
  void ask(unsigned worker, const io::Host& host);

  /** Questions answered, and how often everything was forgotten. Any thread. */
  uint64_t answered() const { return answered_.load(std::memory_order_relaxed); }
  uint64_t forgotten() const { return forgotten_.load(std::memory_order_relaxed); }

 private:
  struct NeighbourKey {
    uint32_t interface;
    io::Host host;
    friend bool operator==(const NeighbourKey&, const NeighbourKey&) = default;
  };
  struct HashOfKey {
    size_t operator()(const NeighbourKey& key) const {
      return size_t((key.host.half(0) ^ key.host.half(1) ^ key.interface) * 0x9e3779b97f4a7c15u);
    }
  };

  Resolver(io::Netlink questions, io::Netlink notifications, UniqueFd wake, unsigned workers, int tun,
           uint32_t hosts);
  void loop();
  void follow();
  bool answer_some();
  void answer(const io::Host& host);
  const std::optional<io::EthernetLink>& link(uint32_t interface);
  uint32_t neighbour(uint32_t interface, const io::Host& gateway);
  void forget_everything();

  io::Netlink questions_, notifications_;
  UniqueFd wake_;
  const uint32_t tun_;
  io::NextHops next_hops_;
  std::vector<std::unique_ptr<Questions>> asked_;  // by worker
  std::atomic<bool> stop_{false}, asleep_{false};
  std::atomic<uint64_t> answered_{0}, forgotten_{0};
  pthread_t thread_{};
  bool joinable_ = false;

  // The thread alone.
  std::unordered_map<NeighbourKey, uint32_t, HashOfKey> neighbours_;
  std::unordered_map<uint32_t, std::optional<io::EthernetLink>> links_;
};

}  // namespace vsnat::engine
