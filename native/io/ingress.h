// SPDX-License-Identifier: Apache-2.0
//
// Direct ingress: packets of virtual services go from the interface they came in by straight to the TUN device. A small
// program at the interface (TCX, Linux 6.6) looks up where a packet wants to go, or where it comes from, and redirects it;
// the kernel neither routes nor filters nor forwards it. It takes one from the TTL, as forwarding would have.
//
// Only plain packets are taken: for this host's own MAC address and in no VLAN, TCP, UDP or SCTP whole and without options,
// with a hop left to take. Whatever else there is comes as it always did: the routes, rules and neighbours of src/host stay.
//
// The links go away with the process however it ends. Where bpf() or TCX is refused everything works the same, more slowly.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "io/bpf.h"
#include "io/shortcut_maps.h"

namespace vsnat::io {

/** A place that packets go to or come from, as the map keys it. IPv4 is mapped into ::ffff:0:0/96. */
struct Endpoint {
  enum class Side : uint8_t { destination, source };

  uint8_t address[16] = {};
  uint8_t port[2] = {};  // as on the wire
  uint8_t protocol = 0;
  Side side = Side::destination;

  auto operator<=>(const Endpoint&) const = default;
};
static_assert(sizeof(Endpoint) == 20);

class DirectIngress {
 public:
  /**
   * `tun`: index of the device. At most `most` endpoints, and room for `shortcuts`, or none. Fails where bpf() is refused, or
   * TCX unknown. Control thread.
   */
  static Result<DirectIngress> open(unsigned tun, uint32_t most, uint32_t shortcuts);

  /** 0 or errno. */
  int add(const Endpoint& endpoint) { return endpoints_.add(&endpoint); }
  int remove(const Endpoint& endpoint) { return endpoints_.remove(&endpoint); }

  /** Takes packets at these interfaces, by index, and at no others; how many it could not be put on. */
  size_t attach(std::span<const unsigned> interfaces);
  size_t attached() const { return links_.size(); }

  /** null where there are none. */
  ShortcutMaps* shortcuts() const { return shortcuts_.get(); }

  int program() const { return program_.get(); }
  /** Packets that went straight into the device. */
  uint64_t taken() const;

 private:
  struct Link {
    unsigned interface;
    UniqueFd fd;
  };

  DirectIngress(BpfHash endpoints, UniqueFd counts, UniqueFd program, std::unique_ptr<ShortcutMaps> shortcuts)
      : endpoints_(std::move(endpoints)),
        counts_(std::move(counts)),
        program_(std::move(program)),
        shortcuts_(std::move(shortcuts)) {}

  BpfHash endpoints_;
  UniqueFd counts_;
  UniqueFd program_;
  std::unique_ptr<ShortcutMaps> shortcuts_;
  std::vector<Link> links_;
};

}  // namespace vsnat::io
