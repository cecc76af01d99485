// SPDX-License-Identifier: Apache-2.0
#include "engine/shortcut_keeper.h"

#include <algorithm>
#include <utility>

#include "engine/shortcut_way.h"
#include "nat/shortcut.h"

namespace vsnat::engine {
namespace {

using flow::Direction;
using flow::ShortcutWay;

/** The flow of a packet that was translated, if it is there still. Under the guard of its shard. */
template <class Addr>
flow::Flow<Addr>* flow_of(flow::Table<Addr>& table, const nat::Pending& pending) {
  const wire::PacketView& view = pending.view;
  const Addr &from = wire::saddr<Addr>(view), &to = wire::daddr<Addr>(view);
  const wire::be16 from_port = nat::source_port(view), to_port = nat::destination_port(view);
  return pending.role == nat::Pending::Role::request
             ? table.find_reply(pending.hash, view.protocol, from, from_port, to, to_port)
             : table.find_request(pending.hash, view.protocol, to, to_port, from, from_port);
}

}  // namespace

ShortcutKeeper::ShortcutKeeper(const ShortcutSharing& sharing, ShortcutShare share, uint32_t check_slot)
    : maps_(sharing.maps),
      shortcuts_(sharing.shortcuts),
      hops_(sharing.hops),
      check_slot_(check_slot),
      kept_(std::make_unique_for_overwrite<Kept[]>(share.count)),
      count_(share.count) {
  for (uint32_t i = 0; i < count_; ++i) kept_[i].slot = share.first + i;
}

void ShortcutKeeper::settle(nat::Core& core, const service::Snapshot& snapshot, Now now, Backlog backlog) {
  if (backlog == Backlog::none) last_empty_ms_ = now.ms;
  const bool may_overtake = backlog == Backlog::none || now.ms - last_empty_ms_ > kLongestBacklogMs;
  for (unsigned i = 0; i < noted_; ++i) {
    const nat::Pending& pending = *pending_[i];
    // A segment is told from its successors by its number, and overtakes nothing.
    if (!pending.view.is_tcp() && !may_overtake) continue;
    if (pending.view.family == 4) {
      settle_one<wire::Addr4>(core, snapshot, now, pending);
    } else {
      settle_one<wire::Addr6>(core, snapshot, now, pending);
    }
  }
  noted_ = 0;
}

template <class Addr>
bool ShortcutKeeper::may_have_one(const flow::Flow<Addr>& flow, const service::Snapshot& snapshot) const {
  // The next datagram to a server that is down goes to another; a TCP connection stays.
  const bool may_move = flow.protocol == wire::kProtoUdp && snapshot.is_withdrawn(flow.server_slot);
  return nat::is_steady(flow) && flow.server_slot != check_slot_ &&
         !snapshot.server_gone(flow.server_slot, flow.service_slot) && !may_move &&
         snapshot.timeout_ticks(flow.service_slot, flow.state) >= ticks_from_seconds(kLeastSeconds);
}

template <class Addr>
void ShortcutKeeper::settle_one(nat::Core& core, const service::Snapshot& snapshot, Now now,
                                const nat::Pending& pending) {
  using FlowT = flow::Flow<Addr>;
  auto& table = core.tables.of<Addr>();
  FlowT copy;
  uint32_t index;
  {
    typename flow::Table<Addr>::Guard guard(table, pending.hash);
    FlowT* const flow = flow_of(table, pending);
    if (flow == nullptr || !may_have_one(*flow, snapshot)) return;
    if ((flow->flags & FlowT::kShortcut) != 0) return open(*flow);
    if (used_ == count_ || !course_of(*flow)) return;
    copy = *flow;
    index = table.index_of(flow);
  }
  // The kernel is told without the guard, which nobody should have to wait for so long.
  Kept* const kept = make(copy, pending.hash, now);
  if (kept == nullptr) return;
  kept->flow = index;
  typename flow::Table<Addr>::Guard guard(table, pending.hash);
  FlowT* const flow = flow_of(table, pending);
  if (flow == nullptr || table.index_of(flow) != index || (flow->flags & FlowT::kShortcut) != 0 ||
      !may_have_one(*flow, snapshot)) {
    return end(*kept, now);
  }
  // An upload's answer is not timed: the slot lies where the time of the request did. A datagram's was not to be anyway.
  if (pending.view.is_tcp()) flow->timing = flow::Timing::off;
  flow->set_shortcut(kept->slot);
  open(*flow);
}

template <class Addr>
ShortcutKeeper::Kept* ShortcutKeeper::make(const flow::Flow<Addr>& flow, uint64_t hash, Now now) {
  Kept& kept = kept_[used_];
  flow::Shortcut& shortcut = shortcuts_[kept.slot];
  kept.hash = hash;
  kept.since_ms = now.ms;
  kept.server_slot = flow.server_slot;
  kept.family = uint8_t(Addr::kFamily);
  kept.phase = Phase::used;
  for (const Direction direction : {Direction::request, Direction::reply}) {
    const auto i = size_t(direction);
    ShortcutWay& way = shortcut.way[i];
    describe(way, flow, direction);
    kept.seen_packets[i] = way.packets.load(std::memory_order_relaxed);
    kept.seen_bytes[i] = way.bytes.load(std::memory_order_relaxed);
    if constexpr (Addr::kFamily == 4) {
      kept.keys4[i] = arriving(flow, direction);
    } else {
      kept.keys6[i] = arriving(flow, direction);
    }
  }
  shortcuts_.reuse(kept.slot);
  if (!add_keys(kept)) return nullptr;
  in_use_.store(++used_, std::memory_order_relaxed);
  if (used_ == 1) next_tick_ms_ = now.ms + kTickMs;
  return &kept;
}

/**
 * Where both directions go; nothing while one of them is not known. A shortcut for the other alone would be closed and opened
 * by every packet of this one.
 */
template <class Addr>
std::optional<ShortcutKeeper::Course> ShortcutKeeper::course_of(const flow::Flow<Addr>& flow) const {
  const uint32_t edition = hops_.edition();  // before the routes are asked, which may change meanwhile
  const auto to_server = hops_.step_to(io::Host::of(flow.real));
  const auto to_client = hops_.step_to(io::Host::of(flow.client));
  if (!to_server || !to_client) return {};
  return Course{*to_server, *to_client, edition};
}

/**
 * Under the guard of the flow's shard. Of several packets that came in a burst the first opens; by the second the kernel may
 * have gone on. A flow's first reply is looked at here: it proves that somebody is there.
 */
template <class Addr>
void ShortcutKeeper::open(const flow::Flow<Addr>& flow) {
  if (shortcuts_.is_given(flow)) return;
  const auto course = course_of(flow);
  if (!course) return;
  flow::Shortcut& shortcut = shortcuts_[flow.shortcut()];
  lead(shortcut.way[size_t(Direction::request)], course->to_server);
  lead(shortcut.way[size_t(Direction::reply)], course->to_client);
  const bool is_answered = (flow.flags & flow::Flow<Addr>::kReplied) != 0;
  shortcuts_.give(flow, {course->edition, is_answered ? course->edition : 0});
}

bool ShortcutKeeper::add_keys(const Kept& kept) {
  const auto add = [&](const auto& keys) {
    if (maps_.add(keys[0], kept.slot, Direction::request) != 0) return false;
    if (maps_.add(keys[1], kept.slot, Direction::reply) == 0) return true;
    maps_.remove(keys[0]);
    return false;
  };
  return kept.family == 4 ? add(kept.keys4) : add(kept.keys6);
}

void ShortcutKeeper::remove_keys(const Kept& kept) {
  for (const int i : {0, 1}) {
    if (kept.family == 4) {
      maps_.remove(kept.keys4[i]);
    } else {
      maps_.remove(kept.keys6[i]);
    }
  }
}

void ShortcutKeeper::end(Kept& kept, Now now) {
  remove_keys(kept);
  kept.phase = Phase::resting;
  kept.since_ms = now.ms;
}

/** The last in use takes its place. */
void ShortcutKeeper::give_back(uint32_t place) {
  std::swap(kept_[place], kept_[used_ - 1]);
  in_use_.store(--used_, std::memory_order_relaxed);
}

ShortcutKeeper::Moved ShortcutKeeper::book(Kept& kept, Lane& lane, EgressCounters& egress) {
  uint64_t packets[2], bytes[2];
  for (const size_t i : {0, 1}) {
    const ShortcutWay& way = shortcuts_[kept.slot].way[i];
    const uint64_t all_packets = way.packets.load(std::memory_order_relaxed);
    const uint64_t all_bytes = way.bytes.load(std::memory_order_relaxed);
    packets[i] = all_packets - std::exchange(kept.seen_packets[i], all_packets);
    bytes[i] = all_bytes - std::exchange(kept.seen_bytes[i], all_bytes);
  }
  const Moved moved{packets[0], packets[1]};
  if (moved.all() == 0) return moved;
  for (const size_t i : {0, 1}) lane.tally.add(kept.server_slot, Direction(i), {packets[i], bytes[i]});
  lane.passed_by(moved.all(), bytes[0] + bytes[1]);
  egress.direct.add(moved.all());
  return moved;
}

template <class Addr>
bool ShortcutKeeper::lives_on(Kept& kept, nat::Core& core, const service::Snapshot& snapshot, Now now,
                              Moved moved) {
  auto& table = core.tables.of<Addr>();
  typename flow::Table<Addr>::Guard guard(table, kept.hash);
  if (shortcuts_.is_dropped(kept.slot)) return false;  // and its record may be another's
  flow::Flow<Addr>& flow = *table.flow_at(kept.flow);
  if (moved.all() > 0) {
    kept.since_ms = now.ms;
    flow.in_packets = uint8_t(std::min<uint64_t>(flow.in_packets + moved.requests, 0xff));
    table.touch(&flow, now.tick().plus(snapshot.timeout_ticks(flow.service_slot, flow.state)));
  }
  if (now.ms - kept.since_ms < kIdleMs && may_have_one(flow, snapshot)) return true;
  shortcuts_.take_back(flow);
  flow.flags &= uint8_t(~flow::Flow<Addr>::kShortcut);
  return false;
}

void ShortcutKeeper::tick(Lane& lane, EgressCounters& egress, const service::Snapshot& snapshot, Now now) {
  next_tick_ms_ = now.ms + kTickMs;
  for (uint32_t i = used_; i-- > 0;) {
    Kept& kept = kept_[i];
    const Moved moved = book(kept, lane, egress);
    if (kept.phase == Phase::resting) {
      if (now.ms - kept.since_ms >= kRestMs) give_back(i);
      continue;
    }
    const bool lives = kept.family == 4 ? lives_on<wire::Addr4>(kept, lane.core, snapshot, now, moved)
                                        : lives_on<wire::Addr6>(kept, lane.core, snapshot, now, moved);
    if (lives) continue;
    end(kept, now);
  }
}

}  // namespace vsnat::engine
