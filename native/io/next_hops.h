// SPDX-License-Identifier: Apache-2.0
//
// Which frame leads to which host: what direct egress knows of the kernel's routes and neighbours.
//
// Theory of operation
// -------------------
// A cache, not a routing table. One thread, the resolver, asks the kernel and writes; the workers read and never wait.
// A host that is not here, or no longer, costs nothing but the detour: its packets go through the TUN device, and the
// kernel routes them as it always did. So everything may be forgotten at any time, and is, by raising `epoch`, whenever
// a route, rule, address or link changes: rebuilding costs one question per host in use.
//
//   entry:      host | interface, MTU, our MAC | neighbour     one cache line, found by hash, four places to look
//   neighbour:  its MAC, whether it is valid                    one word, shared by all hosts behind a router
//
// The kernel asks a neighbour again (ARP, NDP) only when it sends packets to it itself. So that it keeps doing so, one
// packet per neighbour and kRefreshMs is told to take the ordinary way; what becomes of it comes back as a notification.
//
// An entry is read under a sequence count that its writer makes odd; all words are atomics, so a torn read is seen and
// not a race. A neighbour's word carries a number that must match the entry's, so that a place given to another neighbour
// sends nobody's packets there.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "wire/address.h"

namespace vsnat::io {

/** A host of either family: IPv4 as ::ffff:a.b.c.d. */
struct Host {
  std::array<uint8_t, 16> bytes{};

  static Host of(const wire::Addr4& address) {
    Host host;
    host.bytes[10] = host.bytes[11] = 0xff;
    std::memcpy(&host.bytes[12], &address, 4);
    return host;
  }
  static Host of(const wire::Addr6& address) { return Host{address.bytes}; }
  bool is_v4() const {
    static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return std::memcmp(bytes.data(), kMapped, sizeof(kMapped)) == 0;
  }
  friend bool operator==(const Host&, const Host&) = default;

  static Host of_halves(uint64_t first, uint64_t second) {
    Host host;
    std::memcpy(&host.bytes[0], &first, 8);
    std::memcpy(&host.bytes[8], &second, 8);
    return host;
  }
  uint64_t half(int i) const {
    uint64_t value;
    std::memcpy(&value, &bytes[8 * i], 8);
    return value;
  }
};

using Mac = std::array<uint8_t, 6>;

/** Where a frame goes and how it begins. */
struct NextHop {
  uint32_t interface = 0;  // ifindex
  uint32_t mtu = 0;        // of the IP packet
  Mac destination{}, source{};
};

/** Where a packet to a host goes next: what the kernel finds the neighbour by. */
struct Step {
  uint32_t interface = 0;
  uint32_t mtu = 0;
  Host gateway;  // the host itself when it is on the link
};

class NextHops {
 public:
  static constexpr uint32_t kNoNeighbour = 0xffffffff;
  static constexpr uint32_t kRefreshMs = 5000;

  enum class Way : uint8_t {
    unknown,  // nobody asked yet, or what was known is old
    route,  // through the kernel: no Ethernet, no neighbour, or this packet's turn to keep the neighbour alive
    direct,
  };

  /** Room for `hosts` of them (a power of two) and a quarter as many neighbours. */
  explicit NextHops(uint32_t hosts);

  /** Any thread. `now_ms` is monotonic. `hop` is written for `direct` alone. */
  Way find(const Host& host, uint64_t now_ms, NextHop& hop);

  /** Any thread. The same of the route alone, whoever is there at the moment; it is no packet's turn for that. */
  Way route_to(const Host& host) const;

  /** Any thread. Of a host that frames can be sent to; it holds for as long as edition() stays what it was before. */
  std::optional<Step> step_to(const Host& host) const;
  /** Any thread. Another one whenever a step may have changed, or its neighbour is there no more; never 0. */
  uint32_t edition() const { return edition_.load(std::memory_order_acquire); }

  // ---- The resolver alone. ----

  /** Before the first change: who else is to hear of every edition() at once. */
  void announce_editions_at(std::atomic<uint32_t>& place) {
    announced_ = &place;
    announced_->store(edition());
  }

  /** All that is known is old from now on. */
  void forget_hosts();
  /** The same for neighbours; their numbers may be given out again. */
  void forget_neighbours();
  /** A new neighbour's number, without a valid address yet; kNoNeighbour when there are too many. */
  uint32_t add_neighbour();
  /** null: nobody there at the moment. */
  void set_neighbour(uint32_t neighbour, const Mac* address);
  /** `host` is reached like this; with kNoNeighbour, through the kernel. */
  void put(const Host& host, const Step& step, const Mac& source, uint32_t neighbour);

  uint32_t capacity() const { return mask_ + 1; }

 private:
  static constexpr uint32_t kWays = 4;
  static constexpr uint64_t kValid = uint64_t{1} << 63;

  struct alignas(64) Entry {
    std::atomic<uint32_t> sequence{0};
    std::atomic<uint32_t> epoch{0};  // 0: never written
    std::atomic<uint64_t> host[2]{};
    std::atomic<uint64_t> source{0};  // MAC in the low 48 bits
    std::atomic<uint32_t> neighbour{kNoNeighbour};
    std::atomic<uint32_t> tenure{0};
    std::atomic<uint32_t> interface { 0 }, mtu{0};
    std::atomic<uint64_t> gateway[2]{};
  };
  static_assert(sizeof(Entry) == 64);
  struct Neighbour {
    std::atomic<uint64_t> word{0};  // valid | tenure, 15 bits | MAC, 48 bits
    std::atomic<uint32_t> refreshed_ms{0};
  };

  /** What is known of a host, copied while nobody wrote it. */
  struct Known {
    uint64_t source;
    uint32_t neighbour, tenure;
    Step step;
  };

  void begin_edition();
  /** The word of a host's neighbour; 0 when there is none, or nobody there at the moment. */
  uint64_t neighbour_of(const Known& known) const;
  uint32_t home(const Host& host) const;
  bool look_up(const Host& host, Known& known) const;
  Entry& place_for(const Host& host);

  uint32_t mask_;
  uint32_t most_neighbours_;
  uint32_t neighbours_ = 0;  // resolver
  uint32_t tenure_ = 1;      // resolver; 1..2^15-1
  uint32_t victim_ = 0;      // resolver
  std::atomic<uint32_t> epoch_{1}, edition_{1};
  std::atomic<uint32_t>* announced_ = nullptr;
  std::unique_ptr<Entry[]> entries_;
  std::unique_ptr<Neighbour[]> neighbour_table_;
};

}  // namespace vsnat::io
