// SPDX-License-Identifier: Apache-2.0
#include "nat/icmp.h"

#include "nat/answer.h"
#include "nat/icmp_error.h"
#include "nat/lifetime.h"
#include "nat/one_packet.h"
#include "nat/schedule.h"

namespace vsnat::nat {

using namespace wire;

namespace {

/** The packet an ICMP error quotes: its client endpoint and the other one. */
template <class Addr>
struct Quoted {
  const Addr &source, &destination;

  explicit Quoted(const QuoteView& q) : source(source_of(q)), destination(destination_of(q)) {}

 private:
  static const Addr& source_of(const QuoteView& q) {
    if constexpr (Addr::kFamily == 4) {
      return q.v4().saddr;
    } else {
      return q.v6().saddr;
    }
  }
  static const Addr& destination_of(const QuoteView& q) {
    if constexpr (Addr::kFamily == 4) {
      return q.v4().daddr;
    } else {
      return q.v6().daddr;
    }
  }
};

/**
 * schedule_icmp: an error about a reply whose connection is not known, which another director may have had. The quoted
 * packet turned around is what its client would have sent; that is scheduled, and whatever the client sends next goes
 * the same way.
 */
template <class Addr>
Outcome schedule_by_error(Context& c, const QuoteView& quote, uint64_t hash) {
  const Quoted<Addr> quoted(quote);
  uint8_t bytes[sizeof(ipv6_hdr) + sizeof(tcp_hdr)] = {};
  Pending pending;
  pending.hash = hash;
  PacketView& view = pending.view;
  view.ip = bytes;
  view.family = Addr::kFamily;
  view.protocol = quote.protocol;
  view.l4_offset = Addr::kFamily == 4 ? sizeof(ipv4_hdr) : sizeof(ipv6_hdr);
  view.length = sizeof(bytes);
  saddr<Addr>(view) = quoted.destination;
  daddr<Addr>(view) = quoted.source;
  // Where TCP and UDP both have their ports.
  view.udp().sport = quote.dport();
  view.udp().dport = quote.sport();
  if (c.snapshot.find_service(quote.protocol, quoted.source, quote.sport()) == nullptr)
    return c.give_to_host();
  Context newcomer{c.core, c.snapshot, c.now, c.packet, pending};
  newcomer.by_error = true;
  return schedule<Addr>(newcomer);
}

/**
 * Errors refresh and end nothing (RFC 5508 REQ-6): the flow is only looked at. One that is about no flow of ours may be
 * about a connection of this host itself, whose address the VIP can be.
 */
template <class Addr>
Outcome error_to_vip(Context& c) {
  QuoteView quote;
  if (!icmp_mtu_ok(c.view())) return dropped(DropReason::icmp_mtu);
  const DropReason bad = parse_quote(quote_of(c.view()), Addr::kFamily, quote);
  if (bad == DropReason::no_flow) return c.give_to_host();
  if (bad != kNoDrop) return dropped(bad);
  const Quoted<Addr> quoted(quote);
  if (!(quoted.source == daddr<Addr>(c.view()))) return dropped(DropReason::icmp_dir);
  auto& table = c.core.tables.of<Addr>();
  const uint64_t hash = table.hash(quote.protocol, quoted.destination, quote.dport());
  typename flow::Table<Addr>::Guard guard(table, hash);
  const auto find = [&] {
    return table.find_request(hash, quote.protocol, quoted.destination, quote.dport(), quoted.source,
                              quote.sport());
  };
  auto* flow = live(c, find());
  if (flow == nullptr && c.snapshot.policy.schedule_icmp) {
    const Outcome scheduled = schedule_by_error<Addr>(c, quote, hash);
    if (scheduled.verdict != Verdict::forward) return scheduled;
    flow = find();
  }
  if (flow == nullptr) return c.give_to_host();
  if (saddr<Addr>(c.view()) == flow->real) return dropped(DropReason::land);  // it would go to its own sender
  c.core.tally.count(flow->server_slot, flow::Direction::request, c.view().length);
  c.fragment_server = flow->server_slot;
  translate_error_about_reply(c.view(), quote, *flow);
  return c.forward();
}

/** Not the one that only wants smaller packets. */
template <class Addr>
bool says_unreachable(const icmp_hdr& icmp) {
  if (Addr::kFamily == 6) return icmp.type == icmp6::kUnreachable;
  return icmp.type == icmp4::kUnreachable && icmp.code != icmp4::kFragNeeded;
}

template <class Addr>
Outcome error_from_servers(Context& c) {
  QuoteView quote;
  const DropReason bad = parse_quote(quote_of(c.view()), Addr::kFamily, quote);
  // The rest of the quote may be in the next piece, and with it the name of a real server.
  if (bad == DropReason::icmp_quote && c.view().fragment) return dropped(DropReason::fragment);
  if (bad != kNoDrop) return c.pass();
  const Quoted<Addr> quoted(quote);
  auto& table = c.core.tables.of<Addr>();
  const uint64_t hash = table.hash(quote.protocol, quoted.source, quote.sport());
  typename flow::Table<Addr>::Guard guard(table, hash);
  auto* flow = live(c, table.find_reply(hash, quote.protocol, quoted.source, quote.sport(),
                                        quoted.destination, quote.dport()));
  flow::Flow<Addr> once{};
  if (flow == nullptr) {
    const auto* found = one_packet_reply<Addr>(c, quote.protocol, quoted.destination, quote.dport());
    if (found == nullptr) return c.pass();
    once = one_packet_flow<Addr>(*found, quoted.destination, quote.dport());
    flow = &once;
  }
  if (!c.view().fragment && !icmp_checksum_ok(c.view())) return dropped(DropReason::icmp_csum);
  if (!icmp_mtu_ok(c.view())) return dropped(DropReason::icmp_mtu);
  c.core.tally.count(flow->server_slot, flow::Direction::reply, c.view().length);
  c.fragment_server = flow->server_slot;
  if (says_unreachable<Addr>(c.view().icmp())) c.core.tally.signals(flow->server_slot).unreachable.add(1);
  translate_error_about_request(c.view(), quote, *flow);
  return c.forward();
}

}  // namespace

template <class Addr>
Outcome icmp(Context& c) {
  const uint8_t type = c.view().icmp().type;
  const bool v4 = Addr::kFamily == 4;
  const bool is_error = v4 ? icmp4::is_error(type) : icmp6::is_error(type);
  // From a VIP to itself: about a reply that did not fit this host's way out. Anything else so addressed is forged.
  if (saddr<Addr>(c.view()) == daddr<Addr>(c.view()) && !(c.pending.to_vip && is_error))
    return dropped(DropReason::land);
  if (!c.pending.to_vip) return is_error ? error_from_servers<Addr>(c) : c.pass();
  if (!icmp_checksum_ok(c.view())) return dropped(DropReason::icmp_csum);
  if (is_error) return error_to_vip<Addr>(c);
  if (type == (v4 ? icmp4::kEcho : icmp6::kEcho)) {
    return c.answer(DropReason::answered, Generated::echo_reply, make_echo_reply);
  }
  return dropped(type == (v4 ? icmp4::kEchoReply : icmp6::kEchoReply) ? DropReason::no_flow
                                                                      : DropReason::icmp_type);
}

template <class Addr>
Outcome first_piece_of_icmp_error(Context& c) {
  if (!c.pending.to_vip) return error_from_servers<Addr>(c);
  const Outcome outcome = error_to_vip<Addr>(c);
  // The host would have to be given every piece with one hop left, and what became of a first says nothing of hops.
  return outcome.verdict == Verdict::pass ? dropped(DropReason::fragment) : outcome;
}

template Outcome first_piece_of_icmp_error<Addr4>(Context&);
template Outcome first_piece_of_icmp_error<Addr6>(Context&);
template Outcome icmp<Addr4>(Context&);
template Outcome icmp<Addr6>(Context&);

}  // namespace vsnat::nat
