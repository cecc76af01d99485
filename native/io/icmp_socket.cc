// SPDX-License-Identifier: Apache-2.0
#include "io/icmp_socket.h"

#include <arpa/inet.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace vsnat::io {
namespace {

constexpr int kSolRaw = 255;  // SOL_RAW, which glibc does not have

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

std::optional<SocketAddress> socket_address(bool ipv6, const std::string& text) {
  SocketAddress out;
  void* address;
  if (ipv6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
    v6->sin6_family = AF_INET6;
    address = &v6->sin6_addr;
    out.length = sizeof(sockaddr_in6);
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
    v4->sin_family = AF_INET;
    address = &v4->sin_addr;
    out.length = sizeof(sockaddr_in);
  }
  if (::inet_pton(ipv6 ? AF_INET6 : AF_INET, text.c_str(), address) != 1) return std::nullopt;
  return out;
}

std::string text_of(const sockaddr_storage& from) {
  char text[INET6_ADDRSTRLEN] = "";
  if (from.ss_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(from).sin6_addr, text, sizeof(text));
  } else {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(from).sin_addr, text, sizeof(text));
  }
  return text;
}

/** A raw socket sees every ICMP message that comes to this host, unless told otherwise. */
bool only_echo_replies(int fd, bool ipv6) {
  if (ipv6) {
    icmp6_filter filter;
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
    return ::setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)) == 0;
  }
  icmp_filter filter{};
  filter.data = ~(1U << ICMP_ECHOREPLY);
  return ::setsockopt(fd, kSolRaw, ICMP_FILTER, &filter, sizeof(filter)) == 0;
}

}  // namespace

Result<IcmpSocket> IcmpSocket::open(bool ipv6, const std::string& source) {
  const int family = ipv6 ? AF_INET6 : AF_INET;
  const int protocol = ipv6 ? int(IPPROTO_ICMPV6) : int(IPPROTO_ICMP);
  constexpr int kFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;
  bool raw = false;
  UniqueFd fd{::socket(family, SOCK_DGRAM | kFlags, protocol)};
  if (!fd && (errno == EACCES || errno == EPERM || errno == EPROTONOSUPPORT)) {
    raw = true;
    fd = UniqueFd{::socket(family, SOCK_RAW | kFlags, protocol)};
  }
  if (!fd) return SysError{errno, "socket ICMP"};
  if (raw && !only_echo_replies(fd.get(), ipv6)) return SysError{errno, "setsockopt ICMP_FILTER"};
  if (!source.empty()) {
    const auto from = socket_address(ipv6, source);
    if (!from) return SysError{EINVAL, "bind " + source};
    if (::bind(fd.get(), from->get(), from->length) != 0) return SysError{errno, "bind " + source};
  }
  return IcmpSocket{std::move(fd), ipv6, raw};
}

std::optional<SysError> IcmpSocket::send(const std::string& to, std::span<const std::byte> message) const {
  const auto address = socket_address(ipv6_, to);
  if (!address) return SysError{EINVAL, "sendto " + to};
  const auto sent =
      ::sendto(fd_.get(), message.data(), message.size(), MSG_NOSIGNAL, address->get(), address->length);
  if (sent < 0) return SysError{errno, "sendto " + to};
  return std::nullopt;
}

std::optional<IcmpSocket::Received> IcmpSocket::receive(std::span<std::byte> buffer, bool& more) const {
  sockaddr_storage from{};
  socklen_t length = sizeof(from);
  const auto got =
      ::recvfrom(fd_.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
  // An error other than "nothing there" is of one ping (host unreachable) and is read off by this.
  more = got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
  if (got < 0) return std::nullopt;
  std::span<const std::byte> message = buffer.first(size_t(got));
  if (raw_ && !ipv6_) {
    if (message.empty()) return std::nullopt;
    const size_t header = size_t(std::to_integer<uint8_t>(message[0]) & 0x0f) * 4;  // IHL
    if (header < 20 || header > message.size()) return std::nullopt;
    message = message.subspan(header);
  }
  return Received{message, text_of(from)};
}

}  // namespace vsnat::io
