// SPDX-License-Identifier: Apache-2.0
//
// What is where: a number for each address, protocol and port that a configuration speaks of.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "wire/address.h"

namespace vsnat::service {

/** An address of either family. */
struct IpAddress {
  uint8_t family = 0;  // 4 or 6
  wire::Addr4 v4{};
  wire::Addr6 v6{};

  template <class Addr>
  const Addr& get() const {
    if constexpr (Addr::kFamily == 4) {
      return v4;
    } else {
      return v6;
    }
  }
};

/** Open addressing, at most half full; keys are configured, not chosen by strangers. */
template <class Addr>
struct Places {
  struct Entry {
    Addr address{};
    uint16_t port = 0;  // host order; 0: every port, or an address alone
    uint8_t protocol = 0;
    bool used = false;
    uint32_t service = 0;  // the number; usually a service's
  };
  std::vector<Entry> entries;
  uint32_t mask = 0;

  void reserve(size_t places) {
    const size_t size = std::bit_ceil(places * 2 + 2);
    entries.assign(size, Entry{});
    mask = uint32_t(size - 1);
  }

  static uint32_t hash(const Addr& address, uint8_t protocol, uint16_t port) {
    uint32_t h = address.fold() * 0x9e3779b1u;
    h ^= (uint32_t(port) << 8 | protocol) * 0x85ebca6bu;
    return h ^ h >> 15;
  }

  const Entry* find(const Addr& address, uint8_t protocol, uint16_t port) const {
    for (uint32_t i = hash(address, protocol, port) & mask;; i = (i + 1) & mask) {
      const Entry& e = entries[i];
      if (!e.used) return nullptr;
      if (e.port == port && e.protocol == protocol && e.address == address) return &e;
    }
  }

  /** The place's entry, which may be a new one, not `used` until now. */
  Entry& claim(const Addr& address, uint8_t protocol, uint16_t port) {
    for (uint32_t i = hash(address, protocol, port) & mask;; i = (i + 1) & mask) {
      Entry& e = entries[i];
      if (e.used && !(e.port == port && e.protocol == protocol && e.address == address)) continue;
      if (!e.used) e = Entry{address, port, protocol, false, 0};
      return e;
    }
  }

  /** False when the place is already there. */
  bool insert(const Addr& address, uint8_t protocol, uint16_t port, uint32_t service) {
    Entry& e = claim(address, protocol, port);
    if (e.used) return false;
    e.used = true;
    e.service = service;
    return true;
  }
};

/**
 * A set of addresses, dense because every packet asks it about where it goes. An address is one of a bucket's few, and
 * all of them are compared: where it stands, and whether it does, is chance, so a search that ended there would end where no
 * branch predictor expects it. A bucket that is full spills into the next. `::` and 0.0.0.0 are in no set.
 */
template <class Addr>
class Addresses {
 public:
  static constexpr size_t kPlaces = Addr::kFamily == 4 ? 8 : 4;

  /** Makes room for so many, and forgets what was there. */
  void reserve(size_t addresses) {
    count_ = addresses / kMeanPerBucket + 1;
    buckets_.assign(count_, Bucket{});
  }

  void insert(const Addr& address) {
    for (size_t b = home_of(address);; b = next(b)) {
      for (Addr& place : buckets_[b].places) {
        if (place == address) return;
        if (!(place == Addr{})) continue;
        place = address;
        return;
      }
    }
  }

  bool contains(const Addr& address) const {
    for (size_t b = home_of(address);; b = next(b)) {
      const Bucket& bucket = buckets_[b];
      const bool found = bucket.has(address);
      if (found | (bucket.places[kPlaces - 1] == Addr{})) [[likely]]
        return found & !(address == Addr{});
    }
  }

  size_t bucket_count() const { return buckets_.size(); }

  /**
   * The bucket an address is looked for first. The high bits of a product tell all bits of the address apart (Knuth 6.4);
   * bits as they lie in memory will do.
   */
  size_t home_of(const Addr& address) const {
    uint32_t word;
    if constexpr (Addr::kFamily == 4) {
      std::memcpy(&word, &address, sizeof(word));
    } else {
      word = address.fold();
    }
    return size_t(uint64_t{word * 0x9e3779b1u} * count_ >> 32);
  }

 private:
  /** So that one in a hundred is full. */
  static constexpr size_t kMeanPerBucket = Addr::kFamily == 4 ? 3 : 1;

  struct alignas(sizeof(Addr) * kPlaces) Bucket {
    Addr places[kPlaces] = {};  // taken from the first on

    bool has(const Addr& address) const {
#ifdef __SSE2__
      if constexpr (Addr::kFamily == 4) {
        int wanted;
        std::memcpy(&wanted, &address, sizeof(wanted));
        const __m128i all = _mm_set1_epi32(wanted);
        const auto* halves = reinterpret_cast<const __m128i*>(this);
        const __m128i low = _mm_cmpeq_epi32(_mm_load_si128(halves), all);
        const __m128i high = _mm_cmpeq_epi32(_mm_load_si128(halves + 1), all);
        return _mm_movemask_epi8(_mm_or_si128(low, high)) != 0;
      }
#endif
      bool found = false;
#pragma GCC unroll 8
      for (const Addr& place : places) found |= place == address;
      return found;
    }
  };

  size_t next(size_t bucket) const {
    return bucket + 1 == buckets_.size() ? 0 : bucket + 1;
  }

  std::vector<Bucket> buckets_{1};
  uint64_t count_ = 1;  // of the buckets: a vector works it out from two pointers, for every packet
};

}  // namespace vsnat::service
