// SPDX-License-Identifier: Apache-2.0
#include "io/check_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

namespace vsnat::io {
namespace {

bool set(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

}  // namespace

Result<UniqueFd> open_check_socket(CheckTransport transport, const std::string& source, uint16_t port) {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  const bool is_v6 = ::inet_pton(AF_INET6, source.c_str(), &v6.sin6_addr) == 1;
  if (!is_v6 && ::inet_pton(AF_INET, source.c_str(), &v4.sin_addr) != 1)
    return SysError{EINVAL, "bind " + source};
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  v4.sin_port = v6.sin6_port = htons(port);

  const int type = transport == CheckTransport::tcp ? SOCK_STREAM : SOCK_DGRAM;
  UniqueFd fd{::socket(is_v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd) return SysError{errno, "socket"};
  const int level = is_v6 ? int(SOL_IPV6) : int(SOL_IP);
  if (!set(fd.get(), level, is_v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, 1))
    return SysError{errno, "setsockopt IP_TRANSPARENT"};
  if (!set(fd.get(), level, is_v6 ? IPV6_UNICAST_HOPS : IP_TTL, 255))
    return SysError{errno, "setsockopt IP_TTL"};
  if (transport == CheckTransport::tcp) {
    const linger at_once{1, 0};
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) != 0)
      return SysError{errno, "setsockopt SO_LINGER"};
  }
  const auto* address =
      is_v6 ? reinterpret_cast<const sockaddr*>(&v6) : reinterpret_cast<const sockaddr*>(&v4);
  if (::bind(fd.get(), address, is_v6 ? socklen_t(sizeof(v6)) : socklen_t(sizeof(v4))) != 0)
    return SysError{errno, "bind " + source};
  return fd;
}

}  // namespace vsnat::io
