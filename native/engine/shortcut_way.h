// SPDX-License-Identifier: Apache-2.0
//
// A flow and a next hop as the kernel's program wants them told (flow/shortcut.h). Pure.
#pragma once

#include <sys/socket.h>

#include <bit>
#include <cstring>
#include <type_traits>

#include "flow/shortcut.h"
#include "io/next_hops.h"
#include "io/shortcut_maps.h"
#include "wire/checksum.h"

namespace vsnat::engine {

template <class Addr>
using ShortcutKey = std::conditional_t<Addr::kFamily == 4, io::ShortcutKey4, io::ShortcutKey6>;

/** Source, destination and their ports of a packet in this direction, as it comes in. */
template <class Addr>
ShortcutKey<Addr> arriving(const flow::Flow<Addr>& flow, flow::Direction direction) {
  if (direction == flow::Direction::request)
    return {flow.client, flow.virt, flow.client_port, flow.virtual_port, flow.protocol};
  return {flow.real, flow.client, flow.real_port, flow.client_port, flow.protocol};
}

/** And as it leaves. */
template <class Addr>
ShortcutKey<Addr> leaving(const flow::Flow<Addr>& flow, flow::Direction direction) {
  if (direction == flow::Direction::request)
    return {flow.client, flow.real, flow.client_port, flow.real_port, flow.protocol};
  return {flow.virt, flow.client, flow.virtual_port, flow.client_port, flow.protocol};
}

namespace detail {

/** A sum of words in network order, as their bytes lie in memory. */
constexpr uint32_t as_in_memory(uint16_t sum) {
  return std::endian::native == std::endian::little ? __builtin_bswap16(sum) : sum;
}

inline uint16_t delta_of(const void* before, const void* after, size_t length) {
  wire::CsumDelta delta;
  delta.replace(before, after, length);
  return delta.raw();
}

}  // namespace detail

/** Everything of a way that the flow decides. */
template <class Addr>
void describe(flow::ShortcutWay& way, const flow::Flow<Addr>& flow, flow::Direction direction) {
  const ShortcutKey<Addr> before = arriving(flow, direction), after = leaving(flow, direction);
  constexpr size_t kAddresses = 2 * sizeof(Addr), kPorts = 2 * sizeof(wire::be16);
  constexpr uint16_t kHopTaken = 0xfeff;  // what TTL - 1 adds to the sum: RFC 1624 with m = 0x0100, m' = 0
  const uint16_t addresses = detail::delta_of(&before.source, &after.source, kAddresses);
  const bool ports_stay = std::memcmp(&before.source_port, &after.source_port, kPorts) == 0;
  way.header_diff = detail::as_in_memory(wire::fold(uint32_t{addresses} + kHopTaken));
  way.addr_diff = detail::as_in_memory(addresses);
  way.port_diff =
      ports_stay ? 0
                 : detail::as_in_memory(detail::delta_of(&before.source_port, &after.source_port, kPorts));
  std::memcpy(way.tuple, &after.source, kAddresses + kPorts);
}

/** Where packets of a way go. */
inline void lead(flow::ShortcutWay& way, const io::Step& step) {
  way.interface = step.interface;
  way.mtu = step.mtu;
  way.hop.family = step.gateway.is_v4() ? AF_INET : AF_INET6;
  std::memset(way.hop.address, 0, sizeof(way.hop.address));
  if (step.gateway.is_v4()) {
    std::memcpy(way.hop.address, &step.gateway.bytes[12], 4);
  } else {
    std::memcpy(way.hop.address, step.gateway.bytes.data(), 16);
  }
}

}  // namespace vsnat::engine
