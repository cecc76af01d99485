// SPDX-License-Identifier: Apache-2.0
//
// The part of the program at an interface that takes shortcuts, run by the kernel, beside the whole walk in another director
// that has the same connections and no shortcuts: the same bytes leave, and the same numbers are known afterwards.
#include "io/shortcut_program.h"

#include <array>
#include <cstring>

#include "nat/rewrite.h"
#include "test/native/engine/shortcut_lab.h"
#include "test/native/support/views.h"

namespace vsnat::test {
namespace {

using flow::Direction;
constexpr Direction kBoth[] = {Direction::request, Direction::reply};

/** Two directors with the same connections; one of them has shortcuts, and the other is right. */
struct Pair {
  ShortcutLab fast;
  NatLab slow;

  explicit operator bool() const { return bool(fast); }

  /** What leaves after the whole walk: the hop is taken at the interface, given back, and taken again as engine/egress.cc does. */
  Bytes walked(const Bytes& packet) {
    Packet older{packet, {}};
    const bool is_v4 = packet[0] >> 4 == 4;
    --older.bytes[is_v4 ? 8 : 7];
    if (is_v4) reseal(older.bytes);
    const Result result = slow.send(older);
    CHECK(result.forwarded());
    Packet left = result.packet;
    wire::PacketView view;
    if (!CHECK_EQ(wire::parse(left.bytes, left.vnet, view), wire::kNoDrop)) return {};
    nat::take_hop(view);
    return left.bytes;
  }

  /** The kernel takes this packet, and does what the walk does with it. */
  bool goes_alike(const PacketBuilder& builder, Offload offload = {}) {
    const Bytes packet = builder.bytes();
    const Fate fate = fast.meets(packet, builder.family(), offload);
    if (!CHECK(fate.took_shortcut)) return false;
    return CHECK(is_same(fate.packet, walked(packet)));
  }

  /** But for what lies behind the end, which the walk cuts off, and for the two names of zero. */
  static bool is_same(const Bytes& got, Bytes want) {
    if (got.size() < want.size() || want.size() < 24) return false;
    const size_t l4 = want[0] >> 4 == 4 ? 20 : 40;
    const uint8_t protocol = want[l4 == 20 ? 9 : 6];
    const size_t check = l4 + (protocol == kTcp ? 16 : 6);
    if (protocol == kTcp && same_sum(get16(got, check), get16(want, check)))
      put16(want, check, get16(got, check));
    return std::memcmp(got.data(), want.data(), want.size()) == 0;
  }
};

/** A connection in both directors that has a shortcut in one. */
struct Fast : Talk {
  explicit Fast(Pair& in, int f, uint16_t client_port = client_endpoint(4).port)
      : Talk(in.fast, f, client_port, &in.slow), pair(in) {
    next(Direction::request, 5);  // it comes up, and its flow has a shortcut from then on
  }

  /** The next segment by the slow ways of both. */
  void next(Direction direction, size_t payload = 0) {
    const PacketBuilder packet = says(direction, payload);
    pair.fast.passes(packet);
    CHECK(pair.slow.send(packet).forwarded());
    take(direction, uint32_t(payload));
  }

  flow::Shortcut& shortcut() {
    const uint32_t slot = in(pair.fast.lab, [](auto* flow) { return flow->shortcut(); });
    return pair.fast.shortcuts()[slot];
  }
  /** The kernel knows what the other director knows. */
  void numbers_agree() {
    in(pair.slow, [&](auto* flow) {
      for (const size_t i : {0, 1}) {
        CHECK_EQ(shortcut().way[i].seq_end.load(), flow->seq_end[i]);
        CHECK_EQ(shortcut().way[i].acked.load(), flow->acked[i]);
      }
    });
  }
  /** Left as it is, and nothing of it is remembered. */
  void is_left(const Bytes& packet, Offload offload = {}) {
    const auto words = [&](size_t i) {
      const flow::ShortcutWay& way = shortcut().way[i];
      return std::array<uint64_t, 4>{way.seq_end, way.acked, way.packets, way.bytes};
    };
    const auto requests = words(0), replies = words(1);
    const Fate fate = pair.fast.meets(packet, family, offload);
    CHECK(!fate.took_shortcut);
    CHECK(fate.packet == packet);
    CHECK(words(0) == requests && words(1) == replies);
  }
  void is_left(const PacketBuilder& packet, Offload offload = {}) { is_left(packet.bytes(), offload); }

  Pair& pair;
};

TEST("the next segments of an open connection leave as the walk makes them leave, either way") {
  Pair pair;
  if (!pair) return;
  for (const int f : {4, 6}) {
    Fast talk(pair, f);
    uint64_t packets[2] = {0, 0}, bytes[2] = {0, 0};
    for (const size_t payload : {0, 1, 7, 1000, 0, 536}) {
      for (const Direction direction : kBoth) {
        const PacketBuilder packet = talk.says(direction, payload);
        if (!pair.goes_alike(packet)) return;
        talk.take(direction, uint32_t(payload));
        talk.numbers_agree();
        ++packets[size_t(direction)];
        bytes[size_t(direction)] += packet.bytes().size();
      }
    }
    for (const size_t i : {0, 1}) {
      CHECK_EQ(talk.shortcut().way[i].packets.load(), packets[i]);
      CHECK_EQ(talk.shortcut().way[i].bytes.load(), bytes[i]);
    }
  }
}

TEST("flags that mean nothing to the flow, and options, change nothing") {
  Pair pair;
  if (!pair) return;
  for (const int f : {4, 6}) {
    Fast talk(pair, f);
    for (const uint8_t flags : {kPsh, kEce, kCwr, uint8_t(kPsh | kEce | kCwr)}) {
      if (!pair.goes_alike(talk.says(Direction::request, 9).flags(kAck | flags))) return;
      talk.take(Direction::request, 9);
    }
    const Bytes timestamps{1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
    CHECK(pair.goes_alike(talk.says(Direction::reply, 100).tcp_options(timestamps).tos(0x2b)));
    talk.take(Direction::reply, 100);
    CHECK(pair.goes_alike(talk.says(Direction::request).ttl(255)));
    CHECK(pair.goes_alike(talk.says(Direction::request).ttl(2)));
    talk.numbers_agree();
  }
}

TEST("whatever is not the next segment comes up as it is, and nothing of it is remembered") {
  Pair pair;
  if (!pair) return;
  for (const int f : {4, 6}) {
    Fast talk(pair, f);
    talk.next(Direction::reply, 3000);
    for (const Direction direction : kBoth) {
      const auto next = [&] { return talk.says(direction, 10); };
      const bool is_request = direction == Direction::request;
      const uint32_t mine = is_request ? talk.client_next : talk.server_next;
      const uint32_t theirs = is_request ? talk.server_next : talk.client_next;
      for (const uint8_t flags : {kFin, kSyn, kRst, kUrg}) talk.is_left(next().flags(kAck | flags));
      talk.is_left(next().flags(kPsh));
      talk.is_left(next().flags(0));
      talk.is_left(next().seq(mine + 1));
      talk.is_left(next().seq(mine - 1));
      talk.is_left(next().seq(mine + 0x80000000));
      talk.is_left(next().ack(theirs + 1));
      talk.is_left(next().ack(theirs - 0x70000000));
      talk.is_left(next().ttl(1));
      talk.is_left(next().ttl(0));
      talk.is_left(next().data_offset(4));
      talk.is_left(next().data_offset(15));
      talk.is_left(next().length_field(f == 4 ? 39 : 19));
      talk.is_left(next().length_field(2000));
      talk.is_left(next().truncate(f == 4 ? 39 : 59));
      talk.is_left(next().source_port(1));
      talk.is_left(next().destination_port(1));
      talk.is_left(next().version(f == 4 ? 6 : 4));
      talk.is_left(next().version(5));
      if (f == 4) {
        talk.is_left(next().ip_options({1, 1, 1, 1}));
        talk.is_left(next().fragment_field(0x2000));
        talk.is_left(next().fragment_field(0x0001));
        talk.is_left(next().ip_checksum_off_by(1));
      } else {
        talk.is_left(next().extension(60));
        talk.is_left(next().fragment_header(1));
      }
      CHECK(pair.goes_alike(next()));
      talk.take(direction, 10);
    }
    talk.numbers_agree();
  }
}

TEST("a retransmission, an old acknowledgment and one that repeats itself are told apart as the walk does") {
  Pair pair;
  if (!pair) return;
  for (const int f : {4, 6}) {
    Fast talk(pair, f);
    for (int i = 0; i < 3; ++i) {
      CHECK(pair.goes_alike(talk.says(Direction::reply, 500)));
      talk.take(Direction::reply, 500);
    }
    talk.is_left(talk.says(Direction::reply, 500).seq(talk.server_next - 500));
    CHECK(pair.goes_alike(talk.says(Direction::request).ack(talk.server_next - 500)));
    CHECK(pair.goes_alike(talk.says(Direction::request).ack(talk.server_next - 500)));
    talk.is_left(talk.says(Direction::request).ack(talk.server_next - 1000));
    CHECK(pair.goes_alike(talk.says(Direction::request)));
    talk.numbers_agree();
  }
}

TEST("sequence numbers go round") {
  Pair pair;
  if (!pair) return;
  for (const int f : {4, 6}) {
    Fast talk(pair, f);
    // As if both ends had begun just below the end of the circle.
    const uint32_t down = 0u - 700 - talk.client_next, down_server = 0u - 900 - talk.server_next;
    for (NatLab* lab : {&pair.fast.lab, &pair.slow})
      talk.in(*lab, [&](auto* flow) {
        if (lab == &pair.fast.lab) pair.fast.shortcuts().take_back(*flow);
        flow->seq_end[0] += down;
        flow->acked[1] += down;
        flow->seq_end[1] += down_server;
        flow->acked[0] += down_server;
        if (lab == &pair.fast.lab)
          pair.fast.shortcuts().give(*flow, {pair.fast.hops.edition(), pair.fast.hops.edition()});
      });
    talk.client_next += down;
    talk.server_next += down_server;
    for (int i = 0; i < 12; ++i) {
      const Direction direction = kBoth[i % 2];
      if (!pair.goes_alike(talk.says(direction, 300))) return;
      talk.take(direction, 300);
      talk.numbers_agree();
    }
    CHECK(talk.client_next < 5000 && talk.server_next < 5000);
  }
}

TEST("the checksums stay right whatever they were, and wrong by as much as they were") {
  Pair pair;
  if (!pair) return;
  for (const int f : {4, 6}) {
    Fast talk(pair, f);
    for (int id = 0; id < scaled(20'000); ++id) {
      const Direction direction = kBoth[id % 2];
      const Bytes packet = talk.says(direction, 2).ip_id(uint16_t(id * 3)).window(uint16_t(id * 7)).bytes();
      const Fate fate = pair.fast.meets(packet, f);
      talk.take(direction, 2);
      if (!CHECK(fate.took_shortcut && complaint(fate.packet, false).empty())) return;
    }
    Random random("wrong sums of segments");
    for (int round = 0; round < scaled(500); ++round) {
      const Direction direction = kBoth[round % 2];
      Bytes packet = talk.says(direction, 2).bytes();
      put16(packet, (f == 4 ? 20 : 40) + 16, random.word());
      const bool was_right = judge_transport(packet, false) == L4Sum::right;
      const Fate fate = pair.fast.meets(packet, f);
      talk.take(direction, 2);
      CHECK(fate.took_shortcut && (judge_transport(fate.packet, false) == L4Sum::right) == was_right);
    }
  }
}

TEST("a packet is too large by its own bytes, or by the largest piece of a superpacket") {
  Pair pair;
  if (!pair) return;
  constexpr uint32_t kMtu = ShortcutLab::kMtu;
  for (const int f : {4, 6}) {
    Fast talk(pair, f);
    const uint32_t headers = f == 4 ? 40 : 60;
    const auto say = [&](size_t payload) { return talk.says(Direction::reply, payload); };
    talk.is_left(say(kMtu - headers + 1));
    CHECK(pair.goes_alike(say(kMtu - headers)));
    talk.take(Direction::reply, kMtu - headers);
    talk.is_left(say(kMtu - headers - 3).trailer(4));
    CHECK(pair.goes_alike(say(kMtu - headers - 4).trailer(4)));
    talk.take(Direction::reply, kMtu - headers - 4);
    talk.is_left(say(3000), {kMtu - headers + 1, 3});
    CHECK(pair.goes_alike(say(3000), {kMtu - headers, 3}));
    talk.take(Direction::reply, 3000);
    const Bytes options{1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
    talk.is_left(say(3000).tcp_options(options), {kMtu - headers - 11, 3});
    CHECK(pair.goes_alike(say(3000).tcp_options(options), {kMtu - headers - 12, 3}));
    talk.take(Direction::reply, 3000);
    talk.numbers_agree();
  }
}

TEST("what lies behind the end of a short packet is no part of it") {
  Pair pair;
  if (!pair) return;
  for (const int f : {4, 6}) {
    Fast talk(pair, f);
    const uint64_t before = talk.shortcut().way[0].bytes;
    CHECK(pair.goes_alike(talk.says(Direction::request).trailer(6)));
    CHECK_EQ(talk.shortcut().way[0].bytes.load() - before, uint64_t(f == 4 ? 40 : 60));
    talk.numbers_agree();
    CHECK(pair.goes_alike(talk.says(Direction::request, 3).trailer(3)));
  }
}

TEST("nothing takes a shortcut that is switched off, closed, or of routes that are old") {
  Pair pair;
  if (!pair) return;
  for (const int f : {4, 6}) {
    Fast talk(pair, f);
    const PacketBuilder packet = talk.says(Direction::request, 10);
    pair.fast.maps().the_switch().on = 0;
    talk.is_left(packet);
    pair.fast.maps().the_switch().on = 1;
    const uint32_t open = talk.shortcut().way[0].open.exchange(0);
    talk.is_left(packet);
    talk.shortcut().way[0].open = open;
    CHECK(pair.goes_alike(packet));
    talk.take(Direction::request, 10);
    pair.fast.hops.forget_hosts();
    talk.is_left(talk.says(Direction::request, 10));
    talk.is_left(talk.says(Direction::reply, 10));
    pair.fast.know_everybody();
    talk.next(Direction::request, 10);
    CHECK(pair.goes_alike(talk.says(Direction::request, 10)));
    talk.take(Direction::request, 10);
  }
}

// ---- Datagrams ----

/** A flow of datagrams that was answered. */
struct Datagrams {
  Datagrams(Pair& in, int f) : pair(in), family(f) {
    for (const Direction direction : {Direction::request, Direction::reply}) comes_up(says(direction));
  }
  PacketBuilder says(Direction direction, size_t payload = 20) const {
    PacketBuilder packet = udp(family).payload_bytes(payload);
    if (direction == Direction::request) return packet.to(dns_endpoint(family));
    return packet.from(dns_server(family, 0)).to(client_endpoint(family));
  }
  void comes_up(const PacketBuilder& packet) {
    pair.fast.passes(packet);
    CHECK(pair.slow.send(packet).forwarded());
  }
  void is_left(const PacketBuilder& builder, Offload offload = {}) {
    const Bytes packet = builder.bytes();
    const Fate fate = pair.fast.meets(packet, family, offload);
    CHECK(!fate.took_shortcut && fate.packet == packet);
  }
  Pair& pair;
  int family;
};

TEST("datagrams leave as the walk makes them leave, either way") {
  Pair pair;
  if (!pair) return;
  for (const int f : {4, 6}) {
    Datagrams talk(pair, f);
    for (const size_t payload : {0, 1, 500, 1400}) {
      for (const Direction direction : kBoth) {
        CHECK(pair.goes_alike(talk.says(direction, payload)));
        CHECK(pair.goes_alike(talk.says(direction, payload).trailer(5)));
      }
    }
    Random random("sums of datagrams");
    for (int round = 0; round < scaled(4'000); ++round) {
      Bytes packet = talk.says(kBoth[round % 2], 2).bytes();
      put16(packet, (f == 4 ? 20 : 40) + 8, uint16_t(random.next()));
      if (random.one_in(2)) put16(packet, (f == 4 ? 20 : 40) + 6, uint16_t(1 + random.below(0xffff)));
      const Fate fate = pair.fast.meets(packet, f);
      if (!CHECK(fate.took_shortcut && Pair::is_same(fate.packet, pair.walked(packet)))) return;
    }
  }
}

TEST("a datagram whose checksum comes out as zero says all ones, which is the other zero") {
  Pair pair;
  if (!pair) return;
  for (const int f : {4, 6}) {
    Datagrams talk(pair, f);
    for (const Direction direction : kBoth) {
      int ones = 0;
      const size_t l4 = f == 4 ? 20 : 40;
      Bytes packet = talk.says(direction, 2).bytes();
      for (uint32_t word = 1; word < 0x10000; ++word) {
        put16(packet, l4 + 6, uint16_t(word));
        const Fate fate = pair.fast.meets(packet, f);
        if (!CHECK(fate.took_shortcut && get16(fate.packet, l4 + 6) != 0)) return;
        ones += get16(fate.packet, l4 + 6) == 0xffff;
      }
      CHECK(ones > 0);
    }
  }
}

TEST("a datagram that is not whole, not sealed or longer than it can be comes up as it is") {
  Pair pair;
  if (!pair) return;
  for (const int f : {4, 6}) {
    Datagrams talk(pair, f);
    for (const Direction direction : kBoth) {
      const auto next = [&] { return talk.says(direction); };
      talk.is_left(next().checksum(Csum::absent));
      talk.is_left(next().udp_length(7));
      talk.is_left(next().udp_length(29));
      talk.is_left(next().length_field(f == 4 ? 27 : 7));
      talk.is_left(next().truncate(f == 4 ? 27 : 47));
      talk.is_left(talk.says(direction, 1473));
      talk.is_left(talk.says(direction, 3000), {1473, 3});
      if (f == 4) talk.is_left(next().fragment_field(0x2000).udp_length(400));
      CHECK(pair.goes_alike(next()));
      CHECK(pair.goes_alike(next().udp_length(20)));  // shorter than the packet, which is odd and allowed
    }
  }
}

// ---- Anything. ----

/** Mostly the next segment; now and then again, an end, late, mangled, or with what does not belong to it behind it. */
Bytes any_segment(Random& random, Fast& talk, Direction& direction, uint32_t& payload) {
  direction = kBoth[random.below(2)];
  payload = random.below(3) * 10;
  PacketBuilder packet = talk.says(direction, payload);
  const bool is_request = direction == Direction::request;
  const uint32_t mine = is_request ? talk.client_next : talk.server_next;
  const uint32_t theirs = is_request ? talk.server_next : talk.client_next;
  if (random.one_in(8)) packet.seq(mine - random.below(40));
  if (random.one_in(30)) packet.seq(mine + random.below(40));
  if (random.one_in(8)) packet.ack(theirs - random.below(30));
  if (random.one_in(200)) packet.flags(uint8_t(random.next()));
  if (random.one_in(20)) packet.ttl(uint8_t(2 + random.below(254)));
  if (random.one_in(20)) packet.trailer(1 + random.below(6));
  Bytes bytes = packet.bytes();
  if (random.one_in(6)) {
    bytes[random.below(talk.family == 4 ? 40 : 60)] = uint8_t(random.next());
    if (bytes[0] == 0x45 && random.one_in(2)) reseal(bytes);
  }
  return bytes;
}

template <class Addr>
bool has_same_numbers(const Fast& talk, Pair& pair) {
  const auto* fast = pair.fast.lab.flow_of<Addr>(kTcp, talk.client, virtual_endpoint(Addr::kFamily));
  const auto* slow = pair.slow.flow_of<Addr>(kTcp, talk.client, virtual_endpoint(Addr::kFamily));
  if (fast == nullptr || slow == nullptr) return fast == slow;
  if (fast->state != slow->state) return false;
  for (const size_t i : {0, 1}) {
    const auto& way = pair.fast.shortcuts()[fast->shortcut()].way[i];
    const bool is_given =
        (fast->flags & flow::Flow<Addr>::kShortcut) != 0 && pair.fast.shortcuts().is_given(*fast);
    if ((is_given ? way.seq_end.load() : fast->seq_end[i]) != slow->seq_end[i]) return false;
    if ((is_given ? way.acked.load() : fast->acked[i]) != slow->acked[i]) return false;
  }
  return true;
}

TEST("whatever comes, a director with shortcuts sends and knows what one without them does") {
  Random random("anything");
  int shortcuts_taken = 0;
  const int rounds = scaled(20'000), segments = 200;
  for (int begun = 0, left = rounds; left > 0; ++begun) {
    Pair pair;
    if (!pair) return;
    const int f = begun % 2 ? 4 : 6;
    Fast talk(pair, f);
    for (int i = 0; i < segments && left > 0; ++i, --left) {
      Direction direction;
      uint32_t payload;
      const Bytes packet = any_segment(random, talk, direction, payload);
      const Fate fate = pair.fast.meets(packet, f);
      if (fate.took_shortcut) {
        ++shortcuts_taken;
        if (!CHECK(Pair::is_same(fate.packet, pair.walked(packet)))) return;
      } else {
        CHECK(fate.packet == packet);
        const Result want = pair.slow.send(Packet{packet, {}});
        const auto up = pair.fast.comes_up({packet, {}});
        if (!CHECK(up->outcome.verdict == want.outcome.verdict && up->outcome.reason == want.outcome.reason))
          return;
        if (want.forwarded()) CHECK(up->bytes() == want.packet.bytes);
        if (up->pending.is_of_steady || want.forwarded()) pair.fast.settle(*up);
      }
      const bool is_there = f == 4 ? CHECK(has_same_numbers<wire::Addr4>(talk, pair))
                                   : CHECK(has_same_numbers<wire::Addr6>(talk, pair));
      if (!is_there) return;
      const bool goes_on = talk.in(pair.slow, [&](auto* flow) {
        if (flow == nullptr || flow->state != flow::State::established) return false;
        talk.client_next = flow->seq_end[0];
        talk.server_next = flow->seq_end[1];
        return true;
      });
      if (!goes_on) break;
    }
    for (const uint32_t slot : {0u, 16u}) {
      pair.fast.tick();
      for (const auto direction : {flow::Direction::request, flow::Direction::reply}) {
        const nat::Volume fast = pair.fast.lane.tally.volume(slot, direction),
                          before = pair.fast.lab.tally.volume(slot, direction),
                          slow = pair.slow.tally.volume(slot, direction);
        CHECK_EQ(fast.packets + before.packets, slow.packets);
        CHECK_EQ(fast.bytes + before.bytes, slow.bytes);
      }
      for (const size_t i : {0, 1})
        CHECK_EQ(pair.fast.lane.tally.signals(slot).retransmissions[i].read(),
                 pair.slow.tally.signals(slot).retransmissions[i].read());
    }
  }
  CHECK(shortcuts_taken > rounds / 3);
}

}  // namespace
}  // namespace vsnat::test
