// SPDX-License-Identifier: Apache-2.0
//
// One packet through the director: the verdict. Pure in the sense that matters for testing, fuzzing and
// simulation: no clock, no heap, no system call, no thread; time, tables and memory come in as arguments.
//
// Walk
// ----
//   wire::parse ─────────────────▶ drop short | version | ... | csum_meta      (whoever the packet was for)
//   from a VIP? ─────────────────▶ vip_loop, unless it goes on with an established connection
//   to a VIP?
//   ├─ yes, TCP or UDP: a request
//   │    flow known ────────────▶ server gone: RST / new pick / silence; else rewrite to RIP:rport, forward
//   │    unknown ──▶ service? ──▶ no_service (RST, port unreachable)
//   │              ├─ begins a connection? ──▶ no_flow (RST when a host would), tcp_flags
//   │              ├─ drop_packet's turn? ───▶ drop_packet
//   │              ├─ a server: the one its network has (persist.h), or pick ─▶ no_server (port unreachable), reply_taken
//   │              ├─ one packet only ─▶ rewrite, forward, forget (one_packet.h)
//   │              └─ insert ──────▶ table_full;  else rewrite, forward
//   ├─ yes, ICMP echo ──────────▶ answered;  ICMP error about a reply ─▶ translated, forward;  else icmp_*
//   ├─ yes, anything else ──────▶ proto
//   ├─ a later fragment: as its first fared; held until the first comes; fragment_*
//   └─ no
//        TCP or UDP of a known flow, from its real server: rewrite to VIP:vport, forward
//        UDP from a server of a one-packet service: the same without a flow
//        ICMP error quoting a request we forwarded: translate, forward
//        else ──────────────────▶ pass: not ours, goes back as it came (but for the hop)
//
// The walk in files: step.cc sends each packet its way; lookup finds its flow, schedule opens one, translate is what known
// flows have done to their packets, usual is the same for nearly all of them at once, pieces and icmp are for fragments and
// ICMP; context and lifetime are what all of them use.
//
// One packet in is at most one packet out, but for the pieces of datagrams: a first piece sets those free that waited for
// it. They are asked for with drain(), which the caller does after every packet it has finished and written.
//
// A verdict is five calls so that a burst can overlap its cache misses: prepare() parses and hashes, seek() asks for the
// buckets, warm() for the records, heat() for what is by their servers, finish() does the work. step() is the first and the
// last.
#pragma once

#include <cstdint>
#include <span>

#include "base/drop_reason.h"
#include "base/prng.h"
#include "base/time.h"
#include "flow/shortcut.h"
#include "flow/table.h"
#include "flow/templates.h"
#include "nat/answer.h"
#include "nat/check_ports.h"
#include "nat/defence.h"
#include "nat/fragments.h"
#include "nat/ftp_state.h"
#include "nat/tally.h"
#include "service/dispatch.h"
#include "service/snapshot.h"
#include "wire/packet.h"

namespace vsnat::nat {

enum class Verdict : uint8_t {
  forward,  // translated
  pass,     // not ours
  answer,   // dropped for `reason`, and the buffer now holds what the director says about it
  drop,     // dropped for `reason`
  held,     // a copy waits for the first piece of its datagram; drain() will bring it
};

/** A packet in its buffer. `capacity` leaves kAnswerHeadroom bytes behind `length`. */
struct Packet {
  uint8_t* data = nullptr;
  uint32_t length = 0;
  uint32_t capacity = 0;
  wire::vnet_hdr vnet;
};

/** Four bytes, so that it travels in a register: three would be put together in memory, which costs a stall each time. */
struct alignas(4) Outcome {
  Verdict verdict = Verdict::drop;
  DropReason reason = wire::kNoDrop;
  Generated generated = Generated::count;
  uint8_t unused = 0;  // with it the compiler hands on the word, and does not take it apart
};

struct FlowTables {
  flow::Table<wire::Addr4> v4;
  flow::Table<wire::Addr6> v6;
  flow::Templates<wire::Addr4> templates4;
  flow::Templates<wire::Addr6> templates6;

  template <class Addr>
  flow::Table<Addr>& of() {
    if constexpr (Addr::kFamily == 4) {
      return v4;
    } else {
      return v6;
    }
  }
  template <class Addr>
  flow::Templates<Addr>& templates_of() {
    if constexpr (Addr::kFamily == 4) {
      return templates4;
    } else {
      return templates6;
    }
  }
};

/** What a packet left to be done beside itself; drain() does it. */
struct Loose {
  bool has_ripe = false;
  FragmentKey ripe;      // a datagram whose pieces need not wait any longer
  uint32_t evicted = 0;  // pieces that had to make room

  bool any() const { return has_ripe || evicted > 0; }
};

/** Everything a worker's packets may touch. `tables`, `loads` and `fragments` are shared between workers, the rest is
 * its own. */
struct Core {
  FlowTables& tables;
  service::ServerLoad* loads;  // by server slot
  Tally& tally;
  AnswerBudget& budget;
  Fragments& fragments;
  uint8_t queue = 0;
  Prng prng{};  // for schedulers that draw
  Loose loose{};
  bool segments = true;                     // the device segments what it is given as a superpacket
  Defence* defence = nullptr;               // shared as well; null is none
  FtpState* ftp = nullptr;                  // shared; without it services' FTP helpers do nothing
  const CheckPorts* check_ports = nullptr;  // shared; without it no health check is led anywhere
  flow::Shortcuts* shortcuts = nullptr;     // shared; without it no flow has one
};

/** A packet between prepare() and finish(). */
struct Pending {
  enum class Role : uint8_t { dropped, request, reply, first_fragment, later_fragment, icmp, other };

  wire::PacketView view;
  uint64_t hash = 0;
  const flow::Bucket* bucket = nullptr;  // where its flow is looked up; null: nowhere
  uint32_t likely_flow = flow::kNoFlow;  // what warm() found; a hint
  Role role = Role::dropped;
  bool to_vip = false;
  DropReason reason = wire::kNoDrop;
  /** A whole TCP segment with a finished checksum: it may be a usual one (nat/usual.h). */
  bool is_segment = false;
  /** Its flow might take a shortcut from now on (nat/shortcut.h). */
  bool is_of_steady = false;
};

void prepare(Core& core, const service::Snapshot& snapshot, Packet& packet, Pending& pending);
/** Ask for the buckets of prepared packets. */
void seek(std::span<const Pending> pending);
/** Ask for the records of packets whose buckets should be there by now. */
void warm(const Core& core, std::span<Pending> pending);
/** Ask for what is counted by server, once the records should be there that tell which. */
void heat(const Core& core, std::span<const Pending> pending);
Outcome finish(Core& core, const service::Snapshot& snapshot, Now now, Packet& packet, Pending& pending);

inline Outcome step(Core& core, const service::Snapshot& snapshot, Now now, Packet& packet) {
  Pending pending;
  prepare(core, snapshot, packet, pending);
  return finish(core, snapshot, now, packet, pending);
}

/** A piece that leaves the hold: out, or for good. */
struct Released {
  Outcome outcome;
  Packet packet;    // with data only when the outcome is not a drop
  Pending pending;  // its view
  Fragments::Held* piece = nullptr;
};

bool release_next(Core& core, const service::Snapshot& snapshot, Now now, Released& released);

/**
 * Call `each(released)` for every piece that the packet before set free, in the order they came. Their packets lie in
 * the hold and are gone afterwards. Each has been counted as held before.
 */
template <class Each>
void drain(Core& core, const service::Snapshot& snapshot, Now now, Each&& each) {
  if (!core.loose.any()) [[likely]]
    return;
  for (Released released; release_next(core, snapshot, now, released);) {
    each(released);
    if (released.piece != nullptr) core.fragments.give_back(released.piece);
  }
}

/** Shards of all tables, to be numbered through: flows of IPv4 and IPv6, then templates of both. */
inline uint32_t expirable_shards(const FlowTables& tables) {
  return tables.v4.shard_count() + tables.v6.shard_count() + tables.templates4.table().shard_count() +
         tables.templates6.table().shard_count();
}

/**
 * Remove what has expired in one shard, looking at no more than `budget` records. True when there is more to look at;
 * after false the shard's next round begins.
 */
bool expire(Core& core, const service::Snapshot& snapshot, uint32_t shard, Tick now, uint32_t budget);

/** Forget a flow before its time, under the guard of its shard; and its template, if that waited for it alone. */
template <class Addr>
void end_flow(Core& core, const service::Snapshot& snapshot, flow::Flow<Addr>* flow, Tick now);

}  // namespace vsnat::nat
