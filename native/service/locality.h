// SPDX-License-Identifier: Apache-2.0
//
// What a local plan (lblc, lblcr) remembers: for each destination address of its service, the servers that
// serve it and when that last mattered (net/netfilter/ipvs/ip_vs_lblc.c, ip_vs_lblcr.c, 6.12).
//
// The kernel's cache grows with the destinations a firewall mark lets through and has to be thinned out. Here a
// service's destinations are the VIPs it listens on, so the whole memory is laid out when the snapshot is
// built: nothing is allocated, evicted or swept while packets flow, and an entry nobody used for the plan's time
// is found stale by whoever meets it next. The kernel's sweep comes by every half hour, so it forgets up to that
// much later.
//
// Any worker picks, under one lock per service, once per new connection; and the control thread reads it once
// more when the service's next snapshot takes over. A connection that is scheduled between that and a worker's
// adopting the new snapshot may be forgotten here, never lost.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/spinlock.h"
#include "base/time.h"

namespace vsnat::service {

class Locality {
 public:
  /** An address as it lies in a packet: 4 or 16 bytes. */
  using Address = std::span<const uint8_t>;

  /** The servers of one destination: indexes of the service's own servers, the one added last at the end. */
  class Entry {
   public:
    std::span<const uint32_t> servers() const { return {servers_, count_}; }
    bool has(uint32_t server) const;
    /** Adds a server that is not there yet. */
    void add(uint32_t server, Tick now);
    void remove(uint32_t server, Tick now);
    void clear() { count_ = 0; }

    Tick used;     // a connection asked for this destination
    Tick changed;  // a server was added or removed

   private:
    friend class Locality;
    uint32_t* servers_ = nullptr;  // room for every server of the service
    uint32_t count_ = 0;
  };

  /** `addresses` are of one length, and may repeat. */
  Locality(const std::vector<Address>& addresses, uint32_t servers);

  /** Null when nobody listens on `address`. Call with `lock` held. */
  Entry* find(Address address);

  /**
   * Take over what `before` knows of the destinations that are still listened on. `moved[i]` is the new index of
   * its server i, or kGone. Control thread, before this one is published.
   */
  static constexpr uint32_t kGone = 0xffffffff;
  void inherit(Locality& before, std::span<const uint32_t> moved);

  Spinlock lock;

 private:
  Address address_at(size_t i) const { return Address(addresses_).subspan(i * width_, width_); }

  size_t width_ = 0;
  std::vector<uint8_t> addresses_;  // sorted, one behind the other
  std::vector<Entry> entries_;      // of the same order
  /** Untouched pages cost nothing: room for every server at every destination is only used as it fills. */
  std::unique_ptr<uint32_t[]> memory_;
};

}  // namespace vsnat::service
