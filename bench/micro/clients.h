// SPDX-License-Identifier: Apache-2.0
//
// Who talks, and how often: the clients of numbered flows, and sequences of flows as they might send. Everything is
// computed from the number, so that a list of millions of keys does not compete with a table for the caches.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "wire/address.h"
#include "wire/endian.h"

namespace vsnat::bench {

/** An address whose last 32 bits are `host`; of IPv6 below 2001:db8::/64. */
template <class Addr>
Addr address(uint32_t host) {
  const auto number = wire::be32::from_host(host);
  if constexpr (Addr::kFamily == 4) {
    return Addr{number};
  } else {
    Addr six{{0x20, 0x01, 0x0d, 0xb8}};
    std::memcpy(six.bytes.data() + 12, &number, sizeof(number));
    return six;
  }
}

/** The client of flow `i`: 60,000 ports of each address of 198.18.0.0/15. */
template <class Addr>
Addr client_address(uint32_t i) {
  return address<Addr>(0xc6120000 + i / 60000);
}
inline uint16_t client_port(uint32_t i) {
  return uint16_t(1024 + i % 60000);
}

/** 0 .. count - 1 in an order that no prefetcher follows; of a count that the prime does not divide. */
inline uint32_t scattered(uint32_t i, uint32_t count) {
  return uint32_t(uint64_t(i) * 2654435761u % count);
}

enum class Popularity : uint8_t {
  uniform,
  zipf,  // the n-th most popular flow sends 1/n as much as the first: few flows carry most, as in the wild
};

/** `length` numbers below `flows`, drawn by their popularity; the popular ones are scattered over all of them. */
std::vector<uint32_t> drawn(uint32_t flows, Popularity popularity, uint32_t length, uint64_t seed = 1);

}  // namespace vsnat::bench
