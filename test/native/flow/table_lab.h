// SPDX-License-Identifier: Apache-2.0
//
// A flow table with its memory, and flows by small numbers instead of addresses.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "flow/table.h"

namespace vsnat::test {

/** The n-th client; real servers and VIPs are numbered in ranges of their own. */
template <class Addr>
Addr numbered(uint32_t n, uint8_t range = 0x20) {
  Addr address{};
  auto* bytes = reinterpret_cast<uint8_t*>(&address);
  bytes[0] = range;
  if constexpr (Addr::kFamily == 4) {
    // A whole 32-bit number: the range gives way, these addresses only have to differ.
    address.value = wire::be32::from_host(uint32_t(range) << 24 ^ n);
  } else {
    const auto number = wire::be32::from_host(n);
    std::memcpy(bytes + 12, &number, 4);
  }
  return address;
}
template <class Addr>
uint32_t number_of(const Addr& client) {
  if constexpr (Addr::kFamily == 4)
    return client.value.host() ^ 0x20u << 24;
  else
    return client.word(3);
}
template <class Addr>
Addr virtual_numbered(uint32_t n) {
  return numbered<Addr>(n, 0x30);
}
template <class Addr>
Addr real_numbered(uint32_t n) {
  return numbered<Addr>(n, 0x0a);
}

template <class Addr>
class Lab {
 public:
  explicit Lab(uint32_t capacity, HashKey key = {0x0123456789abcdef, 0xfedcba9876543210},
               flow::Sharing sharing = flow::Sharing::exclusive)
      : size_(flow::Table<Addr>::bytes_for(capacity)),
        memory_(static_cast<std::byte*>(std::aligned_alloc(64, (size_ + 63) / 64 * 64))) {
    std::memset(memory_.get(), 0, size_);
    table.format(memory(), capacity, key, sharing);
  }

  std::span<std::byte> memory() { return {memory_.get(), size_}; }

  uint64_t hash(uint8_t protocol, uint32_t client, uint16_t port) const {
    return table.hash(protocol, numbered<Addr>(client), wire::be16::from_host(port));
  }
  /** An established flow; null when the table is full. */
  flow::Flow<Addr>* open(uint8_t protocol, uint32_t client, uint16_t client_port, uint32_t virt,
                         uint16_t virtual_port, uint32_t real, uint16_t real_port, Tick expires_at) {
    using wire::be16;
    const uint64_t h = hash(protocol, client, client_port);
    typename flow::Table<Addr>::Guard guard(table, h);
    auto* flow = table.insert(h, protocol, numbered<Addr>(client), be16::from_host(client_port), now,
                              [&](const flow::Flow<Addr>& f) { evicted.push_back(f); });
    if (flow == nullptr) return nullptr;
    flow->virt = virtual_numbered<Addr>(virt);
    flow->virtual_port = be16::from_host(virtual_port);
    flow->real = real_numbered<Addr>(real);
    flow->real_port = be16::from_host(real_port);
    flow->state = flow::State::established;
    flow->flags = flow::Flow<Addr>::kConfirmed;
    table.touch(flow, expires_at);
    return flow;
  }
  flow::Flow<Addr>* request(uint8_t protocol, uint32_t client, uint16_t client_port, uint32_t virt,
                            uint16_t virtual_port) {
    using wire::be16;
    return table.find_request(hash(protocol, client, client_port), protocol, numbered<Addr>(client),
                              be16::from_host(client_port), virtual_numbered<Addr>(virt),
                              be16::from_host(virtual_port));
  }
  flow::Flow<Addr>* reply(uint8_t protocol, uint32_t client, uint16_t client_port, uint32_t real,
                          uint16_t real_port) {
    using wire::be16;
    return table.find_reply(hash(protocol, client, client_port), protocol, numbered<Addr>(client),
                            be16::from_host(client_port), real_numbered<Addr>(real),
                            be16::from_host(real_port));
  }
  /** One full round over every shard, `budget` records at a time. */
  void sweep_all(Tick at, uint32_t budget) {
    for (uint32_t s = 0; s < table.shard_count(); ++s) {
      while (table.sweep(s, at, budget, [](const auto&) {}) == budget) {
      }
    }
  }

  flow::Table<Addr> table;
  Tick now;
  std::vector<flow::Flow<Addr>> evicted;

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  size_t size_;
  std::unique_ptr<std::byte, Free> memory_;
};

}  // namespace vsnat::test
