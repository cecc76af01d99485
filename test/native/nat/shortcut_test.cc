// SPDX-License-Identifier: Apache-2.0
//
// What the director does with a flow whose packets the kernel takes: the kernel's part here is a few lines that move numbers in
// plain memory.
#include "nat/shortcut.h"

#include <array>

#include "nat/cull.h"
#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"

namespace vsnat::test {
namespace {

constexpr uint32_t kC = Handshake::kClientNext, kS = Handshake::kServerNext;
constexpr uint32_t kSlot = 3, kEpoch = 7;

PacketBuilder client_says(int family, uint8_t flags, uint32_t seq, uint32_t ack, size_t payload = 0) {
  return to_vip(family, flags).seq(seq).ack(ack).payload_bytes(payload);
}
PacketBuilder server_says(int family, uint8_t flags, uint32_t seq, uint32_t ack, size_t payload = 0) {
  return from_server(family, flags).seq(seq).ack(ack).payload_bytes(payload);
}

/** A lab with an open connection that has a shortcut. */
template <class Addr>
struct Scene {
  using FlowT = flow::Flow<Addr>;
  static constexpr int family = Addr::kFamily;
  static constexpr uint32_t server_slot = family == 4 ? 0 : 16;

  explicit Scene(uint32_t capacity = 64) : lab(capacity) {
    lab.shortcuts = &shortcuts;
    CHECK_EQ(Handshake::open(lab, family), 0);
    // The server's first word ends what is timed of a connection.
    CHECK(lab.send(client_says(family, kAck | kPsh, kC, kS, 10)).forwarded());
    CHECK(lab.send(server_says(family, kAck | kPsh, kS, kC + 10, 20)).forwarded());
    CHECK(lab.send(client_says(family, kAck, kC + 10, kS + 20)).forwarded());
    if (!CHECK(flow() != nullptr && nat::is_steady(*flow()))) return;
    flow()->set_shortcut(kSlot);
    give();
  }

  FlowT* flow() { return lab.flow_of<Addr>(kTcp, client_endpoint(family), virtual_endpoint(family)); }
  flow::ShortcutWay& way(flow::Direction direction) { return shortcuts[kSlot].way[size_t(direction)]; }
  void give() { shortcuts.give(*flow(), {kEpoch, kEpoch}); }
  bool is_open() { return way(flow::Direction::request).open != 0 || way(flow::Direction::reply).open != 0; }

  /** The kernel takes `bytes` of the server, and the client's acknowledgment of them. */
  void kernel_moves(uint32_t bytes) {
    way(flow::Direction::reply).seq_end += bytes;
    way(flow::Direction::request).acked += bytes;
  }
  /** And of the client. */
  void kernel_moves_up(uint32_t bytes) {
    way(flow::Direction::request).seq_end += bytes;
    way(flow::Direction::reply).acked += bytes;
  }

  std::array<flow::Shortcut, 8> slots;
  flow::Shortcuts shortcuts{slots};
  NatLab lab;
};

/** Both families. */
template <class Body>
void in_both(Body&& body) {
  {
    ROW("IPv4");
    Scene<wire::Addr4> scene;
    body(scene);
  }
  ROW("IPv6");
  Scene<wire::Addr6> scene;
  body(scene);
}

TEST("a packet of a flow with a shortcut finds the numbers the kernel came to") {
  in_both([](auto& scene) {
    constexpr int f = std::remove_reference_t<decltype(scene)>::family;
    scene.kernel_moves(1'000'000);
    scene.kernel_moves_up(500);
    CHECK(scene.lab.send(client_says(f, kAck | kPsh, kC + 510, kS + 1'000'020, 7)).forwarded());
    CHECK(!scene.is_open());
    const auto& flow = *scene.flow();
    CHECK_EQ(flow.seq_end[0], kC + 517);
    CHECK_EQ(flow.seq_end[1], kS + 1'000'020);
    CHECK_EQ(flow.acked[0], kS + 1'000'020);
    CHECK_EQ(flow.acked[1], kC + 510);
    CHECK_EQ(scene.lab.tally.signals(scene.server_slot).retransmissions[0].read(), uint64_t{0});
  });
}

TEST("a flow's packets come here for as long as nobody gives it back, and its record stays right") {
  in_both([](auto& scene) {
    constexpr int f = std::remove_reference_t<decltype(scene)>::family;
    scene.kernel_moves(100);
    CHECK(scene.lab.send(server_says(f, kAck, kS + 120, kC + 10, 50)).forwarded());
    scene.kernel_moves(9'999);  // a program that was under way: too late to be seen
    CHECK(scene.lab.send(server_says(f, kAck, kS + 170, kC + 10, 50)).forwarded());
    CHECK_EQ(scene.flow()->seq_end[1], kS + 220);
    scene.give();
    CHECK(scene.is_open());
    CHECK_EQ(scene.way(flow::Direction::reply).seq_end.load(), kS + 220);
  });
}

TEST("a segment that comes again is a retransmission by the numbers of the kernel") {
  in_both([](auto& scene) {
    constexpr int f = std::remove_reference_t<decltype(scene)>::family;
    scene.kernel_moves(3'000);
    CHECK(scene.lab.send(server_says(f, kAck, kS + 20, kC + 10, 1'000)).forwarded());
    CHECK_EQ(scene.lab.tally.signals(scene.server_slot).retransmissions[1].read(), uint64_t{1});
    CHECK_EQ(scene.flow()->seq_end[1], kS + 3'020);
  });
}

TEST("a RST is believed by the numbers of the kernel, and no other is") {
  in_both([](auto& scene) {
    constexpr int f = std::remove_reference_t<decltype(scene)>::family;
    scene.kernel_moves(70'000);
    CHECK(scene.lab.send(server_says(f, kRst, kS + 20, 0)).forwarded());
    CHECK_EQ(scene.lab.tally.suspect_resets.read(), uint64_t{1});
    CHECK_EQ(scene.lab.state(f), std::string("ESTABLISHED"));
    scene.give();
    CHECK(scene.lab.send(server_says(f, kRst, kS + 70'020, 0)).forwarded());
    CHECK_EQ(scene.lab.state(f), std::string("CLOSE"));
    CHECK(!scene.is_open());
    CHECK(!nat::is_steady(*scene.flow()));
  });
}

TEST("a FIN ends being steady, and so does a SYN in the middle") {
  in_both([](auto& scene) {
    constexpr int f = std::remove_reference_t<decltype(scene)>::family;
    scene.kernel_moves_up(40);
    CHECK(scene.lab.send(client_says(f, kFin | kAck, kC + 50, kS + 20)).forwarded());
    CHECK_EQ(scene.flow()->seq_end[0], kC + 51);
    CHECK(!scene.is_open());
    CHECK(!nat::is_steady(*scene.flow()));
  });
}

TEST("a piece of a datagram takes its flow back as any packet does") {
  for (const int f : {4, 6}) {
    NatLab lab;
    std::array<flow::Shortcut, 1> slots;
    flow::Shortcuts shortcuts{slots};
    lab.shortcuts = &shortcuts;
    CHECK(lab.send(udp(f).to(dns_endpoint(f))).forwarded());
    const auto open = [&](auto* flow) {
      flow->set_shortcut(0);
      shortcuts.give(*flow, {kEpoch, 0});
    };
    if (f == 4) {
      open(lab.flow_of<wire::Addr4>(kUdp, client_endpoint(4), dns_endpoint(4)));
    } else {
      open(lab.flow_of<wire::Addr6>(kUdp, client_endpoint(6), dns_endpoint(6)));
    }
    PacketBuilder piece = udp(f).to(dns_endpoint(f)).payload_bytes(16).udp_length(40);
    if (f == 4) {
      piece.fragment_field(0x2000);
    } else {
      piece.fragment_header(1);
    }
    CHECK(lab.send(piece).forwarded());
    CHECK_EQ(slots[0].way[0].open.load(), 0u);
  }
}

TEST("an operator's RST has the numbers the kernel came to") {
  in_both([](auto& scene) {
    constexpr int f = std::remove_reference_t<decltype(scene)>::family;
    scene.kernel_moves(123'456);
    scene.kernel_moves_up(7'890);
    const auto said = scene.lab.end({});
    if (!CHECK_EQ(said.size(), size_t{2})) return;
    const size_t seq = (f == 4 ? 20 : 40) + 4;
    CHECK_EQ(get32(said[0].bytes, seq), kS + 20 + 123'456);
    CHECK_EQ(get32(said[1].bytes, seq), kC + 10 + 7'890);
    CHECK_EQ(scene.lab.flows(), uint64_t{0});
    CHECK(scene.shortcuts.is_dropped(kSlot) && !scene.is_open());
  });
}

TEST("a silenced connection is silent at once, and has no shortcut any more") {
  in_both([](auto& scene) {
    constexpr int f = std::remove_reference_t<decltype(scene)>::family;
    nat::EndSpec spec;
    spec.silence = true;
    scene.lab.end(spec);
    CHECK(!scene.is_open());
    CHECK(!nat::is_steady(*scene.flow()));
    scene.lab.refused(client_says(f, kAck, kC + 10, kS + 20), DropReason::silenced);
    CHECK(!scene.is_open());
  });
}

/** Whether a flow that ends like this leaves a closed shortcut that is free to be cleared away. */
template <class End>
void drops(const char* how, End&& end) {
  ROW(how);
  in_both([&](auto& scene) {
    end(scene);
    CHECK(scene.shortcuts.is_dropped(kSlot));
    CHECK(!scene.is_open());
    for (uint32_t other = 0; other < scene.shortcuts.count(); ++other)
      if (other != kSlot) CHECK(!scene.shortcuts.is_dropped(other));
  });
}

TEST("a flow's shortcut goes with it, however it ends") {
  drops("its time is over, and the sweep finds it", [](auto& scene) {
    scene.lab.advance_seconds(901);
    scene.lab.expire();
    CHECK_EQ(scene.lab.flows(), uint64_t{0});
  });
  drops("its time is over, and a packet finds it", [](auto& scene) {
    constexpr int f = std::remove_reference_t<decltype(scene)>::family;
    scene.lab.advance_seconds(901);
    scene.lab.refused(client_says(f, kAck, kC + 10, kS + 20), DropReason::no_flow);
  });
  drops("its server was removed, and a packet finds it", [](auto& scene) {
    constexpr int f = std::remove_reference_t<decltype(scene)>::family;
    auto& servers = scene.lab.spec.services[f == 4 ? 0 : 3].servers;
    servers.erase(servers.begin());
    scene.lab.spec.services[f == 4 ? 0 : 3].plan.steps = {0, 1};
    scene.lab.publish();
    scene.lab.refused(client_says(f, kAck, kC + 10, kS + 20), DropReason::server_gone);
    CHECK_EQ(scene.lab.flows(), uint64_t{0});
  });
  drops("its server was removed, and orphans are looked for", [](auto& scene) {
    constexpr int f = std::remove_reference_t<decltype(scene)>::family;
    auto& servers = scene.lab.spec.services[f == 4 ? 0 : 3].servers;
    servers.erase(servers.begin());
    scene.lab.spec.services[f == 4 ? 0 : 3].plan.steps = {0, 1};
    scene.lab.publish();
    nat::Core core = scene.lab.core();
    for (uint32_t shard = 0; shard < nat::flow_shards(*scene.lab.tables); ++shard)
      nat::end_orphans(core, *scene.lab.snapshot, shard, scene.lab.now.tick(), 0, 1000);
    CHECK_EQ(scene.lab.flows(), uint64_t{0});
  });
  drops("its client port is used again after it was closed", [](auto& scene) {
    constexpr int f = std::remove_reference_t<decltype(scene)>::family;
    CHECK(scene.lab.send(server_says(f, kRst, kS + 20, 0)).forwarded());
    CHECK(scene.lab.send(client_says(f, kSyn, 77'000, 0)).forwarded());
    CHECK_EQ(scene.flow()->flags & std::remove_reference_t<decltype(scene)>::FlowT::kShortcut, 0);
  });
  drops("the same, and the place goes to another connection", [](auto& scene) {
    constexpr int f = std::remove_reference_t<decltype(scene)>::family;
    scene.lab.spec.policy.reuse_closed = true;
    scene.lab.publish();
    CHECK(scene.lab.send(server_says(f, kRst, kS + 20, 0)).forwarded());
    CHECK(scene.lab.send(client_says(f, kSyn, 77'000, 0)).forwarded());
  });
  drops("drop_entry comes upon it", [](auto& scene) {
    scene.flow()->in_packets = 1;
    scene.lab.advance_seconds(100);
    nat::Core core = scene.lab.core();
    nat::DropEntryRule rule;
    for (int i = 0; i < 100 && scene.lab.flows() > 0; ++i)
      for (uint32_t shard = 0; shard < nat::flow_shards(*scene.lab.tables); ++shard)
        nat::drop_entries(core, *scene.lab.snapshot, shard, scene.lab.now.tick(), 20, rule);
    CHECK_EQ(scene.lab.flows(), uint64_t{0});
  });
}

TEST("a flow that is given up for another takes its shortcut with it") {
  constexpr uint32_t kMany = 2000;
  NatLab lab(8);
  std::vector<flow::Shortcut> slots(kMany);
  flow::Shortcuts shortcuts{slots};
  lab.shortcuts = &shortcuts;
  uint32_t made = 0;
  for (; made < kMany; ++made) {
    const Endpoint client{client_endpoint(4).address, uint16_t(1024 + made)};
    CHECK(lab.send(udp4().from(client).to(dns_endpoint(4))).forwarded());
    auto* flow = lab.flow_of<wire::Addr4>(kUdp, client, dns_endpoint(4));
    if (!CHECK(flow != nullptr)) return;
    flow->set_shortcut(made);
    shortcuts.give(*flow, {kEpoch, kEpoch});
  }
  const uint64_t evicted = lab.tables->v4.stats().evicted;
  CHECK(evicted > 0);
  uint64_t dropped = 0, open = 0;
  for (uint32_t i = 0; i < made; ++i) {
    dropped += shortcuts.is_dropped(i);
    open += slots[i].way[0].open != 0;
    CHECK(shortcuts.is_dropped(i) != (slots[i].way[0].open != 0));
  }
  CHECK_EQ(dropped, evicted);
  CHECK_EQ(open, lab.flows());
}

TEST("a table that somebody else left has no shortcuts: their slots are another's by now") {
  Lab<wire::Addr4> memory(64, HashKey{1, 2});
  auto& table = memory.table;
  const auto client = client_endpoint(4).address.v4();
  const auto port = wire::be16::from_host(1);
  const uint64_t hash = table.hash(kTcp, client, port);
  const auto ignore = [](const auto&) {};
  auto* flow = table.insert(hash, kTcp, client, port, Tick{1}, ignore);
  if (!CHECK(flow != nullptr)) return;
  flow->flags = flow::Flow<wire::Addr4>::kReplied;
  flow->set_shortcut(5);
  flow::Table<wire::Addr4> heir;
  CHECK(heir.attach(memory.memory(), flow::Sharing::exclusive));
  CHECK_EQ(heir.flow_at(heir.index_of(flow))->flags, flow::Flow<wire::Addr4>::kReplied);
}

TEST("a flow is steady once nothing but its usual packets is to be expected") {
  for (const int f : {4, 6}) {
    NatLab lab;
    const auto steady = [&] {
      if (f == 4)
        return nat::is_steady(*lab.flow_of<wire::Addr4>(kTcp, client_endpoint(4), virtual_endpoint(4)));
      return nat::is_steady(*lab.flow_of<wire::Addr6>(kTcp, client_endpoint(6), virtual_endpoint(6)));
    };
    CHECK(lab.send(client_says(f, kSyn, kC - 1, 0)).forwarded());
    CHECK(!steady());
    CHECK(lab.send(server_says(f, kSyn | kAck, kS - 1, kC)).forwarded());
    CHECK(!steady());
    CHECK(lab.send(client_says(f, kAck, kC, kS)).forwarded());
    CHECK(!steady());  // its first answer is to be timed
    CHECK(lab.send(client_says(f, kAck, kC, kS, 10)).forwarded());
    CHECK(!steady());
    CHECK(lab.send(server_says(f, kAck, kS, kC + 10, 10)).forwarded());
    CHECK(steady());
    CHECK(lab.send(server_says(f, kFin | kAck, kS + 10, kC + 10)).forwarded());
    CHECK(!steady());
  }
}

TEST("an upload is steady from its twenty-fourth packet on, although its server has not said a word") {
  NatLab lab;
  Handshake::open(lab, 4);
  uint32_t seq = kC;
  for (int packets = 3; packets < 50; ++packets, seq += 10) {
    CHECK(lab.send(client_says(4, kAck, seq, kS, 10)).forwarded());
    const auto& flow = *lab.flow_of<wire::Addr4>(kTcp, client_endpoint(4), virtual_endpoint(4));
    if (packets == 3)
      CHECK(lab.send(server_says(4, kAck, kS, kC + 10)).forwarded());
    else
      CHECK_EQ(nat::is_steady(flow), packets >= nat::kPacketsBeforeShortcut);
  }
}

TEST("a datagram's flow is steady when it was answered, or never will be") {
  NatLab lab;
  const auto steady = [&] {
    return nat::is_steady(*lab.flow_of<wire::Addr4>(kUdp, client_endpoint(4), dns_endpoint(4)));
  };
  const auto request = udp4().to(dns_endpoint(4));
  CHECK(lab.send(request).forwarded());
  CHECK(!steady());
  CHECK(lab.send(request).forwarded());
  CHECK(steady());
  CHECK(lab.send(udp4().from(dns_server(4, 0)).to(client_endpoint(4))).forwarded());
  CHECK(steady());
  // The answer to what was asked twice was counted, not timed.
  CHECK_EQ(lab.tally.signals(4).first_bytes_ambiguous.read(), uint64_t{1});
}

TEST("no flow of a helper is steady, and none of SCTP") {
  NatLab lab;
  lab.spec.services[0].helper = service::Helper::ftp;
  lab.publish();
  Handshake::open(lab, 4);
  CHECK(lab.send(client_says(4, kAck, kC, kS, 10)).forwarded());
  CHECK(lab.send(server_says(4, kAck, kS, kC + 10, 10)).forwarded());
  CHECK(!nat::is_steady(*lab.flow_of<wire::Addr4>(kTcp, client_endpoint(4), virtual_endpoint(4))));
  flow::Flow<wire::Addr4> sctp{};
  sctp.protocol = kSctp;
  sctp.state = flow::State::sctp_established;
  CHECK(!nat::is_steady(sctp));
}

TEST("the client's twenty-fourth packet promises more, and any superpacket") {
  flow::Flow<wire::Addr4> flow{};
  nat::Packet packet;
  flow.in_packets = nat::kPacketsBeforeShortcut - 1;
  CHECK(!nat::promises_more(flow, packet));
  flow.in_packets = nat::kPacketsBeforeShortcut;
  CHECK(nat::promises_more(flow, packet));
  flow.in_packets = 1;
  packet.vnet.gso_type = wire::vnet_hdr::kGsoTcp4;
  CHECK(nat::promises_more(flow, packet));
}

TEST("a packet is of a steady flow from its flow's twenty-fourth on, and never before") {
  NatLab lab;
  nat::Core core = lab.core();
  Handshake::open(lab, 4);
  CHECK(lab.send(client_says(4, kAck, kC, kS, 10)).forwarded());
  CHECK(lab.send(server_says(4, kAck, kS, kC + 10, 10)).forwarded());
  int ordinary = 3;  // SYN, ACK, request
  for (uint32_t seq = kC + 10; ordinary < 100; seq += 10) {
    Packet packet = client_says(4, kAck, seq, kS + 10, 10).build();
    packet.bytes.resize(packet.bytes.size() + nat::kAnswerHeadroom);
    nat::Packet native{packet.bytes.data(), uint32_t(packet.bytes.size() - nat::kAnswerHeadroom),
                       uint32_t(packet.bytes.size()), packet.vnet};
    nat::Pending pending;
    nat::prepare(core, *lab.snapshot, native, pending);
    CHECK(nat::finish(core, *lab.snapshot, lab.now, native, pending).verdict == nat::Verdict::forward);
    ++ordinary;
    if (!CHECK_EQ(pending.is_of_steady, ordinary >= nat::kPacketsBeforeShortcut)) return;
  }
}

}  // namespace
}  // namespace vsnat::test
