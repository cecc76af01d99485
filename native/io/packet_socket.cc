// SPDX-License-Identifier: Apache-2.0
#include "io/packet_socket.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>

namespace vsnat::io {

Result<PacketSocket> PacketSocket::open() {
  // Protocol 0: nothing is ever received.
  UniqueFd fd{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd) return SysError{errno, "socket(AF_PACKET)"};
  const int on = 1;
  if (::setsockopt(fd.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0) {
    return SysError{errno, "PACKET_VNET_HDR"};
  }
  // A card gives memory back only when it has sent: room for what two bursts of superpackets are.
  const int size = 8 << 20;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
  return PacketSocket(std::move(fd));
}

PacketSocket::Frame PacketSocket::frame(uint8_t* ip, uint32_t length, const wire::vnet_hdr& vnet, int family,
                                        const NextHop& hop) {
  const uint16_t ethertype = family == 4 ? ETHERTYPE_IP : ETHERTYPE_IPV6;
  uint8_t* const link = ip - kEthernetHeader;
  std::memcpy(link, hop.destination.data(), 6);
  std::memcpy(link + 6, hop.source.data(), 6);
  link[12] = uint8_t(ethertype >> 8);
  link[13] = uint8_t(ethertype);
  wire::vnet_hdr metadata = vnet;
  if (vnet.needs_csum()) metadata.csum_start = uint16_t(vnet.csum_start + kEthernetHeader);
  if (vnet.is_gso()) metadata.hdr_len = uint16_t(vnet.hdr_len + kEthernetHeader);
  std::memcpy(link - sizeof(metadata), &metadata, sizeof(metadata));
  return {link - sizeof(metadata), uint32_t(length + kHeadroom), hop.interface, ethertype};
}

unsigned PacketSocket::send(std::span<const Frame> frames, int& error) {
  std::array<mmsghdr, kMost> messages;
  std::array<iovec, kMost> vectors;
  std::array<sockaddr_ll, kMost> names;
  const auto count = unsigned(std::min<size_t>(frames.size(), kMost));
  for (unsigned i = 0; i < count; ++i) {
    vectors[i] = {frames[i].begin, frames[i].length};
    names[i] = {};
    names[i].sll_family = AF_PACKET;
    names[i].sll_ifindex = int(frames[i].interface);
    names[i].sll_protocol = htons(frames[i].ethertype);
    messages[i] = {};
    messages[i].msg_hdr.msg_name = &names[i];
    messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_ll);
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  error = 0;
  if (count == 0) return 0;
  const int sent = ::sendmmsg(fd_.get(), messages.data(), count, MSG_DONTWAIT);
  if (sent < 0) error = errno;
  return sent < 0 ? 0 : unsigned(sent);
}

}  // namespace vsnat::io
