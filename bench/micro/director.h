// SPDX-License-Identifier: Apache-2.0
//
// A director in memory, as large as is asked for. Services and servers are numbered through; each service has an address
// of its own, and no two share a server.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>

#include "bench/micro/clients.h"
#include "engine/engine.h"

namespace vsnat::bench {

/** Says so and ends the process: there is nothing to measure. */
[[noreturn]] void fail(const char* what);

enum class Choice : uint8_t { in_turn, least_loaded };

struct Layout {
  uint32_t flows = 1'000'000;
  uint32_t services = 1;
  uint32_t servers = 8;  // of each service
  Choice choice = Choice::in_turn;
};

inline constexpr uint16_t kVirtualPort = 80, kRealPort = 8080;
inline constexpr uint32_t kFirstVirtual = 0x0b000001, kFirstReal = 0x0a000001;

template <class Addr>
Addr virtual_address(uint32_t service) {
  return address<Addr>(kFirstVirtual + service);
}
template <class Addr>
Addr real_address(uint32_t server) {
  return address<Addr>(kFirstReal + server);
}
template <class Addr>
uint32_t real_number(const Addr& real) {
  wire::be32 host;
  std::memcpy(&host, reinterpret_cast<const uint8_t*>(&real) + sizeof(Addr) - sizeof(host), sizeof(host));
  return host.host() - kFirstReal;
}

/**
 * What to give a table that is to take so many flows for certain. Filled to the last place, one of ten million has its
 * bucket full and the next seven as well (flow/table.h), and is refused.
 */
inline uint32_t with_room_for(uint32_t flows) {
  return flows + flows / 64;
}

/** Running, with its services published; no flow yet. */
template <class Addr>
std::unique_ptr<engine::Engine> open_director(const Layout& layout);

}  // namespace vsnat::bench
