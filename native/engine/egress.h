// SPDX-License-Identifier: Apache-2.0
//
// Direct egress, a worker's part: which packets leave as frames, and the burst of them that is under way.
//
// A packet written into the TUN device is routed by the kernel a second time. One that leaves through a packet socket is
// not: for these the director itself looks up the next hop, takes one from the TTL as a router does, and hands
// over a frame. Only plain packets go that way. Whatever is rare, or needs the kernel's judgement, takes the TUN device:
// pieces of datagrams, ICMP, IPv4 options, IPv6 extension headers, what is too big for the link, hosts not yet known.
//
// Order: what waits here leaves before anything is written into the TUN device, so packets of a flow never overtake
// each other, whichever way each takes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/counter.h"
#include "engine/resolver.h"
#include "io/packet_socket.h"
#include "nat/rewrite.h"
#include "nat/step.h"

namespace vsnat::engine {

struct EgressCounters {
  /** Packets that left as frames; that would have, but for a next hop yet unknown; that the socket refused. */
  Counter direct, unresolved, refused;
};

class Egress {
 public:
  Egress(Resolver& resolver, io::PacketSocket socket, unsigned worker)
      : resolver_(resolver), socket_(std::move(socket)), worker_(worker) {}

  /** Makes a frame of the packet and keeps it until flush(); false when it must take the TUN device. */
  bool take(nat::Packet& packet, const nat::Pending& pending, Now now);

  bool is_empty() const { return count_ == 0; }
  bool is_full() const { return count_ == io::PacketSocket::kMost; }

  /** Sends what waits. `otherwise(packet)` writes one that the socket refused; `left(sent, length)` is told of each. */
  template <class Otherwise, class Left>
  void flush(Counter& system_calls, Otherwise&& otherwise, Left&& left) {
    for (unsigned done = 0; done < count_;) {
      int error = 0;
      system_calls.add(1);
      const unsigned sent = socket_.send({frames_.data() + done, count_ - done}, error);
      for (unsigned i = 0; i < sent; ++i) left(true, waiting_[done + i]->length);
      counters.direct.add(sent);
      done += sent;
      if (sent > 0 || error == EINTR) continue;
      counters.refused.add(1);
      nat::Packet& packet = *waiting_[done];
      nat::give_back_hop(views_[done]);
      left(otherwise(packet, views_[done]), packet.length);
      ++done;
    }
    count_ = 0;
  }

  EgressCounters counters;

 private:
  /** A host is asked for again only after so long: its answer may still be on the way. */
  static constexpr uint32_t kAskAgainMs = 20;

  struct Asked {
    io::Host host;
    uint32_t at_ms = 0;
  };

  /** false where the kernel has to route, also because nobody asked yet: then somebody does now. */
  bool is_direct(io::NextHops::Way way, const io::Host& host, Now now);
  void ask(const io::Host& host, Now now);

  Resolver& resolver_;
  io::PacketSocket socket_;
  const unsigned worker_;
  unsigned count_ = 0;
  std::array<io::PacketSocket::Frame, io::PacketSocket::kMost> frames_;
  std::array<nat::Packet*, io::PacketSocket::kMost> waiting_;
  std::array<wire::PacketView, io::PacketSocket::kMost> views_;
  std::array<Asked, 64> asked_{};
};

}  // namespace vsnat::engine
