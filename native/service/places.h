// SPDX-License-Identifier: Apache-2.0
//
// What is where: a number for each address, protocol and port that a configuration speaks of.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

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

/** A set of addresses, dense because every packet asks it about both of its own. Open addressing, at most half full. */
template <class Addr>
class Addresses {
 public:
  /** Makes room for so many, and forgets what was there. */
  void reserve(size_t addresses) {
    entries_.assign(std::bit_ceil(addresses * 2 + 1), Entry{});
    mask_ = uint32_t(entries_.size() - 1);
  }

  void insert(const Addr& address) {
    Entry& entry = entries_[place_of(address)];
    entry.address = address;
    entry.used = true;
  }
  bool contains(const Addr& address) const { return entries_[place_of(address)].used; }

 private:
  struct Entry {
    Addr address{};
    bool used = false;
  };

  /** Where it is, or would be. */
  uint32_t place_of(const Addr& address) const {
    for (uint32_t i = Places<Addr>::hash(address, 0, 0) & mask_;; i = (i + 1) & mask_) {
      if (!entries_[i].used || entries_[i].address == address) return i;
    }
  }

  std::vector<Entry> entries_;
  uint32_t mask_ = 0;
};

}  // namespace vsnat::service
