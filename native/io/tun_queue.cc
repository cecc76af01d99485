// SPDX-License-Identifier: Apache-2.0
#include "io/tun_queue.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20  // linux/if_tun.h, 6.2
#define TUN_F_USO6 0x40
#endif

namespace vsnat::io {

namespace {

bool offloads_accepted(int fd, unsigned flags) {
  return ::ioctl(fd, TUNSETOFFLOAD, flags) == 0;
}

/** Switch on what the kernel takes, one feature at a time; segmentation needs checksum offload. */
void probe_offloads(int fd, TunFacts& facts) {
  unsigned accepted = TUN_F_CSUM;
  facts.checksum = offloads_accepted(fd, accepted);
  if (!facts.checksum) return;
  const auto try_feature = [&](unsigned feature) {
    if (!offloads_accepted(fd, accepted | feature)) return false;
    accepted |= feature;
    return true;
  };
  facts.tso4 = try_feature(TUN_F_TSO4);
  facts.tso6 = try_feature(TUN_F_TSO6);
  // The kernel takes USO for both families or for neither (tun.c set_offload).
  facts.uso4 = facts.uso6 = try_feature(TUN_F_USO4 | TUN_F_USO6);
  offloads_accepted(fd, accepted);
}

Result<UniqueFd> attach(std::string_view name, short flags) {
  UniqueFd fd{::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)};
  if (!fd) return SysError{errno, "open /dev/net/tun"};
  ifreq request{};
  if (name.empty() || name.size() >= sizeof(request.ifr_name))
    return SysError{ENAMETOOLONG, "interface name"};
  name.copy(request.ifr_name, sizeof(request.ifr_name) - 1);
  request.ifr_flags = flags;
  if (::ioctl(fd.get(), TUNSETIFF, &request) < 0) return SysError{errno, "TUNSETIFF " + std::string(name)};
  return fd;
}

}  // namespace

Result<OpenedTun> open_tun(std::string_view name, unsigned queues, Offload offload) {
  OpenedTun tun;
  tun.facts.name = name;
  short flags = IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE;
  if (offload == Offload::automatic) flags |= IFF_VNET_HDR;
  for (unsigned i = 0; i < queues; ++i) {
    Result<UniqueFd> fd = attach(name, short(flags | (i == 0 ? IFF_TUN_EXCL : 0)));
    if (!fd && i == 0 && fd.error().error == EINVAL && (flags & IFF_VNET_HDR)) {
      flags &= ~IFF_VNET_HDR;
      fd = attach(name, short(flags | IFF_TUN_EXCL));
    }
    if (!fd) return fd.error();
    const bool vnet = (flags & IFF_VNET_HDR) != 0;
    if (vnet) {
      // Said, not assumed: ten bytes, the layout wire/vnet_hdr.h mirrors (<linux/virtio_net.h> is not C++).
      int size = sizeof(wire::vnet_hdr);
      if (::ioctl(fd.value().get(), TUNSETVNETHDRSZ, &size) < 0) return SysError{errno, "TUNSETVNETHDRSZ"};
      if (i == 0) probe_offloads(fd.value().get(), tun.facts);
    }
    tun.facts.vnet_header = vnet;
    tun.queues.emplace_back(std::move(fd.value()), vnet);
  }
  tun.facts.index = int(::if_nametoindex(tun.facts.name.c_str()));
  if (tun.facts.index == 0) return SysError{errno, "if_nametoindex " + tun.facts.name};
  return tun;
}

int TunQueue::set_steering(int program) {
  return ::ioctl(fd_.get(), TUNSETSTEERINGEBPF, &program) < 0 ? errno : 0;
}

void TunQueue::accept(wire::vnet_hdr& vnet, const uint8_t* packet, size_t got, uint32_t& length) const {
  const size_t header = header_bytes();
  vnet = wire::vnet_hdr{};
  length = got > header ? uint32_t(got - header) : 0;
  std::memcpy(&vnet, packet - header, std::min(header, got));
}

std::span<uint8_t> TunQueue::with_header(const wire::vnet_hdr& vnet, std::span<uint8_t> packet) const {
  const size_t header = header_bytes();
  std::memcpy(packet.data() - header, &vnet, header);
  return {packet.data() - header, packet.size() + header};
}

ReadStatus TunQueue::read(wire::vnet_hdr& vnet, std::span<uint8_t> buffer, uint32_t& length) {
  const size_t header = header_bytes();
  const ssize_t got = ::read(fd_.get(), buffer.data() - header, buffer.size() + header);
  if (got == 0) return ReadStatus::gone;  // a device never says this; what stands in for one in tests does
  if (got < 0) {
    if (errno == EAGAIN || errno == EINTR) return ReadStatus::empty;
    return errno == EBADFD || errno == EFAULT ? ReadStatus::gone : ReadStatus::error;
  }
  accept(vnet, buffer.data(), size_t(got), length);
  return ReadStatus::packet;
}

int TunQueue::write(const wire::vnet_hdr& vnet, std::span<uint8_t> packet) {
  const auto bytes = with_header(vnet, packet);
  for (;;) {
    if (::write(fd_.get(), bytes.data(), bytes.size()) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

}  // namespace vsnat::io
