// SPDX-License-Identifier: Apache-2.0
//
// Which flows may have a shortcut through the kernel (flow/shortcut.h), and what becomes of it here. Under the guard of the
// flow's shard.
#pragma once

#include "nat/context.h"
#include "nat/track.h"

namespace vsnat::nat {

/**
 * Packets of its client before a flow gets one: two entries of the kernel's maps made and removed cost as much as some
 * packets do here, and most connections are short. No more than Flow::in_packets can tell.
 *
 * One that sends superpackets gets it at once, while it still waits for acknowledgments after each flight. Later there may
 * always be something of it in the queue, and a shortcut is not taken until the queue is empty of its flow.
 */
inline constexpr uint8_t kPacketsBeforeShortcut = 24;

/** Whether this packet of a flow tells that more will come. */
template <class Addr>
[[gnu::always_inline]] inline bool promises_more(const flow::Flow<Addr>& flow, const Packet& packet) {
  return flow.in_packets >= kPacketsBeforeShortcut || packet.vnet.is_gso();
}

/** Nothing but usual packets is to be expected of it. */
template <class Addr>
[[gnu::always_inline]] inline bool is_steady(const flow::Flow<Addr>& flow) {
  using FlowT = flow::Flow<Addr>;
  using flow::Timing;
  if (flow.helper != 0 || (flow.flags & FlowT::kSilenced) != 0) return false;
  if (flow.protocol == wire::kProtoTcp) {
    // The server of an upload has nothing to say until all of it is there, and then it is not the server that was timed.
    const bool uploads = flow.in_packets >= kPacketsBeforeShortcut &&
                         (flow.timing == Timing::request || flow.timing == Timing::request_again);
    return flow.state == flow::State::established && (flow.flags & kAllKnown<Addr>) == kAllKnown<Addr> &&
           (flow.timing == Timing::off || uploads);
  }
  // Whose first datagrams nobody answered may be one way for ever. No answer to it would be timed.
  return flow.protocol == wire::kProtoUdp &&
         (flow.timing == Timing::off || flow.timing == Timing::request_again);
}

/** Before anything of a flow is looked at, and after it was found: what the kernel knows of it. */
template <class Addr>
[[gnu::always_inline]] inline void take_back(Core& core, flow::Flow<Addr>& flow) {
  if ((flow.flags & flow::Flow<Addr>::kShortcut) != 0 && core.shortcuts) [[unlikely]]
    core.shortcuts->take_back(flow);
}

/** Its shortcut is no longer its own. */
template <class Addr>
[[gnu::always_inline]] inline void drop_shortcut(Core& core, const flow::Flow<Addr>& flow) {
  if ((flow.flags & flow::Flow<Addr>::kShortcut) != 0 && core.shortcuts) [[unlikely]]
    core.shortcuts->drop(flow);
}

}  // namespace vsnat::nat
