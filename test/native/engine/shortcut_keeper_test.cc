// SPDX-License-Identifier: Apache-2.0
//
// A worker's part in shortcuts, over the kernel's own maps: who gets one, when it is open, what is booked, and when it ends.
#include "engine/shortcut_keeper.h"

#include "test/native/engine/shortcut_lab.h"

namespace vsnat::test {
namespace {

using engine::Backlog;
using flow::Direction;

constexpr Direction kBoth[] = {Direction::request, Direction::reply};

/** A connection that has said enough to have a shortcut, where it may have one. */
struct Settled : Talk {
  Settled(ShortcutLab& in, int f, uint16_t client_port = client_endpoint(4).port)
      : Talk(in, f, client_port), lab(in) {
    passes(Direction::request, 10);
  }
  void passes(Direction direction, size_t payload = 0) {
    lab.passes(says(direction, payload));
    take(direction, uint32_t(payload));
  }
  /** The next segment, by the kernel if it will. */
  bool takes_shortcut(Direction direction, size_t payload = 0) {
    const bool took = lab.meets(says(direction, payload)).took_shortcut;
    if (took) take(direction, uint32_t(payload));
    return took;
  }
  bool has_one() {
    return in(lab.lab, [](auto* flow) {
      return flow != nullptr && (flow->flags & std::remove_pointer_t<decltype(flow)>::kShortcut) != 0;
    });
  }
  uint32_t slot() {
    return in(lab.lab, [](auto* flow) { return flow->shortcut(); });
  }
  /** Seconds it has left. */
  int left() {
    return in(lab.lab, [this](auto* flow) {
      return flow->expires_at.since(lab.lab.now.tick()) / int(kTicksPerSecond);
    });
  }
  uint32_t server_slot() const { return family == 4 ? 0 : 16; }

  ShortcutLab& lab;
};

TEST("a flow gets a shortcut when both its ends are known, and not before") {
  for (const int f : {4, 6}) {
    for (const bool is_client : {true, false}) {
      ROW(is_client ? "no client" : "no server");
      ShortcutLab lab;
      if (!lab) return;
      const Address unknown = is_client ? client_endpoint(f).address : web_server(f, 0).address;
      lab.know_no_way_to(unknown);
      Settled talk(lab, f);
      CHECK(!talk.has_one());
      CHECK_EQ(lab.keeper().in_use(), 0u);
      lab.know(unknown);
      talk.passes(Direction::reply, 10);
      CHECK(talk.has_one());
      CHECK_EQ(lab.keeper().in_use(), 1u);
      for (const Direction direction : kBoth) CHECK(talk.takes_shortcut(direction, 10));
    }
  }
}

TEST("routes that change close every shortcut, and the next packet opens it on the new way") {
  ShortcutLab lab;
  if (!lab) return;
  Settled talk(lab, 4);
  CHECK(talk.takes_shortcut(Direction::request));
  lab.hops.forget_hosts();
  CHECK(!talk.takes_shortcut(Direction::request));
  talk.passes(Direction::request);  // nobody knows the way yet
  CHECK(!talk.takes_shortcut(Direction::request));
  lab.know_everybody();
  lab.know(web_server(4, 0).address, 100);
  talk.passes(Direction::request);
  CHECK(talk.takes_shortcut(Direction::request, 60));
  CHECK(!talk.takes_shortcut(Direction::request, 61));
  CHECK(talk.takes_shortcut(Direction::reply, 1000));
}

TEST(
    "of several packets in a burst the first opens, and the others do not turn back what the kernel has done "
    "since") {
  for (const int f : {4, 6}) {
    ShortcutLab lab;
    if (!lab) return;
    Settled talk(lab, f);
    const auto one = lab.comes_up(talk.says(Direction::reply, 100).build());
    talk.take(Direction::reply, 100);
    const auto other = lab.comes_up(talk.says(Direction::reply, 100).build());
    talk.take(Direction::reply, 100);
    lab.settle(*one);
    for (int i = 0; i < 3; ++i) CHECK(talk.takes_shortcut(Direction::reply, 500));
    lab.settle(*other);
    CHECK_EQ(lab.shortcuts()[talk.slot()].way[1].seq_end.load(), talk.server_next);
    CHECK(talk.takes_shortcut(Direction::reply, 500));
  }
}

TEST("what went through is booked to the server, to the queue and to what left as frames, once") {
  for (const int f : {4, 6}) {
    ShortcutLab lab;
    if (!lab) return;
    Settled talk(lab, f);
    uint64_t bytes[2] = {0, 0};
    for (int i = 0; i < 5; ++i) {
      for (const Direction direction : kBoth) {
        if (direction == Direction::reply && i > 2) continue;
        bytes[size_t(direction)] += talk.says(direction, 100).bytes().size();
        CHECK(talk.takes_shortcut(direction, 100));
      }
    }
    const engine::QueueCounters& queue = lab.lane.counters;
    const auto volume = [&](Direction direction) {
      return lab.lane.tally.volume(talk.server_slot(), direction);
    };
    const nat::Volume before = volume(Direction::request);
    for (int again = 0; again < 2; ++again) {
      lab.tick();
      CHECK_EQ(volume(Direction::request).packets - before.packets, uint64_t{5});
      CHECK_EQ(volume(Direction::request).bytes - before.bytes, bytes[0]);
      CHECK_EQ(volume(Direction::reply).packets, uint64_t{3});
      CHECK_EQ(volume(Direction::reply).bytes, bytes[1]);
      CHECK_EQ(queue.shortcut_packets.read(), uint64_t{8});
      CHECK_EQ(queue.shortcut_bytes.read(), bytes[0] + bytes[1]);
      for (const Counter* counter : {&queue.rx_packets, &queue.forwarded, &queue.tx_packets})
        CHECK_EQ(counter->read(), uint64_t{8});
      for (const Counter* counter : {&queue.rx_bytes, &queue.tx_bytes})
        CHECK_EQ(counter->read(), bytes[0] + bytes[1]);
      CHECK_EQ(lab.egress.direct.read(), uint64_t{8});
    }
    CHECK_EQ(lab.lane.tally.foreign_flows.read(), uint64_t{0});
  }
}

TEST("a flow lives on by what goes through its shortcut, and counts its client's packets") {
  ShortcutLab lab;
  if (!lab) return;
  Settled talk(lab, 4);
  const int whole = talk.left();
  const auto in_packets = [&] { return talk.in(lab.lab, [](auto* flow) { return int(flow->in_packets); }); };
  const int before = in_packets();
  for (int second = 0; second < 30; ++second) {
    CHECK(talk.takes_shortcut(Direction::request, 1));
    lab.wait_seconds(1);
    CHECK_EQ(talk.left(), whole);
  }
  CHECK_EQ(in_packets(), before + 30);
  for (int i = 0; i < 300; ++i) CHECK(talk.takes_shortcut(Direction::request, 1));
  lab.wait_seconds(1);
  CHECK_EQ(in_packets(), 255);
}

TEST(
    "a shortcut nobody takes ends after ten seconds, its flow has the numbers, and its slot rests a second") {
  for (const int f : {4, 6}) {
    ShortcutLab lab(1);
    if (!lab) return;
    Settled talk(lab, f);
    CHECK(talk.takes_shortcut(Direction::reply, 700));
    lab.wait_seconds(1);
    lab.wait_seconds(9);
    CHECK(talk.has_one());
    lab.wait_seconds(1);
    CHECK(!talk.has_one());
    CHECK_EQ(talk.in(lab.lab, [](auto* flow) { return flow->seq_end[1]; }), talk.server_next);
    CHECK(!talk.takes_shortcut(Direction::reply));
    // It is the only slot, and a program may be under way with what it read there.
    lab.tick();
    CHECK_EQ(lab.keeper().in_use(), 1u);
    talk.passes(Direction::request);
    CHECK(!talk.has_one());
    lab.wait_seconds(1);
    CHECK_EQ(lab.keeper().in_use(), 0u);
    CHECK_EQ(lab.keeper().next_tick_ms(), ~uint64_t{0});
    talk.passes(Direction::request);
    CHECK(talk.has_one() && talk.takes_shortcut(Direction::reply, 10));
  }
}

TEST("a server that leaves ends its flows' shortcuts with the next tick, which is then due at once") {
  ShortcutLab lab;
  if (!lab) return;
  Settled talk(lab, 4);
  CHECK(talk.takes_shortcut(Direction::request));
  auto& service = lab.lab.spec.services[0];
  service.servers.erase(service.servers.begin());
  service.plan.steps = {0, 1};
  lab.lab.publish();
  lab.keeper().hurry();
  CHECK(lab.keeper().next_tick_ms() <= lab.lab.now.ms);
  lab.tick();
  CHECK(!talk.has_one() && !talk.takes_shortcut(Direction::request));
  const auto up = lab.comes_up(talk.says(Direction::request).build());
  CHECK_EQ(up->outcome.reason, DropReason::server_gone);
}

TEST(
    "a server that is withdrawn keeps its connections and their shortcuts; its datagrams come up, to go to "
    "another") {
  ShortcutLab lab;
  if (!lab) return;
  Settled talk(lab, 4);
  const PacketBuilder request = udp4().to(dns_endpoint(4)).payload_bytes(30);
  lab.passes(request);
  lab.passes(request);
  CHECK(lab.meets(request).took_shortcut);
  for (const size_t service : {0, 1}) {
    lab.lab.spec.services[service].servers[0].weight = 0;
    lab.lab.spec.services[service].servers[0].withdrawn = true;
    lab.lab.spec.services[service].plan.steps = {1, 2};
  }
  lab.lab.publish();
  lab.tick();
  CHECK(talk.has_one() && talk.takes_shortcut(Direction::request));
  CHECK(!lab.meets(request).took_shortcut);
  const auto up = lab.comes_up(request.build());
  CHECK(endpoint_of({up->bytes(), {}}, true) == dns_server(4, 1));
}

TEST("a connection that ends gives its shortcut back, and the next of the same ends has one of its own") {
  for (const int f : {4, 6}) {
    ShortcutLab lab;
    if (!lab) return;
    Settled talk(lab, f);
    const uint32_t slot = talk.slot();
    CHECK(talk.takes_shortcut(Direction::reply, 100));
    lab.passes(talk.says(Direction::request).flags(kRst));
    CHECK(!talk.takes_shortcut(Direction::reply));
    lab.lab.advance_seconds(1000);
    lab.lab.expire();
    CHECK_EQ(lab.lab.flows(), uint64_t{0});
    CHECK(lab.shortcuts().is_dropped(slot));
    // The place is cleared away with the next tick; until then the kernel knows these packets as the old connection's.
    for (int n = 0; n < 2; ++n)
      Handshake::open(lab.lab, f, {client_endpoint(f).address, uint16_t(1 + n)}, virtual_endpoint(f));
    Settled next(lab, f);
    CHECK(!next.has_one() && !next.takes_shortcut(Direction::request));
    lab.tick();
    next.passes(Direction::request, 10);
    CHECK(next.has_one());
    CHECK(next.slot() != slot);
    CHECK(next.takes_shortcut(Direction::request, 10) && next.takes_shortcut(Direction::reply, 10));
    lab.tick();
    CHECK_EQ(lab.lane.counters.shortcut_packets.read(), uint64_t{3});
  }
}

TEST("there are no more shortcuts than slots, and who has none goes the ordinary way") {
  ShortcutLab lab(3);
  if (!lab) return;
  std::vector<std::unique_ptr<Settled>> talks;
  for (int i = 0; i < 9; ++i)
    talks.push_back(std::make_unique<Settled>(lab, i % 2 ? 4 : 6, uint16_t(2000 + i)));
  for (int i = 0; i < 9; ++i) {
    CHECK_EQ(talks[size_t(i)]->has_one(), i < 3);
    CHECK_EQ(talks[size_t(i)]->takes_shortcut(Direction::request), i < 3);
  }
  CHECK_EQ(lab.keeper().in_use(), 3u);
  // Two of them fall silent.
  for (int second = 0; second < 13; ++second) {
    CHECK(talks[1]->takes_shortcut(Direction::request));
    lab.wait_seconds(1);
  }
  CHECK_EQ(lab.keeper().in_use(), 1u);
  for (int i = 3; i < 6; ++i) talks[size_t(i)]->passes(Direction::request);
  for (const int i : {1, 3, 4}) CHECK(talks[size_t(i)]->takes_shortcut(Direction::request));
  CHECK(!talks[5]->has_one() && !talks[0]->has_one());
}

TEST("a datagram does not overtake those that wait in the queue") {
  ShortcutLab lab;
  if (!lab) return;
  const PacketBuilder request = udp4().to(dns_endpoint(4)).payload_bytes(30);
  const PacketBuilder reply = udp4().from(dns_server(4, 0)).to(client_endpoint(4));
  lab.settle();  // the queue is empty
  lab.passes(request, Backlog::some);
  lab.passes(reply, Backlog::some);
  CHECK(!lab.meets(request).took_shortcut);
  lab.passes(request, Backlog::none);
  CHECK(lab.meets(request).took_shortcut && lab.meets(reply).took_shortcut);
  // A queue that is never empty loses packets anyway.
  lab.comes_up(request.build());
  lab.lab.now.ms += 21;
  lab.passes(request, Backlog::some);
  CHECK(lab.meets(request).took_shortcut);
}

TEST(
    "a flow of datagrams that nobody answered has its first reply looked at, which proves that somebody is "
    "there") {
  for (const int f : {4, 6}) {
    ShortcutLab lab;
    if (!lab) return;
    const PacketBuilder request = udp(f).to(dns_endpoint(f)).payload_bytes(30);
    const PacketBuilder reply = udp(f).from(dns_server(f, 0)).to(client_endpoint(f));
    lab.passes(request);
    lab.passes(request);
    CHECK(lab.meets(request).took_shortcut);
    CHECK(!lab.meets(reply).took_shortcut);
    lab.passes(reply);
    CHECK_EQ(lab.lane.tally.signals(f == 4 ? 4 : 20).first_bytes_ambiguous.read(), uint64_t{1});
    CHECK(lab.meets(request).took_shortcut && lab.meets(reply).took_shortcut);
  }
}

TEST("a service whose connections may end between two ticks has no shortcuts") {
  ShortcutLab lab;
  if (!lab) return;
  lab.lab.spec.services[0].timeouts.seconds[size_t(flow::State::established)] = 3;
  lab.lab.publish();
  Settled talk(lab, 4);
  CHECK(!talk.has_one());
}

}  // namespace
}  // namespace vsnat::test
