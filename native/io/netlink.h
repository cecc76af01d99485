// SPDX-License-Identifier: Apache-2.0
//
// The few questions direct egress asks the kernel's rtnetlink, and its notifications. netlink.cc and
// host_changes.cc alone know <linux/rtnetlink.h>. Blocking, but only as long as the kernel thinks; control threads alone.
//
// Routes are asked for with RTM_F_FIB_MATCH: the answer is then the route as it is written, where several next hops, an
// encapsulation or a next-hop object show, and not what the kernel chose among them just now.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/result.h"
#include "base/unique_fd.h"
#include "io/next_hops.h"

namespace vsnat::io {

/** A route that one frame can follow: everything else is none of direct egress' business. */
struct PlainRoute {
  uint32_t interface = 0;
  Host gateway;      // the host itself when it is on the link
  uint32_t mtu = 0;  // 0: the link's
};

struct EthernetLink {
  Mac address{};
  uint32_t mtu = 0;
};

/** What a notification was about. */
struct NeighbourChange {
  uint32_t interface = 0;
  Host host;
  std::optional<Mac> address;  // none: not valid any more
};

class Netlink {
 public:
  enum class Purpose : uint8_t { questions, notifications };

  static Result<Netlink> open(Purpose purpose);

  int fd() const { return fd_.get(); }

  /** The way to `host`, if a plain one: unicast, one next hop, nothing put around the packet. */
  std::optional<PlainRoute> route_to(const Host& host);
  /** The interface, if frames sent on it reach Ethernet neighbours: Ethernet, up, and no member of a VRF. */
  std::optional<EthernetLink> ethernet(uint32_t interface);
  /** The address of `host` behind `interface`, if the kernel knows a valid one. */
  std::optional<Mac> neighbour(uint32_t interface, const Host& host);

  struct Notified {
    bool routes = false;  // routes, rules, addresses or links changed, or notifications were lost
    bool neighbours_lost = false;
  };
  /** Reads what has come, without waiting; calls `changed` for each neighbour. */
  Notified read(const std::function<void(const NeighbourChange&)>& changed);

 private:
  explicit Netlink(UniqueFd fd) : fd_(std::move(fd)) {}
  /** Sends `request` and gives the first answer to `use`; false when it was an error. */
  bool ask(void* request, uint32_t length, const std::function<void(const void* message)>& use);

  UniqueFd fd_;
  uint32_t sequence_ = 0;
};

}  // namespace vsnat::io
