// SPDX-License-Identifier: Apache-2.0
//
// Packets as they pass, for `vsnat capture`: an AF_PACKET socket that only listens, on every interface of this network
// namespace, behind a filter that the kernel runs (classic BPF, Documentation/networking/filter.rst). It belongs to the
// process that captures: the director's workers neither know nor wait for it, and what the filter refuses is never copied.
//
// What it gives begins with the IP header (SOCK_DGRAM), whichever link the packet was on, so that the TUN device and an
// Ethernet card look alike. One socket, not one per interface: then the order of packets is the order of the kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace vsnat::io {

class PacketTap {
 public:
  static constexpr unsigned kMost = 16;

  /** An instruction of classic BPF; packet_tap.cc knows that it is the kernel's sock_filter. */
  struct Instruction {
    uint16_t code = 0;
    uint8_t jump_true = 0;
    uint8_t jump_false = 0;
    uint32_t value = 0;
  };

  struct Seen {
    std::span<const std::byte> bytes;  // valid until the next read()
    uint32_t length = 0;               // before it was cut
    uint32_t interface = 0;
    uint32_t seconds = 0;  // since 1970
    uint32_t nanoseconds = 0;
    bool outgoing = false;  // handed to the interface, by the kernel or by somebody's packet socket
  };

  /** It hears nothing until start(). */
  static Result<PacketTap> open();

  /** In the place of the one before, between two packets. Its result is how many bytes are kept. */
  std::optional<SysError> filter(std::span<const Instruction> program) const;
  std::optional<SysError> start() const;

  /** At most kMost packets; none when there are none just now. */
  std::span<const Seen> read();

  /** Packets that found the socket's buffer full, since the last time this was asked. */
  uint32_t dropped() const;

  int fd() const { return fd_.get(); }

 private:
  explicit PacketTap(UniqueFd fd);

  UniqueFd fd_;
  std::vector<std::byte> room_;
  std::vector<Seen> seen_;
};

/** 0: there is no such interface. */
uint32_t interface_index(const std::string& name);

}  // namespace vsnat::io
