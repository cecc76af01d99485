// SPDX-License-Identifier: Apache-2.0
//
// A socket for pinging real servers: echo requests out, echo replies in. The kernel's ping sockets
// (Documentation/networking/ip-sysctl.rst, ping_group_range) where this process may have one, raw sockets with a
// filter for echo replies (CAP_NET_RAW) otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace vsnat::io {

class IcmpSocket {
 public:
  /** `source` empty: the kernel chooses. Non-blocking. */
  static Result<IcmpSocket> open(bool ipv6, const std::string& source);

  int fd() const { return fd_.get(); }

  /** `message` with its ICMP header. Errors are of errno. */
  std::optional<SysError> send(const std::string& to, std::span<const std::byte> message) const;

  struct Received {
    std::span<const std::byte> message;  // without IP header
    std::string from;
  };
  /** Nothing when there is nothing to read just now, or it is no ICMP message. `more`: calling again may help. */
  std::optional<Received> receive(std::span<std::byte> buffer, bool& more) const;

 private:
  IcmpSocket(UniqueFd fd, bool ipv6, bool raw) : fd_(std::move(fd)), ipv6_(ipv6), raw_(raw) {}

  UniqueFd fd_;
  bool ipv6_ = false;
  bool raw_ = false;
};

}  // namespace vsnat::io
