// SPDX-License-Identifier: Apache-2.0
//
// What the kernel's program knows of shortcuts (flow/shortcut.h): which packet is of which, and what to do with it.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "flow/shortcut.h"
#include "io/bpf.h"
#include "wire/address.h"

namespace vsnat::io {

/** The packet as it comes in: source, destination, source port, destination port as on the wire, protocol. */
struct ShortcutKey4 {
  wire::Addr4 source, destination;
  wire::be16 source_port, destination_port;
  uint32_t protocol = 0;
};
static_assert(sizeof(ShortcutKey4) == 16);

struct ShortcutKey6 {
  wire::Addr6 source, destination;
  wire::be16 source_port, destination_port;
  uint32_t protocol = 0;
};
static_assert(sizeof(ShortcutKey6) == 40);

class ShortcutMaps {
 public:
  /** Room for `shortcuts`, 256 bytes of kernel memory each, and some 200 more for one in use. Fails where bpf() is refused. */
  static Result<ShortcutMaps> open(uint32_t shortcuts);

  std::span<flow::Shortcut> shortcuts() const {
    return {reinterpret_cast<flow::Shortcut*>(ways_.bytes().data()),
            ways_.bytes().size() / sizeof(flow::Shortcut)};
  }
  flow::ShortcutSwitch& the_switch() const {
    return *reinterpret_cast<flow::ShortcutSwitch*>(switch_.bytes().data());
  }

  /** 0 or errno; EEXIST when such packets have a shortcut. Any thread. */
  int add(const ShortcutKey4& key, uint32_t slot, flow::Direction direction) {
    return keys4_.add_new(&key, value_of(slot, direction));
  }
  int add(const ShortcutKey6& key, uint32_t slot, flow::Direction direction) {
    return keys6_.add_new(&key, value_of(slot, direction));
  }
  void remove(const ShortcutKey4& key) { keys4_.remove(&key); }
  void remove(const ShortcutKey6& key) { keys6_.remove(&key); }

  int keys4() const { return keys4_.fd(); }
  int keys6() const { return keys6_.fd(); }
  int ways() const { return ways_.fd(); }
  int switch_fd() const { return switch_.fd(); }

 private:
  ShortcutMaps(BpfHash keys4, BpfHash keys6, BpfArray ways, BpfArray the_switch)
      : keys4_(std::move(keys4)),
        keys6_(std::move(keys6)),
        ways_(std::move(ways)),
        switch_(std::move(the_switch)) {}
  static uint32_t value_of(uint32_t slot, flow::Direction direction) {
    return slot << 1 | uint32_t(direction);
  }

  BpfHash keys4_, keys6_;
  BpfArray ways_, switch_;
};

}  // namespace vsnat::io
