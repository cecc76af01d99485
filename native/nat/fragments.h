// SPDX-License-Identifier: Apache-2.0
//
// What became of the first fragment of a datagram, so that the later ones, which carry no ports, share its fate.
//
// A first fragment with its whole transport header is handled like any packet: the checksum it carries is adjusted for
// the datagram's change of addresses and ports, which is right for the whole datagram, and the fragments need not be
// put together. Later ones get the same addresses. Nothing is held back: a fragment that overtakes its first is
// dropped (reason `fragment`) when it is for a VIP or from a real server, and passed when it is neither, so none ever
// leaves half translated. Bounded: 256 datagrams a lane, 30 s each, the oldest of a set of four gives way (RFC 6888
// would have us refuse instead, but an unfinished datagram is nobody's connection).
//
// All fragments of a datagram come to one queue: steering hashes them by address alone.
#pragma once

#include <array>
#include <cstdint>

#include "base/siphash.h"
#include "base/time.h"
#include "wire/packet.h"

namespace vsnat::nat {

template <class Addr>
class FragmentMemory {
 public:
  struct Key {
    Addr source, destination;
    uint32_t id = 0;
    uint8_t protocol = 0;
    friend bool operator==(const Key&, const Key&) = default;
  };

  struct Fate {
    Addr source, destination;  // to be written into later fragments
    bool translated = false;   // false: the datagram is not ours and passes
    uint32_t server_slot = 0;
    bool is_reply = false;
  };

  static constexpr unsigned kSets = 64, kWays = 4;
  static constexpr uint32_t kSeconds = 30;

  static Key key_of(const wire::PacketView& packet) {
    return {wire::saddr<Addr>(packet), wire::daddr<Addr>(packet), packet.fragment_id, packet.protocol};
  }

  void remember(const Key& key, const Fate& fate, Tick now) {
    auto& set = set_of(key);
    Entry* oldest = &set[0];
    for (Entry& entry : set) {
      const bool same = entry.used && entry.key == key;
      if (same || !entry.used || now.after(entry.until)) {
        oldest = &entry;
        break;
      }
      if (oldest->until.after(entry.until)) oldest = &entry;
    }
    *oldest = Entry{key, fate, now.plus(ticks_from_seconds(kSeconds)), true};
  }

  /** Null when the first fragment was not seen, was dropped, or was too long ago. */
  const Fate* find(const Key& key, Tick now) const {
    for (const Entry& entry : const_cast<FragmentMemory*>(this)->set_of(key)) {
      if (entry.used && entry.key == key && !now.after(entry.until)) return &entry.fate;
    }
    return nullptr;
  }

 private:
  struct Entry {
    Key key;
    Fate fate;
    Tick until;
    bool used = false;
  };

  std::array<Entry, kWays>& set_of(const Key& key) {
    // Unkeyed: whoever fills a set on purpose only loses datagrams of his own addresses' choosing.
    const uint32_t mixed = hsiphash_u32(key.id ^ key.source.fold() ^ key.destination.fold(), HashKey{});
    return sets_[mixed % kSets];
  }

  std::array<std::array<Entry, kWays>, kSets> sets_{};
};

struct Fragments {
  FragmentMemory<wire::Addr4> v4;
  FragmentMemory<wire::Addr6> v6;

  template <class Addr>
  FragmentMemory<Addr>& of() {
    if constexpr (Addr::kFamily == 4) {
      return v4;
    } else {
      return v6;
    }
  }
};

}  // namespace vsnat::nat
