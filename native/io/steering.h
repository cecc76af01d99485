// SPDX-License-Identifier: Apache-2.0
//
// Which queue a packet comes to. A VS/NAT connection's two directions share the client endpoint, so a
// seven-step program suffices to send both to the same queue: if the destination is a VIP (a BPF hash map
// says so) take the source address and port, else the destination's; mix; the kernel reduces modulo the
// number of queues.
//
// Left alone, TUN learns from what each queue writes: right for some 2,000 live flows and 3 s of idleness,
// wrong beyond (38 % of 12,000 flows found their queue). The program also spares the kernel that learning on
// every write.
//
// IPv4 fragments and IPv6
// packets with extension headers hash by address alone, so they may come to another queue than their flow's;
// ICMP errors likewise. That is allowed: the flow table is shared and locked by shard, steering only keeps
// the locks uncontended. Where bpf() is refused everything works the same, more slowly.
#pragma once

#include <compare>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "base/unique_fd.h"
#include "io/bpf.h"

namespace vsnat::io {

/** An address as the map keys it: IPv6, or IPv4 mapped into ::ffff:0:0/96. */
struct VipKey {
  uint8_t bytes[16];

  auto operator<=>(const VipKey&) const = default;
};

class Steering {
 public:
  /** By client endpoint. Fails where bpf() is refused. Control thread. */
  static Result<Steering> by_client_endpoint();

  /** By die: for testing that every queue may see every packet. */
  static Result<Steering> random();

  int program() const { return program_.get(); }
  bool has_vips() const { return bool(vips_); }

  /** 0 or errno. */
  int add_vip(const VipKey& vip) { return vips_.add(&vip); }
  int remove_vip(const VipKey& vip) { return vips_.remove(&vip); }

 private:
  Steering(BpfHash vips, UniqueFd program) : vips_(std::move(vips)), program_(std::move(program)) {}

  BpfHash vips_;
  UniqueFd program_;
};

}  // namespace vsnat::io
