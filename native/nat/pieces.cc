// SPDX-License-Identifier: Apache-2.0
#include "nat/pieces.h"

#include <cstring>

#include "nat/answer.h"
#include "nat/icmp.h"
#include "nat/lookup.h"

namespace vsnat::nat {

using namespace wire;

namespace {

/** Does a piece from here to there concern us, as far as its addresses tell? */
template <class Addr>
bool may_be_ours(const Context& c) {
  return c.pending.to_vip || c.snapshot.is_real_server(saddr<Addr>(c.view()));
}

/** A piece of a ping becomes the piece of the answer. That the answer may be given was settled with the first. */
Outcome echo(Context& c) {
  const uint32_t length = make_echo_reply_piece(c.view());
  if (length == 0) return dropped(DropReason::fragment);
  c.packet.length = length;
  c.packet.vnet = vnet_hdr{};
  return {Verdict::answer, DropReason::answered, Generated::echo_reply};
}

/** The first piece of an ICMP message: an error, a ping of a VIP, or nothing for us. */
template <class Addr>
Outcome first_of_icmp(Context& c) {
  constexpr bool v4 = Addr::kFamily == 4;
  const uint8_t type = c.view().icmp().type;
  if (v4 ? icmp4::is_error(type) : icmp6::is_error(type)) return first_piece_of_icmp_error<Addr>(c);
  if (!c.pending.to_vip) return c.pass();
  if (type != (v4 ? icmp4::kEcho : icmp6::kEcho)) return dropped(DropReason::fragment);
  return c.may_answer() ? echo(c) : dropped(DropReason::rate_limited);
}

/** A first piece of SCTP, before it is known how long the datagram is. */
Outcome wait_for_last(Context& c, const FragmentKey& key) {
  const auto arrival = c.core.fragments.hold_first(key, c.view(), c.now.tick());
  c.core.loose.evicted += arrival.evicted;
  if (arrival.standing != Fragments::Standing::held) return dropped(DropReason::fragment_full);
  return {Verdict::held, kNoDrop, Generated::count};
}

template <class Addr>
Outcome follow(Context& c, const Fate& fate) {
  if (fate.kind == Fate::Kind::drop) return dropped(DropReason::fragment);
  if (fate.kind == Fate::Kind::pass) return c.pass();
  if (fate.kind == Fate::Kind::echo) return echo(c);
  Addr source, destination;
  std::memcpy(&source, fate.source.data(), sizeof(Addr));
  std::memcpy(&destination, fate.destination.data(), sizeof(Addr));
  const auto direction = fate.is_reply ? flow::Direction::reply : flow::Direction::request;
  c.core.tally.count(fate.server_slot, direction, c.view().length);
  rewrite_addresses<Addr>(c.view(), source, destination);
  return c.forward();
}

}  // namespace

template <class Addr>
Outcome first_fragment(Context& c) {
  const FragmentKey key = fragment_key(c.view());
  const Extent extent = extent_of(c.view());
  const bool ours = may_be_ours<Addr>(c);
  if (ours && extent.is_impossible) return dropped(DropReason::fragment);
  if (ours && c.core.fragments.repeats(key, extent, c.now.tick()))
    return dropped(DropReason::fragment_overlap);
  if (ours && c.view().is_sctp()) {
    const uint32_t bytes = c.core.fragments.datagram_bytes(key);
    if (bytes == 0 && !c.was_held) return wait_for_last(c, key);
    if (bytes < c.view().length - c.view().piece_offset) return dropped(DropReason::fragment);
    c.pending.view.datagram_bytes = bytes;
  }
  Fate fate;
  fate.is_reply = !c.pending.to_vip;
  const Outcome outcome = c.view().is_icmp() ? first_of_icmp<Addr>(c)
                          : c.pending.to_vip ? request<Addr>(c)
                                             : reply<Addr>(c);
  if (outcome.verdict == Verdict::pass && !ours) return outcome;
  if (outcome.verdict == Verdict::pass) fate.kind = Fate::Kind::pass;
  if (outcome.generated == Generated::echo_reply) fate.kind = Fate::Kind::echo;
  if (outcome.verdict == Verdict::forward) {
    fate.kind = Fate::Kind::translate;
    fate.server_slot = c.fragment_server;
    std::memcpy(fate.source.data(), &saddr<Addr>(c.view()), sizeof(Addr));
    std::memcpy(fate.destination.data(), &daddr<Addr>(c.view()), sizeof(Addr));
  }
  if (c.core.fragments.decide(key, extent, fate, c.now.tick())) {
    c.core.loose.has_ripe = true;
    c.core.loose.ripe = key;
  }
  return outcome;
}

template <class Addr>
Outcome later_fragment(Context& c) {
  const PacketView& view = c.view();
  const bool ours = may_be_ours<Addr>(c);
  // Early enough to overwrite the ports of the first: an attack, never a sender (RFC 3128).
  if (view.is_tcp() && view.fragment_offset < sizeof(tcp_hdr)) return dropped(DropReason::fragment);
  const Extent extent = extent_of(view);
  if (extent.is_impossible) return ours ? dropped(DropReason::fragment) : c.pass();
  const bool may_wait = ours && !c.was_held;
  const FragmentKey key = fragment_key(view);
  const auto arrival = c.core.fragments.arrive(key, extent, view, may_wait, c.now.tick());
  c.core.loose.evicted += arrival.evicted;
  if (arrival.completes) {
    c.core.loose.has_ripe = true;
    c.core.loose.ripe = key;
  }
  switch (arrival.standing) {
    case Fragments::Standing::known:
      return follow<Addr>(c, arrival.fate);
    case Fragments::Standing::repeated:
      return dropped(DropReason::fragment_overlap);
    case Fragments::Standing::held:
      return {Verdict::held, kNoDrop, Generated::count};
    case Fragments::Standing::refused:
      return dropped(DropReason::fragment_full);
    case Fragments::Standing::unknown:
      break;
  }
  return ours ? dropped(DropReason::fragment) : c.pass();
}

bool release_next(Core& core, const service::Snapshot& snapshot, Now now, Released& released) {
  released.piece = nullptr;
  if (core.loose.evicted > 0) {
    --core.loose.evicted;
    released.outcome = dropped(DropReason::fragment_full);
    return true;
  }
  if (!core.loose.has_ripe) return false;
  Fragments::Held* piece = core.fragments.take(core.loose.ripe);
  if (piece == nullptr) {
    core.loose.has_ripe = false;
    return false;
  }
  released.piece = piece;
  if (now.tick().after(piece->until)) {
    released.outcome = dropped(DropReason::fragment_timeout);
    return true;
  }
  const auto capacity = uint32_t(piece->length + (piece->is_first ? kAnswerHeadroom : 0));
  released.packet = Packet{piece->packet(), piece->length, capacity, vnet_hdr{}};
  prepare(core, snapshot, released.packet, released.pending);
  const auto role = piece->is_first ? Pending::Role::first_fragment : Pending::Role::later_fragment;
  if (released.pending.role != role) {
    // A snapshot came in between that sees its addresses differently.
    released.outcome = dropped(DropReason::fragment);
    return true;
  }
  Context c{core, snapshot, now, released.packet, released.pending};
  c.was_held = true;
  const bool v4 = released.pending.view.family == 4;
  if (piece->is_first) {
    released.outcome = v4 ? first_fragment<Addr4>(c) : first_fragment<Addr6>(c);
  } else {
    released.outcome = v4 ? later_fragment<Addr4>(c) : later_fragment<Addr6>(c);
  }
  return true;
}

template Outcome first_fragment<Addr4>(Context&);
template Outcome first_fragment<Addr6>(Context&);
template Outcome later_fragment<Addr4>(Context&);
template Outcome later_fragment<Addr6>(Context&);

}  // namespace vsnat::nat
