// SPDX-License-Identifier: Apache-2.0
//
// The hash of a client's endpoint, beside those the other tables come with. The flow table's is keyed, since strangers choose
// what is hashed; std::hash and Abseil's do not withstand somebody who looks for collisions.
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/mapping.h"
#include "bench/micro/case.h"
#include "bench/micro/groups.h"
#include "bench/micro/peers.h"
#include "flow/table.h"

namespace vsnat::bench {
namespace {

constexpr uint32_t kHashes = 64;

/** `hash(address, port)` of client endpoints, one after the other; not one waits for the last. */
template <class Addr, class Hash>
void add_hash_of(const std::string& what, Hash hash) {
  const std::string name = "hash/" + what;
  add(name, [=](State& state) {
    std::vector<Addr> addresses;
    for (uint32_t i = 0; i < kHashes; ++i) addresses.push_back(client_address<Addr>(i * 60000));
    uint16_t port = 1024;
    measure(state, name, kHashes, [&] {
      uint64_t all = 0;
      for (const Addr& address : addresses) all ^= hash(address, wire::be16::from_host(port++));
      benchmark::DoNotOptimize(all);
    });
  });
}

/** The flow table's own. */
template <class Addr>
void add_keyed(const std::string& what) {
  constexpr uint32_t kFlows = 16;
  const auto memory = std::make_shared<Mapping>();
  const auto table = std::make_shared<flow::Table<Addr>>();
  auto mapped = Mapping::anonymous(table->bytes_for(kFlows), "a small flow table");
  if (!mapped) fail("no memory for a small flow table");
  *memory = std::move(mapped.value());
  table->format(memory->bytes(), kFlows, HashKey{1, 2}, flow::Sharing::exclusive);
  add_hash_of<Addr>(what, [memory, table](const Addr& address, wire::be16 port) {
    return table->hash(wire::kProtoTcp, address, port);
  });
}

template <class Addr>
void add_std(const std::string& what) {
  add_hash_of<Addr>(what, [](const Addr& address, wire::be16 port) {
    char bytes[sizeof(Addr) + 3];
    std::memcpy(bytes, &address, sizeof(Addr));
    std::memcpy(bytes + sizeof(Addr), &port, 2);
    bytes[sizeof(Addr) + 2] = wire::kProtoTcp;
    return uint64_t(std::hash<std::string_view>{}({bytes, sizeof(bytes)}));
  });
}

}  // namespace

void add_hash() {
  add_keyed<wire::Addr4>("siphash13/ipv4");
  add_keyed<wire::Addr6>("siphash13/ipv6");
  add_std<wire::Addr4>("std/ipv4");
  add_std<wire::Addr6>("std/ipv6");
#ifdef VSNAT_WITH_ABSEIL
  add_hash_of<wire::Addr4>("absl/ipv4", [](const wire::Addr4& address, wire::be16 port) {
    return uint64_t(absl::HashOf(address.value.host(), port.host(), wire::kProtoTcp));
  });
  add_hash_of<wire::Addr6>("absl/ipv6", [](const wire::Addr6& address, wire::be16 port) {
    return uint64_t(absl::HashOf(address.bytes, port.host(), wire::kProtoTcp));
  });
#endif
}

}  // namespace vsnat::bench
