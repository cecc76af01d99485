// SPDX-License-Identifier: Apache-2.0
//
// Other hash tables, made to hold the same: the same keys, 64 bytes an entry, room for all of them reserved before the first,
// and where the table lets us, the flow table's own hash of the client's endpoint. What a peer need not do is to be found
// from both directions, to expire, or to stay within the memory it was given.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>
#if __has_include(<absl/container/flat_hash_map.h>)
#include <absl/container/flat_hash_map.h>
#define VSNAT_WITH_ABSEIL 1
#endif
#if __has_include(<boost/unordered/unordered_flat_map.hpp>)
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/version.hpp>
#define VSNAT_WITH_BOOST_FLAT 1
#endif

#include "base/siphash.h"
#include "bench/micro/lookups.h"

namespace vsnat::bench {

/** What the flow table does with the client's endpoint (flow/table.h). */
struct KeyedHash {
  using is_avalanching = void;  // for Boost: all bits are good
  size_t operator()(const Request& request) const {
    const uint64_t head = uint64_t(request.protocol) << 16 | request.client_port.host();
    return SipHash13(HashKey{1, 2}).finish(head << 32 | request.client.value.host(), 7);
  }
};

/** A flow but for its key. */
using Rest = std::array<uint8_t, 64 - sizeof(Request)>;

template <class Map>
class Peer {
 public:
  explicit Peer(uint32_t flows) { map_.reserve(flows); }

  uint32_t find(std::span<const uint32_t> sequence, uint32_t first) {
    uint32_t found = 0;
    for (const uint32_t i : sequence) found += map_.find(request_of(first + i)) != map_.end();
    return found;
  }
  void insert(const Request& request) { map_.try_emplace(request); }
  void erase(const Request& request) { map_.erase(request); }

 private:
  Map map_;
};

using StdPeer = Peer<std::unordered_map<Request, Rest, KeyedHash>>;
#ifdef VSNAT_WITH_ABSEIL
template <class H>
H AbslHashValue(H state, const Request& r) {
  return H::combine(std::move(state), r.client.value.host(), r.client_port.host(), r.protocol);
}
using AbseilPeer = Peer<absl::flat_hash_map<Request, Rest, KeyedHash>>;
/** With the hash it comes with, which is no keyed PRF: nobody may choose the keys. */
using AbseilOwnHashPeer = Peer<absl::flat_hash_map<Request, Rest>>;
#endif
#ifdef VSNAT_WITH_BOOST_FLAT
using BoostPeer = Peer<boost::unordered_flat_map<Request, Rest, KeyedHash>>;
#endif

/** Whose tables they are, and of which version: "libstdc++ 12". */
std::vector<std::string> peer_versions();

/** `visitor.operator()<Peer>(name)` for each that is installed. */
template <class Visitor>
void each_peer(Visitor&& visitor) {
  visitor.template operator()<StdPeer>("std-unordered_map");
#ifdef VSNAT_WITH_ABSEIL
  visitor.template operator()<AbseilPeer>("absl-flat_hash_map");
  visitor.template operator()<AbseilOwnHashPeer>("absl-flat_hash_map-own-hash");
#endif
#ifdef VSNAT_WITH_BOOST_FLAT
  visitor.template operator()<BoostPeer>("boost-unordered_flat_map");
#endif
}

}  // namespace vsnat::bench
