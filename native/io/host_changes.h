// SPDX-License-Identifier: Apache-2.0
//
// That something of this host's network has changed, for whoever would otherwise run programs every few seconds to find that
// nothing has. It says no more than that: what comes is thrown away unread, and who hears of it looks for himself.
//
// Not told by any kernel: a proxy neighbour added or removed, sysctls other than forwarding, rp_filter and proxy_ndp, and the
// rules of iptables-legacy.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace vsnat::io {

class HostChanges {
 public:
  /** settings: sysctls of interfaces. firewall: nftables. policies: IPsec. queueing: qdiscs and filters. */
  enum class Subject : uint8_t { links, addresses, routes, rules, settings, firewall, policies, queueing };
  static std::optional<Subject> subject_of(std::string_view name);

  /**
   * Hears from now on. Of routes, those of `route_protocol` (rtm_protocol), and those put in another's place: a router that
   * learns all the world's is of no interest. A subject the kernel does not have does not change.
   */
  static Result<HostChanges> open(std::span<const Subject> subjects, uint8_t route_protocol);

  /** Readable once something has changed, until forget(). */
  int fd() const { return epoll_.get(); }
  void forget();

 private:
  HostChanges() = default;

  UniqueFd epoll_;
  std::vector<UniqueFd> sockets_;  // one a netlink family
};

}  // namespace vsnat::io
