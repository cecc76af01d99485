// SPDX-License-Identifier: Apache-2.0
#include "io/host_changes.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>

namespace vsnat::io {
namespace {

using Subject = HostChanges::Subject;

struct Group {
  Subject subject;
  int family;
  int number;
};

constexpr Group kGroups[] = {
    {Subject::links, NETLINK_ROUTE, RTNLGRP_LINK},
    {Subject::addresses, NETLINK_ROUTE, RTNLGRP_IPV4_IFADDR},
    {Subject::addresses, NETLINK_ROUTE, RTNLGRP_IPV6_IFADDR},
    {Subject::routes, NETLINK_ROUTE, RTNLGRP_IPV4_ROUTE},
    {Subject::routes, NETLINK_ROUTE, RTNLGRP_IPV6_ROUTE},
    {Subject::rules, NETLINK_ROUTE, RTNLGRP_IPV4_RULE},
    {Subject::rules, NETLINK_ROUTE, RTNLGRP_IPV6_RULE},
    {Subject::settings, NETLINK_ROUTE, RTNLGRP_IPV4_NETCONF},
    {Subject::settings, NETLINK_ROUTE, RTNLGRP_IPV6_NETCONF},
    {Subject::queueing, NETLINK_ROUTE, RTNLGRP_TC},
    {Subject::firewall, NETLINK_NETFILTER, NFNLGRP_NFTABLES},
    {Subject::policies, NETLINK_XFRM, XFRMNLGRP_POLICY},
};

struct Name {
  std::string_view text;
  Subject subject;
};

constexpr Name kNames[] = {
    {"links", Subject::links},       {"addresses", Subject::addresses}, {"routes", Subject::routes},
    {"rules", Subject::rules},       {"settings", Subject::settings},   {"firewall", Subject::firewall},
    {"policies", Subject::policies}, {"queueing", Subject::queueing},
};

/** What the kernel may be built without. */
bool is_missing(int error) {
  return error == EPROTONOSUPPORT || error == EAFNOSUPPORT;
}

/**
 * Classic BPF reads numbers as the network sends them, and netlink has this host's order: so the constants are turned round.
 * A notification of a route is a message of its own.
 */
std::optional<SysError> pass_routes_of(int fd, uint8_t protocol) {
  constexpr uint32_t kType = offsetof(nlmsghdr, nlmsg_type), kFlags = offsetof(nlmsghdr, nlmsg_flags);
  constexpr uint32_t kProtocol = NLMSG_HDRLEN + offsetof(rtmsg, rtm_protocol);
  std::array program{
      sock_filter BPF_STMT(BPF_LD | BPF_H | BPF_ABS, kType),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 3, 0),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 0, 4),
      sock_filter BPF_STMT(BPF_LD | BPF_H | BPF_ABS, kFlags),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, htons(NLM_F_REPLACE), 2, 0),
      sock_filter BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kProtocol),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, protocol, 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
      sock_filter BPF_STMT(BPF_RET | BPF_K, 0),
  };
  const sock_fprog filter{uint16_t(program.size()), program.data()};
  if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) == 0) return std::nullopt;
  return SysError{errno, "SO_ATTACH_FILTER"};
}

/** No descriptor: the kernel has no such family. */
Result<UniqueFd> listen_to(int family, std::span<const Subject> subjects, uint8_t route_protocol) {
  UniqueFd fd{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, family)};
  if (!fd && is_missing(errno)) return fd;
  if (!fd) return SysError{errno, "socket(AF_NETLINK)"};
  if (family == NETLINK_ROUTE) {
    if (const auto failed = pass_routes_of(fd.get(), route_protocol)) return *failed;
  }
  sockaddr_nl any{};
  any.nl_family = AF_NETLINK;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof(any)) < 0) return SysError{errno, "bind"};
  for (const Group& group : kGroups) {
    if (group.family != family || std::ranges::find(subjects, group.subject) == subjects.end()) continue;
    if (::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group.number, sizeof(group.number)) < 0)
      return SysError{errno, "NETLINK_ADD_MEMBERSHIP"};
  }
  return fd;
}

}  // namespace

std::optional<Subject> HostChanges::subject_of(std::string_view name) {
  for (const auto& [text, subject] : kNames) {
    if (text == name) return subject;
  }
  return std::nullopt;
}

Result<HostChanges> HostChanges::open(std::span<const Subject> subjects, uint8_t route_protocol) {
  HostChanges changes;
  changes.epoll_ = UniqueFd{::epoll_create1(EPOLL_CLOEXEC)};
  if (!changes.epoll_) return SysError{errno, "epoll_create1"};
  for (const int family : {NETLINK_ROUTE, NETLINK_NETFILTER, NETLINK_XFRM}) {
    const bool wanted = std::ranges::any_of(kGroups, [&](const Group& group) {
      return group.family == family && std::ranges::find(subjects, group.subject) != subjects.end();
    });
    if (!wanted) continue;
    Result<UniqueFd> socket = listen_to(family, subjects, route_protocol);
    if (!socket) return socket.error();
    if (!socket.value()) continue;
    epoll_event readable{};
    readable.events = EPOLLIN;
    if (::epoll_ctl(changes.epoll_.get(), EPOLL_CTL_ADD, socket.value().get(), &readable) < 0)
      return SysError{errno, "epoll_ctl"};
    changes.sockets_.push_back(std::move(socket.value()));
  }
  return changes;
}

void HostChanges::forget() {
  std::byte ignored;
  for (const UniqueFd& socket : sockets_) {
    // ENOBUFS says that more came than there was room for, once; then what there was room for can be read.
    while (::recv(socket.get(), &ignored, sizeof(ignored), 0) >= 0 || errno == ENOBUFS || errno == EINTR) {
    }
  }
}

}  // namespace vsnat::io
