// SPDX-License-Identifier: Apache-2.0
//
// A shortcut: an established flow whose usual packets the kernel translates itself, at the interface they come in by
// (io/shortcut_program.h), so that nothing of them comes up here. What is said of such a flow is in two places:
//
//   the flow's record ◀── take_back() ── the shortcut's two ways, one for each direction, in memory shared with the kernel
//                     ──── give() ─────▶
//
// Sequence numbers are known in one of them at a time. While a way is open the kernel takes the packets that track_next()
// (nat/track.h) would take, and moves the numbers on; whatever is not the next segment comes here, and whoever gets it takes
// the numbers back before looking at the flow. They are given again once that packet has left, so that none of the flow's
// overtakes another.
//
// Everything here is called under the guard of the flow's shard, and tells the kernel by single words: a program that is
// under way on another CPU may still finish with what it has read, which is one packet, translated rightly.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "flow/table.h"

namespace vsnat::flow {

/** Where packets leave: struct bpf_redir_neigh of linux/bpf.h, which asks the kernel for the neighbour each time. */
struct ShortcutHop {
  uint32_t family = 0;  // AF_INET or AF_INET6, of the next hop
  uint8_t address[16] = {};
};
static_assert(sizeof(ShortcutHop) == 20);

/** One direction. The kernel reads it, and writes the numbers and counters. */
struct alignas(64) ShortcutWay {
  /** The edition of next hops it was opened under (io/next_hops.h); 0: closed. Written last. */
  std::atomic<uint32_t> open{0};
  /** Host order; of this direction, as in Flow. */
  std::atomic<uint32_t> seq_end{0}, acked{0};
  uint32_t interface = 0;
  /** Of the largest IP packet that may leave. */
  uint32_t mtu = 0;
  ShortcutHop hop;
  /** One's-complement differences as the packet's bytes lie in memory: of the IPv4 header with the hop it loses, of the
   * addresses, of the ports. */
  uint32_t header_diff = 0, addr_diff = 0, port_diff = 0;
  /** Source, destination, source port, destination port of the translated packet, one behind the other. */
  uint8_t tuple[36] = {};
  std::atomic<uint64_t> packets{0}, bytes{0};
};
static_assert(sizeof(ShortcutWay) == 128);

/** By Direction. */
struct Shortcut {
  ShortcutWay way[2];
};
static_assert(sizeof(Shortcut) == 256);

/** What the program looks at before anything else. */
struct ShortcutSwitch {
  std::atomic<uint32_t> on{0};
  /** Ways opened under another are closed. Of io/next_hops.h; never 0. */
  std::atomic<uint32_t> edition{0};
};
static_assert(sizeof(ShortcutSwitch) == 8);

class Shortcuts {
 public:
  explicit Shortcuts(std::span<Shortcut> slots)
      : slots_(slots), dropped_(std::make_unique<std::atomic<bool>[]>(slots.size())) {}

  uint32_t count() const { return uint32_t(slots_.size()); }
  Shortcut& operator[](uint32_t slot) { return slots_[slot]; }

  /** Whether the kernel has the numbers, and the flow's record is old. */
  template <class Addr>
  bool is_given(const Flow<Addr>& flow) {
    const Shortcut& shortcut = slots_[flow.shortcut()];
    return is_open(shortcut.way[0]) || is_open(shortcut.way[1]);
  }

  /** From now on packets of the flow come here, and its record is right. */
  template <class Addr>
  void take_back(Flow<Addr>& flow) {
    Shortcut& shortcut = slots_[flow.shortcut()];
    const bool was_open = close(shortcut.way[0]) | close(shortcut.way[1]);
    if (!was_open) return;
    for (const int i : {0, 1}) {
      flow.seq_end[i] = shortcut.way[i].seq_end.load(std::memory_order_relaxed);
      flow.acked[i] = shortcut.way[i].acked.load(std::memory_order_relaxed);
    }
  }

  /** The kernel goes on from here, that has not got it yet; `open` is what to open the ways with. */
  template <class Addr>
  void give(const Flow<Addr>& flow, const uint32_t (&open)[2]) {
    Shortcut& shortcut = slots_[flow.shortcut()];
    for (const int i : {0, 1}) {
      shortcut.way[i].seq_end.store(flow.seq_end[i], std::memory_order_relaxed);
      shortcut.way[i].acked.store(flow.acked[i], std::memory_order_relaxed);
    }
    for (const int i : {0, 1}) shortcut.way[i].open.store(open[i], std::memory_order_release);
  }

  /** The flow ends, or its place is another connection's from now on; whoever keeps the shortcut clears away. */
  template <class Addr>
  void drop(const Flow<Addr>& flow) {
    Shortcut& shortcut = slots_[flow.shortcut()];
    close(shortcut.way[0]);
    close(shortcut.way[1]);
    dropped_[flow.shortcut()].store(true, std::memory_order_relaxed);
  }

  // ---- Who keeps it. ----

  bool is_dropped(uint32_t slot) const { return dropped_[slot].load(std::memory_order_relaxed); }
  void reuse(uint32_t slot) { dropped_[slot].store(false, std::memory_order_relaxed); }

 private:
  static bool is_open(const ShortcutWay& way) { return way.open.load(std::memory_order_relaxed) != 0; }
  static bool close(ShortcutWay& way) { return way.open.exchange(0, std::memory_order_acq_rel) != 0; }

  std::span<Shortcut> slots_;
  std::unique_ptr<std::atomic<bool>[]> dropped_;
};

}  // namespace vsnat::flow
