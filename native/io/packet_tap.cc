// SPDX-License-Identifier: Apache-2.0
#include "io/packet_tap.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>

namespace vsnat::io {
namespace {

/** The longest IP packet: 65,535 bytes behind an IPv6 header, which does not count itself (RFC 8200 §3). */
constexpr size_t kRoom = 65'535 + 40 + 1;
constexpr size_t kControlRoom = CMSG_SPACE(sizeof(timespec)) + CMSG_SPACE(sizeof(tpacket_auxdata));

static_assert(sizeof(PacketTap::Instruction) == sizeof(sock_filter) &&
                  offsetof(PacketTap::Instruction, jump_true) == offsetof(sock_filter, jt) &&
                  offsetof(PacketTap::Instruction, value) == offsetof(sock_filter, k),
              "an Instruction is the kernel's sock_filter under another name");

/** When it passed and how long it was, from what comes beside the bytes. */
void read_control(const msghdr& header, PacketTap::Seen& seen) {
  auto* const message = const_cast<msghdr*>(&header);
  for (cmsghdr* control = CMSG_FIRSTHDR(message); control != nullptr;
       control = CMSG_NXTHDR(message, control)) {
    if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_TIMESTAMPNS) {
      timespec time;
      std::memcpy(&time, CMSG_DATA(control), sizeof(time));
      seen.seconds = uint32_t(time.tv_sec);
      seen.nanoseconds = uint32_t(time.tv_nsec);
    }
    if (control->cmsg_level == SOL_PACKET && control->cmsg_type == PACKET_AUXDATA) {
      tpacket_auxdata facts;
      std::memcpy(&facts, CMSG_DATA(control), sizeof(facts));
      seen.length = std::max(seen.length, facts.tp_len);
    }
  }
}

}  // namespace

PacketTap::PacketTap(UniqueFd fd) : fd_(std::move(fd)), room_(kMost * kRoom), seen_(kMost) {}

Result<PacketTap> PacketTap::open() {
  // Protocol 0: nothing is received until bind() names one.
  UniqueFd fd{::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd) return SysError{errno, "socket(AF_PACKET)"};
  const int on = 1;
  if (::setsockopt(fd.get(), SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) < 0)
    return SysError{errno, "PACKET_AUXDATA"};
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0)
    return SysError{errno, "SO_TIMESTAMPNS"};
  // What comes while the reader is busy; superpackets are 64 KiB each. Without CAP_NET_ADMIN the kernel's limit holds.
  const int size = 32 << 20;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
  return PacketTap(std::move(fd));
}

std::optional<SysError> PacketTap::filter(std::span<const Instruction> program) const {
  std::vector<sock_filter> instructions(program.size());
  std::transform(program.begin(), program.end(), instructions.begin(), [](const Instruction& one) {
    return sock_filter{one.code, one.jump_true, one.jump_false, one.value};
  });
  const sock_fprog whole{uint16_t(instructions.size()), instructions.data()};
  if (instructions.size() > BPF_MAXINSNS) return SysError{EINVAL, "SO_ATTACH_FILTER"};
  if (::setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &whole, sizeof(whole)) < 0)
    return SysError{errno, "SO_ATTACH_FILTER"};
  return std::nullopt;
}

std::optional<SysError> PacketTap::start() const {
  sockaddr_ll all{};
  all.sll_family = AF_PACKET;
  all.sll_protocol = htons(ETH_P_ALL);  // with less, packets on their way out are not shown
  if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&all), sizeof(all)) < 0)
    return SysError{errno, "bind(AF_PACKET)"};
  return std::nullopt;
}

std::span<const PacketTap::Seen> PacketTap::read() {
  std::array<mmsghdr, kMost> messages{};
  std::array<iovec, kMost> vectors;
  std::array<sockaddr_ll, kMost> names{};
  alignas(cmsghdr) std::array<std::array<char, kControlRoom>, kMost> controls;
  for (unsigned i = 0; i < kMost; ++i) {
    vectors[i] = {room_.data() + i * kRoom, kRoom};
    messages[i].msg_hdr.msg_name = &names[i];
    messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_ll);
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_control = controls[i].data();
    messages[i].msg_hdr.msg_controllen = kControlRoom;
  }
  const int got = ::recvmmsg(fd_.get(), messages.data(), kMost, MSG_DONTWAIT, nullptr);
  for (int i = 0; i < got; ++i) {
    Seen& seen = seen_[size_t(i)];
    const size_t kept = std::min<size_t>(messages[size_t(i)].msg_len, kRoom);
    seen = {{room_.data() + size_t(i) * kRoom, kept}, uint32_t(kept), uint32_t(names[size_t(i)].sll_ifindex)};
    seen.outgoing = names[size_t(i)].sll_pkttype == PACKET_OUTGOING;
    read_control(messages[size_t(i)].msg_hdr, seen);
  }
  return {seen_.data(), size_t(std::max(got, 0))};
}

uint32_t PacketTap::dropped() const {
  tpacket_stats statistics{};
  socklen_t length = sizeof(statistics);
  if (::getsockopt(fd_.get(), SOL_PACKET, PACKET_STATISTICS, &statistics, &length) < 0) return 0;
  return statistics.tp_drops;
}

uint32_t interface_index(const std::string& name) {
  return ::if_nametoindex(name.c_str());
}

}  // namespace vsnat::io
