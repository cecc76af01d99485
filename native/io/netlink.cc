// SPDX-License-Identifier: Apache-2.0
#include "io/netlink.h"

#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cstring>
#include <span>
#include <string_view>

namespace vsnat::io {
namespace {

constexpr size_t kLargest = 32 * 1024;

/** A request under construction: a header, and attributes behind it. */
template <class Body>
struct Request {
  nlmsghdr header{};
  Body body{};
  std::array<uint8_t, 64> room{};

  Request(uint16_t type, uint16_t flags) {
    header.nlmsg_type = type;
    header.nlmsg_flags = uint16_t(NLM_F_REQUEST | flags);
    header.nlmsg_len = NLMSG_LENGTH(sizeof(Body));
  }
  void add(uint16_t type, const void* data, uint16_t length) {
    auto* attribute = reinterpret_cast<rtattr*>(reinterpret_cast<uint8_t*>(this) + header.nlmsg_len);
    attribute->rta_type = type;
    attribute->rta_len = uint16_t(RTA_LENGTH(length));
    std::memcpy(RTA_DATA(attribute), data, length);
    header.nlmsg_len += uint32_t(RTA_ALIGN(attribute->rta_len));
  }
};

/** Where an address of this family lies in a Host, and how long it is. */
std::span<const uint8_t> address_of(const Host& host) {
  return host.is_v4() ? std::span(host.bytes).subspan(12) : std::span(host.bytes);
}

int family_of(const Host& host) {
  return host.is_v4() ? AF_INET : AF_INET6;
}

std::optional<Host> host_from(int family, const rtattr* attribute) {
  const size_t length = RTA_PAYLOAD(attribute);
  if (family == AF_INET && length == 4) {
    wire::Addr4 address;
    std::memcpy(&address, RTA_DATA(attribute), 4);
    return Host::of(address);
  }
  if (family == AF_INET6 && length == 16) {
    Host host;
    std::memcpy(host.bytes.data(), RTA_DATA(attribute), 16);
    return host;
  }
  return std::nullopt;
}

template <class Use>
void each_attribute(const rtattr* attribute, int length, Use&& use) {
  for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
    use(uint16_t(attribute->rta_type & NLA_TYPE_MASK), attribute);
  }
}

uint32_t u32_of(const rtattr* attribute) {
  uint32_t value = 0;
  if (RTA_PAYLOAD(attribute) >= sizeof(value)) std::memcpy(&value, RTA_DATA(attribute), sizeof(value));
  return value;
}

std::string_view text_of(const rtattr* attribute) {
  const std::string_view text(static_cast<const char*>(RTA_DATA(attribute)), RTA_PAYLOAD(attribute));
  return text.substr(0, text.find('\0'));
}

std::optional<Mac> mac_of(const rtattr* attribute) {
  Mac mac;
  if (RTA_PAYLOAD(attribute) != mac.size()) return std::nullopt;
  std::memcpy(mac.data(), RTA_DATA(attribute), mac.size());
  return mac;
}

uint32_t route_mtu(const rtattr* metrics) {
  uint32_t mtu = 0;
  each_attribute(static_cast<const rtattr*>(RTA_DATA(metrics)), int(RTA_PAYLOAD(metrics)),
                 [&](uint16_t type, const rtattr* attribute) {
                   if (type == RTAX_MTU) mtu = u32_of(attribute);
                 });
  return mtu;
}

/** The kinds of netdev.h's masters that bring a routing table of their own. */
bool is_vrf_member(const rtattr* link_info) {
  bool vrf = false;
  each_attribute(static_cast<const rtattr*>(RTA_DATA(link_info)), int(RTA_PAYLOAD(link_info)),
                 [&](uint16_t type, const rtattr* attribute) {
                   if (type == IFLA_INFO_SLAVE_KIND && text_of(attribute) == "vrf") vrf = true;
                 });
  return vrf;
}

constexpr uint16_t kUsable = NUD_PERMANENT | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE;

std::optional<NeighbourChange> neighbour_of(const nlmsghdr* message) {
  if (message->nlmsg_len < NLMSG_LENGTH(sizeof(ndmsg))) return std::nullopt;
  const auto* body = static_cast<const ndmsg*>(NLMSG_DATA(message));
  NeighbourChange change;
  change.interface = uint32_t(body->ndm_ifindex);
  std::optional<Host> host;
  std::optional<Mac> mac;
  const auto* first =
      reinterpret_cast<const rtattr*>(reinterpret_cast<const uint8_t*>(body) + NLMSG_ALIGN(sizeof(ndmsg)));
  each_attribute(first, int(NLMSG_PAYLOAD(message, sizeof(ndmsg))), [&](uint16_t type, const rtattr* it) {
    if (type == NDA_DST) host = host_from(body->ndm_family, it);
    if (type == NDA_LLADDR) mac = mac_of(it);
  });
  if (!host) return std::nullopt;
  change.host = *host;
  if (message->nlmsg_type == RTM_NEWNEIGH && (body->ndm_state & kUsable)) change.address = mac;
  return change;
}

}  // namespace

Result<Netlink> Netlink::open(Purpose purpose) {
  UniqueFd fd{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
  if (!fd) return SysError{errno, "socket(NETLINK_ROUTE)"};
  // Bound at once: the kernel leaves the sender of a change out of its notification, and takes a socket without a
  // number of its own for itself.
  sockaddr_nl any{};
  any.nl_family = AF_NETLINK;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof(any)) < 0) {
    return SysError{errno, "bind(NETLINK_ROUTE)"};
  }
  const int on = 1;
  if (purpose == Purpose::notifications) {
    const int size = 4 << 20;  // a router that comes back announces all its routes at once
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    for (const int group :
         {RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
          RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NEXTHOP}) {
      if (::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
        return SysError{errno, "NETLINK_ADD_MEMBERSHIP"};
      }
    }
  } else {
    // The kernel answers at once; a second is for a machine that is stopped in between.
    const timeval limit{1, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
    ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
  }
  return Netlink(std::move(fd));
}

bool Netlink::ask(void* request, uint32_t length, const std::function<void(const void* message)>& use) {
  auto* header = static_cast<nlmsghdr*>(request);
  header->nlmsg_seq = ++sequence_;
  if (::send(fd_.get(), request, length, 0) != ssize_t(length)) return false;
  alignas(nlmsghdr) std::array<uint8_t, kLargest> answer;
  for (;;) {
    const ssize_t got = ::recv(fd_.get(), answer.data(), answer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    auto left = uint32_t(got);
    for (auto* message = reinterpret_cast<nlmsghdr*>(answer.data()); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_seq != sequence_) continue;  // of a question that was given up
      if (message->nlmsg_type == NLMSG_ERROR) return false;
      use(message);
      return true;
    }
  }
}

std::optional<PlainRoute> Netlink::route_to(const Host& host) {
  Request<rtmsg> request(RTM_GETROUTE, 0);
  const auto address = address_of(host);
  request.body.rtm_family = uint8_t(family_of(host));
  request.body.rtm_dst_len = uint8_t(address.size() * 8);
  request.body.rtm_flags = RTM_F_FIB_MATCH;
  request.add(RTA_DST, address.data(), uint16_t(address.size()));
  std::optional<PlainRoute> found;
  ask(&request, request.header.nlmsg_len, [&](const void* answer) {
    const auto* message = static_cast<const nlmsghdr*>(answer);
    const auto* body = static_cast<const rtmsg*>(NLMSG_DATA(message));
    PlainRoute route;
    route.gateway = host;
    bool plain = message->nlmsg_type == RTM_NEWROUTE && body->rtm_type == RTN_UNICAST &&
                 (body->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) == 0;
    each_attribute(RTM_RTA(body), int(RTM_PAYLOAD(message)), [&](uint16_t type, const rtattr* it) {
      switch (type) {
        case RTA_OIF:
          route.interface = u32_of(it);
          return;
        case RTA_GATEWAY:
          if (const auto gateway = host_from(body->rtm_family, it)) route.gateway = *gateway;
          return;
        case RTA_METRICS:
          route.mtu = route_mtu(it);
          return;
        case RTA_MULTIPATH:
        case RTA_VIA:
        case RTA_ENCAP:
        case RTA_ENCAP_TYPE:
        case RTA_NH_ID:
          plain = false;
          return;
        default:
          return;
      }
    });
    if (plain && route.interface != 0) found = route;
  });
  return found;
}

std::optional<EthernetLink> Netlink::ethernet(uint32_t interface) {
  Request<ifinfomsg> request(RTM_GETLINK, 0);
  request.body.ifi_family = AF_UNSPEC;
  request.body.ifi_index = int(interface);
  std::optional<EthernetLink> found;
  ask(&request, request.header.nlmsg_len, [&](const void* answer) {
    const auto* message = static_cast<const nlmsghdr*>(answer);
    const auto* body = static_cast<const ifinfomsg*>(NLMSG_DATA(message));
    constexpr unsigned kUp = IFF_UP | IFF_RUNNING;
    if (body->ifi_type != ARPHRD_ETHER || (body->ifi_flags & kUp) != kUp || (body->ifi_flags & IFF_NOARP)) {
      return;
    }
    EthernetLink link;
    bool has_address = false, vrf = false;
    each_attribute(IFLA_RTA(body), int(IFLA_PAYLOAD(message)), [&](uint16_t type, const rtattr* it) {
      if (type == IFLA_MTU) link.mtu = u32_of(it);
      if (type == IFLA_LINKINFO) vrf = is_vrf_member(it);
      if (type == IFLA_ADDRESS) {
        if (const auto mac = mac_of(it)) {
          link.address = *mac;
          has_address = true;
        }
      }
    });
    if (has_address && !vrf) found = link;
  });
  return found;
}

std::optional<Mac> Netlink::neighbour(uint32_t interface, const Host& host) {
  Request<ndmsg> request(RTM_GETNEIGH, 0);
  const auto address = address_of(host);
  request.body.ndm_family = uint8_t(family_of(host));
  request.body.ndm_ifindex = int(interface);
  request.add(NDA_DST, address.data(), uint16_t(address.size()));
  std::optional<Mac> found;
  ask(&request, request.header.nlmsg_len, [&](const void* answer) {
    if (const auto change = neighbour_of(static_cast<const nlmsghdr*>(answer))) found = change->address;
  });
  return found;
}

Netlink::Notified Netlink::read(const std::function<void(const NeighbourChange&)>& changed) {
  Notified notified;
  alignas(nlmsghdr) std::array<uint8_t, kLargest> buffer;
  for (;;) {
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ENOBUFS) {  // some were lost, and nobody knows which
      notified.routes = notified.neighbours_lost = true;
      continue;
    }
    if (got <= 0) return notified;
    auto left = uint32_t(got);
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type == RTM_NEWNEIGH || message->nlmsg_type == RTM_DELNEIGH) {
        if (const auto change = neighbour_of(message)) changed(*change);
      } else {
        notified.routes = true;
      }
    }
  }
}

}  // namespace vsnat::io
