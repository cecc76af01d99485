// SPDX-License-Identifier: Apache-2.0
//
// Nearly every packet goes the short way of nat/usual.h when it comes in a burst, and the whole walk when it comes alone. Both
// must come to the same: packets, connections to the last bit of their records, and what was counted.
#include "nat/usual.h"

#include <array>
#include <cstring>

#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"

namespace vsnat::test {
namespace {

constexpr int kClients = 4;
constexpr size_t kBurst = 8;

/** An open connection as its ends see it. */
struct Ends {
  Endpoint client, server;
  uint32_t client_next = Handshake::kClientNext, server_next = Handshake::kServerNext;
};
using Connections = std::array<Ends, kClients>;

/** The same connections, opened in two directors one packet at a time. */
Connections open_in(NatLab& one, NatLab& other, int family) {
  Connections all;
  for (int i = 0; i < kClients; ++i) {
    Ends& ends = all[size_t(i)];
    ends.client = {client_endpoint(family).address, uint16_t(49153 + i)};
    const int n = Handshake::open(one, family, ends.client, virtual_endpoint(family));
    CHECK_EQ(Handshake::open(other, family, ends.client, virtual_endpoint(family)), n);
    ends.server = web_server(family, n);
  }
  return all;
}

/** Data mostly in line; now and then again, out of line, an end, without a hop, with a trailer, or a checksum that is not whole. */
PacketBuilder segment(Random& random, int family, Ends& ends) {
  const bool is_request = random.one_in(2);
  uint32_t& mine = is_request ? ends.client_next : ends.server_next;
  const uint32_t theirs = is_request ? ends.server_next : ends.client_next;
  const uint32_t payload = random.below(3) * 10;
  const uint32_t seq = random.one_in(10) ? mine - random.below(40) : mine;
  uint8_t flags = kAck;
  if (random.one_in(150)) flags = random.one_in(2) ? kAck | kFin : kSyn;
  if (random.one_in(400)) flags = kRst;
  PacketBuilder p = tcp(family);
  if (is_request) {
    p.from(ends.client);
  } else {
    p.from(ends.server).to(ends.client);
  }
  p.flags(flags).seq(seq).ack(theirs - (random.one_in(10) ? 5 : 0)).payload_bytes(payload);
  if (random.one_in(20)) p.ttl(random.one_in(3) ? 255 : uint8_t(random.below(2)));
  if (random.one_in(30)) p.trailer(1 + random.below(6));
  if (random.one_in(30)) p.checksum(random.one_in(2) ? Csum::wrong : Csum::partial);
  if (random.one_in(60)) p.source_port(uint16_t(random.next()));
  if (seq == mine && flags == kAck) mine += payload;
  return p;
}

/** What comes in a burst; how many of them went the short way. */
struct Burst {
  std::array<Packet, kBurst> packets;
  std::array<Bytes, kBurst> buffers;
  std::array<nat::Packet, kBurst> native;
  std::array<nat::Pending, kBurst> pending;

  void add(size_t i, Packet packet) {
    packets[i] = std::move(packet);
    buffers[i] = packets[i].bytes;
    buffers[i].resize(buffers[i].size() + nat::kAnswerHeadroom);
    native[i] = {buffers[i].data(), uint32_t(packets[i].bytes.size()), uint32_t(buffers[i].size()),
                 packets[i].vnet};
  }

  /** As finish() does it, but that it can be told which way a packet went. */
  nat::Outcome finish(nat::Core& core, NatLab& lab, size_t i, int& short_ways) {
    nat::Pending& was = pending[i];
    if (was.is_segment && was.likely_flow != flow::kNoFlow) {
      nat::Context c{core, *lab.snapshot, lab.now, native[i], was};
      const bool is_done =
          was.view.family == 4 ? nat::forward_usual<wire::Addr4>(c) : nat::forward_usual<wire::Addr6>(c);
      if (is_done) {
        ++short_ways;
        return c.forward();
      }
    }
    return nat::finish(core, *lab.snapshot, lab.now, native[i], was);
  }
};

template <class Addr>
bool has_same_record(NatLab& one, NatLab& other, const Endpoint& client) {
  const Endpoint virt = virtual_endpoint(Addr::kFamily);
  const auto* a = one.flow_of<Addr>(kTcp, client, virt);
  const auto* b = other.flow_of<Addr>(kTcp, client, virt);
  if (a == nullptr || b == nullptr) return a == b;
  return std::memcmp(a, b, sizeof(*a)) == 0;
}

void have_same_books(NatLab& one, NatLab& other) {
  for (uint32_t slot = 0; slot < 64; ++slot) {
    for (const auto direction : {flow::Direction::request, flow::Direction::reply}) {
      const nat::Volume a = one.tally.volume(slot, direction), b = other.tally.volume(slot, direction);
      CHECK_EQ(a.packets, b.packets);
      CHECK_EQ(a.bytes, b.bytes);
    }
    CHECK_EQ(one.active(slot), other.active(slot));
    CHECK_EQ(one.inactive(slot), other.inactive(slot));
    for (const int direction : {0, 1})
      CHECK_EQ(one.tally.signals(slot).retransmissions[direction].read(),
               other.tally.signals(slot).retransmissions[direction].read());
  }
  CHECK_EQ(one.flows(), other.flows());
}

template <class Addr>
void come_to_the_same(Random& random, int& short_ways) {
  constexpr int family = Addr::kFamily;
  NatLab single, burst;
  Connections connections = open_in(single, burst, family);
  nat::Core core{*burst.tables, burst.loads.data(), burst.tally, burst.budget, burst.fragments, 0};
  core.check_ports = &burst.check_ports;
  core.defence = &burst.defence;
  core.ftp = &burst.ftp;
  const int when = int(random.below(80));  // in half of the runs a server's address becomes a VIP
  for (int round = 0; round < 40; ++round) {
    if (round == when) {
      for (NatLab* lab : {&single, &burst}) {
        lab->spec.lingering_vips.push_back(ip_address(web_server(family, 0).address));
        lab->publish();
      }
    }
    Burst b;
    for (size_t i = 0; i < kBurst; ++i)
      b.add(i, segment(random, family, connections[random.below(kClients)]).build());
    for (size_t i = 0; i < kBurst; ++i) nat::prepare(core, *burst.snapshot, b.native[i], b.pending[i]);
    nat::warm(core, b.pending);
    for (size_t i = 0; i < kBurst; ++i) {
      const nat::Outcome outcome = b.finish(core, burst, i, short_ways);
      const Result want = single.send(b.packets[i]);
      if (!CHECK(outcome.verdict == want.outcome.verdict && outcome.reason == want.outcome.reason)) return;
      if (outcome.verdict == nat::Verdict::drop) continue;
      const nat::Packet& got = b.native[i];
      CHECK(Bytes(got.data, got.data + got.length) == want.packet.bytes);
      CHECK(std::memcmp(&got.vnet, &want.packet.vnet, sizeof(got.vnet)) == 0);
    }
    for (const Ends& ends : connections) CHECK((has_same_record<Addr>(single, burst, ends.client)));
    have_same_books(single, burst);
    const uint64_t later = random.one_in(50) ? 1'000'000 : 77;
    single.now.ms += later;
    burst.now.ms += later;
  }
}

TEST("a burst of an open connection's segments leaves what the same segments leave that come alone") {
  Random random("usual");
  int short_ways = 0;
  const int rounds = scaled(100);
  for (int round = 0; round < rounds; ++round) {
    come_to_the_same<wire::Addr4>(random, short_ways);
    come_to_the_same<wire::Addr6>(random, short_ways);
  }
  CHECK(short_ways > rounds * 40);  // of 640 in a round
}

}  // namespace
}  // namespace vsnat::test
