// SPDX-License-Identifier: Apache-2.0
//
// What translation does to bytes: against numbers computed elsewhere, against a NAT that computes everything anew, and
// against itself backwards.
#include <algorithm>
#include <cstring>

#include "nat/rewrite.h"
#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"

namespace vsnat::test {
namespace {

TEST("the four packets of a connection's beginning, as the client and the real server see them") {
  for (const int family : {4, 6}) {
    ROW("IPv" + std::to_string(family));
    NatLab lab;
    const Endpoint client = client_endpoint(family), vip = virtual_endpoint(family),
                   server = web_server(family, 0);
    const struct {
      const char* name;
      PacketBuilder packet;
      Translation translation;
    } packets[] = {
        {"SYN", tcp(family).flags(kSyn).seq(1000), {{}, server, 1}},
        {"SYN-ACK", from_server(family, kSyn | kAck).seq(5000).ack(1001), {vip, {}, 1}},
        {"ACK", tcp(family).flags(kAck).seq(1001).ack(5001), {{}, server, 1}},
        {"data", tcp(family).flags(kAck | kPsh).seq(1001).ack(5001).payload_bytes(77), {{}, server, 1}},
        {"data back", from_server(family, kAck | kPsh).seq(5001).ack(1078).payload_bytes(1448), {vip, {}, 1}},
        {"FIN", tcp(family).flags(kFin | kAck).seq(1078).ack(6449), {{}, server, 1}},
        {"FIN back", from_server(family, kFin | kAck).seq(6449).ack(1079), {vip, {}, 1}},
        {"last ACK", tcp(family).flags(kAck).seq(1079).ack(6450), {{}, server, 1}},
    };
    for (const auto& p : packets) {
      ROW(p.name);
      const Packet before = p.packet.build();
      const Result result = lab.send(before);
      CHECK(result.forwarded());
      CHECK(result.packet.bytes == reference_nat(before, p.translation).bytes);
      CHECK_EQ(complaint(result.packet.bytes, false), std::string());
    }
    CHECK_EQ(lab.state(family), std::string("TIME_WAIT"));
    CHECK(endpoint_of(packets[0].packet.build(), false) == client);
  }
}

TEST("the documented checksums come out, for finished and pending sums, and for UDP's zero") {
  NatLab lab;
  // 198.51.100.7:49153 -> 192.0.2.10:80 becomes 10.0.0.1:8080. The documented header loses a hop on the way; here one
  // is given back, so the same header goes in two hops poorer.
  Packet syn = tcp4().flags(kSyn).ttl(62).build();
  CHECK_EQ(get16(syn.bytes, 36), uint16_t{0xc3f4});
  const Result forwarded = lab.send(syn);
  CHECK_EQ(get16(forwarded.packet.bytes, 10), uint16_t{0xf560});
  CHECK_EQ(get16(forwarded.packet.bytes, 36), uint16_t{0x5cbe});
  CHECK_EQ(get16(tcp4().ttl(64).bytes(), 10), uint16_t{0x3c57});

  const Packet pending = tcp4().flags(kSyn).checksum(Csum::partial).build();
  CHECK_EQ(get16(pending.bytes, 36), uint16_t{0xec5f});
  CHECK_EQ(get16(lab.send(pending).packet.bytes, 36), uint16_t{0x3456});

  const Endpoint client{client_endpoint(4).address, 54321};
  const Packet datagram = udp4().from(client).to(dns_endpoint(4)).payload({0xe2, 0x83}).build();
  CHECK_EQ(get16(datagram.bytes, 26), uint16_t{0x5caa});
  CHECK_EQ(get16(lab.send(datagram).packet.bytes, 26),
           uint16_t{0xffff});  // a sum of zero is sent as its other name
}

TEST("UDP without a checksum stays without one, both ways and over both families") {
  for (const int family : {4, 6}) {
    NatLab lab;
    const Result there =
        lab.send(udp(family).to(dns_endpoint(family)).checksum(Csum::absent).payload_bytes(9));
    CHECK(there.forwarded());
    CHECK(judge_transport(there.packet.bytes, false) == L4Sum::absent);
    const Result back = lab.send(udp(family)
                                     .from(dns_server(family, 0))
                                     .to(client_endpoint(family))
                                     .checksum(Csum::absent)
                                     .payload_bytes(9));
    CHECK(back.forwarded());
    CHECK(judge_transport(back.packet.bytes, false) == L4Sum::absent);
  }
}

TEST("a UDP sum that becomes zero is sent as 0xffff, whichever port brings it about") {
  for (const int family : {4, 6}) {
    NatLab lab;
    lab.send(udp(family).to(dns_endpoint(family)));
    uint32_t zeros = 0;
    for (uint32_t word = 0; word <= 0xffff; ++word) {
      const Packet before =
          udp(family).to(dns_endpoint(family)).payload({uint8_t(word >> 8), uint8_t(word)}).build();
      const Result result = lab.send(before);
      const size_t at = family == 4 ? 26 : 46;
      const uint16_t check = get16(result.packet.bytes, at);
      zeros += check == 0xffff;
      if (!CHECK(check != 0)) return;
      if (!CHECK(judge_transport(result.packet.bytes, false) == L4Sum::right)) return;
    }
    CHECK_EQ(zeros, 1u);
  }
}

TEST(
    "type of service, ID, flags, options, labels and trailing rubbish: the first four stay, the last one "
    "goes") {
  NatLab lab;
  Handshake::open(lab, 4);
  Handshake::open(lab, 6);
  const PacketBuilder packets[] = {
      to_vip(4, kAck).tos(0xff).ip_id(0xfffe).fragment_field(0x8000),
      to_vip(4, kAck).tos(0x03).fragment_field(0x0000).ip_options({7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
      to_vip(4, kAck | kCwr | kEce).reserved_bits(0x0f).urgent(0xffff).window(0),
      to_vip(4, kAck).tcp_options({1, 19, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}),
      to_vip(4, kAck).payload_bytes(33).trailer(700),
      to_vip(6, kAck).tos(0xff).flow_label(0xabcde),
      to_vip(6, kAck).extension(0, {5, 2, 0, 0}).extension(60).payload_bytes(3),
      to_vip(6, kAck).fragment_header(0).payload_bytes(3),
      to_vip(6, kAck).payload_bytes(33).trailer(700),
  };
  for (const PacketBuilder& builder : packets) {
    const Packet before = builder.build();
    const Result result = lab.send(before);
    CHECK(result.forwarded());
    CHECK(result.packet.bytes == reference_nat(before, {{}, web_server(builder.family(), 0), 1}).bytes);
  }
}

TEST("the hop a packet lost on its way in is given back, but never beyond 255") {
  for (const int family : {4, 6}) {
    NatLab lab;
    Handshake::open(lab, family);
    for (int ttl = 1; ttl < 256; ++ttl) {
      const Result result = lab.send(to_vip(family, kAck).ttl(uint8_t(ttl)));
      if (!CHECK(result.forwarded())) return;
      if (!CHECK_EQ(int(result.packet.bytes[family == 4 ? 8 : 7]), std::min(ttl + 1, 255))) return;
      if (!CHECK_EQ(complaint(result.packet.bytes, false), std::string())) return;
    }
  }
}

TEST("a wrong transport checksum leaves as wrong as it came, never repaired (R6)") {
  for (const int family : {4, 6}) {
    for (const bool is_tcp : {true, false}) {
      NatLab lab;
      const PacketBuilder first = is_tcp ? to_vip(family, kSyn) : udp(family).to(dns_endpoint(family));
      lab.send(first);
      for (int bit = 0; bit < 16; ++bit) {
        Packet before = PacketBuilder(first).payload_bytes(31).build();
        before.bytes.back() ^= uint8_t(1 << bit % 8);
        const Result result = lab.send(before);
        CHECK(result.forwarded());
        CHECK(judge_transport(result.packet.bytes, result.packet.vnet.needs_csum()) == L4Sum::wrong);
        CHECK_EQ(result.packet.vnet.needs_csum(), false);
      }
    }
  }
}

TEST("a superpacket is one packet with its segmentation metadata untouched") {
  for (const int family : {4, 6}) {
    NatLab lab;
    Handshake::open(lab, family);
    const Packet before = to_vip(family, kAck | kPsh).payload_bytes(20000).gso(1428).build();
    const Result result = lab.send(before);
    CHECK(result.forwarded());
    CHECK_EQ(result.packet.vnet.gso_type, before.vnet.gso_type);
    CHECK_EQ(result.packet.vnet.gso_size, before.vnet.gso_size);
    CHECK_EQ(result.packet.vnet.csum_start, before.vnet.csum_start);
    CHECK_EQ(complaint(result.packet.bytes, true), std::string());
    CHECK_EQ(lab.tally.volume(family == 4 ? 0 : 16, flow::Direction::request).packets, uint64_t{3});
    CHECK_EQ(lab.tally.volume(family == 4 ? 0 : 16, flow::Direction::request).bytes,
             uint64_t(2 * (family == 4 ? 40 : 60) + before.bytes.size()));
  }
}

// ---- the reference NAT, millions of times ----

struct Warm {
  int family;
  bool is_tcp;
  Endpoint client, virt, server;
};

Endpoint random_endpoint(Random& random, int family) {
  Endpoint e{{family, {}}, uint16_t(1 + random.below(65535))};
  for (uint8_t& b : e.address.bytes) b = random.one_in(4) ? (random.one_in(2) ? 0xff : 0) : random.byte();
  e.address.bytes[0] = uint8_t(0x20 + random.below(16));  // 32..47.x and 2000::/4: nobody special
  if (family == 4) std::fill(e.address.bytes.begin() + 4, e.address.bytes.end(), uint8_t{0});
  return e;
}

PacketBuilder random_packet(Random& random, const Warm& warm, bool request) {
  PacketBuilder p = warm.is_tcp ? tcp(warm.family) : udp(warm.family);
  p.from(request ? warm.client : warm.server).to(request ? warm.virt : warm.client);
  p.ttl(uint8_t(1 + random.below(255))).tos(random.byte()).ip_id(random.word());
  if (warm.family == 4) {
    p.fragment_field(random.one_in(2) ? 0x4000 : 0);
    if (random.one_in(8)) p.ip_options(Bytes(random.below(11) * 4, 1));
  } else {
    p.flow_label(uint32_t(random.next()));
    if (random.one_in(8)) p.extension(60, Bytes(random.below(40), 0));
    if (random.one_in(16)) p.fragment_header(0, uint32_t(random.next()));
  }
  if (warm.is_tcp) {
    p.flags(random.one_in(2) ? kAck : kAck | kPsh).seq(uint32_t(random.next())).ack(uint32_t(random.next()));
    p.window(random.word()).urgent(random.word());
    if (random.one_in(4)) p.tcp_options(Bytes(random.below(11) * 4, 1));
  }
  const uint32_t dice = random.below(100);
  const bool gso = dice >= 97;
  Bytes payload(gso ? 100 + random.below(900) : random.one_in(8) ? random.below(1500) : random.below(24));
  for (uint8_t& b : payload) b = random.byte();
  p.payload(std::move(payload));
  if (gso)
    p.gso(uint16_t(88 + random.below(200)));
  else if (dice < 50)
    p.checksum(Csum::full);
  else if (dice < 80)
    p.checksum(Csum::partial);
  else if (dice < 90)
    p.checksum(Csum::wrong);
  else if (!warm.is_tcp)
    p.checksum(Csum::absent);
  if (!gso && random.one_in(16)) p.trailer(random.below(30));
  return p;
}

TEST("random packets both ways equal the NAT that computes everything anew, and come back bit by bit") {
  Random random("differential");
  alignas(64) static uint8_t buffer[4096];
  int left = scaled(5'000'000);
  while (left > 0) {
    // Fresh endpoints for every few thousand packets, so that the deltas vary as much as the packets.
    Warm warm{random.one_in(2) ? 4 : 6, random.one_in(2), {}, {}, {}};
    warm.client = random_endpoint(random, warm.family);
    warm.virt = random_endpoint(random, warm.family);
    warm.server = random_endpoint(random, warm.family);
    if (warm.client.address == warm.virt.address || warm.client.address == warm.server.address ||
        warm.virt.address == warm.server.address) {
      continue;
    }
    NatLab lab;
    lab.spec.services = {
        service_spec(0, warm.is_tcp ? kTcp : kUdp, warm.virt, {server_spec(0, warm.server)})};
    lab.publish();
    nat::Core core{*lab.tables, lab.loads.data(), lab.tally, lab.budget, lab.fragments, 0};
    PacketBuilder first = warm.is_tcp ? tcp(warm.family).flags(kSyn) : udp(warm.family);
    if (!CHECK(lab.send(first.from(warm.client).to(warm.virt)).forwarded())) return;

    for (int i = 0; i < 4000 && left > 0; ++i, --left) {
      const bool request = random.one_in(2);
      const Packet before = random_packet(random, warm, request).build();
      Translation translation;
      (request ? translation.destination : translation.source) = request ? warm.server : warm.virt;
      const uint8_t ttl = before.bytes[warm.family == 4 ? 8 : 7];
      translation.ttl_change = ttl == 255 ? 0 : 1;
      const Packet want = reference_nat(before, translation);

      std::memcpy(buffer, before.bytes.data(), before.bytes.size());
      nat::Packet packet{buffer, uint32_t(before.bytes.size()), sizeof buffer, before.vnet};
      const nat::Outcome outcome = nat::step(core, *lab.snapshot, lab.now, packet);
      if (!CHECK(outcome.verdict == nat::Verdict::forward)) return;
      ++lab.rx, ++lab.tx, ++lab.forwarded;  // it went past the lab
      if (!CHECK_EQ(size_t(packet.length), want.bytes.size())) return;
      // A wrong sum may come out under either name of its value; everything else bit by bit.
      Bytes got(buffer, buffer + packet.length);
      const size_t check_at = dissect(want.bytes)->checksum_at();
      const bool wrong = judge_transport(before.bytes, before.vnet.needs_csum()) == L4Sum::wrong;
      if (wrong && same_sum(get16(got, check_at), get16(want.bytes, check_at))) {
        put16(got, check_at, get16(want.bytes, check_at));
      }
      if (!CHECK(got == want.bytes)) return;
      if (i % 16 == 0 && !wrong && !CHECK_EQ(complaint(got, packet.vnet.needs_csum()), std::string())) return;
    }
    lab.check_books();
  }
}

template <class Addr>
void check_there_and_back(Random& random) {
  constexpr int family = Addr::kFamily;
  for (int round = 0; round < scaled(20000); ++round) {
    flow::Flow<Addr> flow{};
    const Endpoint client = random_endpoint(random, family), virt = random_endpoint(random, family);
    const Endpoint real =
        random.one_in(10) ? virt : random_endpoint(random, family);  // a no-op NAT, too (R11)
    flow.client = client.address.as<Addr>();
    flow.virt = virt.address.as<Addr>();
    flow.real = real.address.as<Addr>();
    flow.client_port = wire::be16::from_host(client.port);
    flow.virtual_port = wire::be16::from_host(virt.port);
    flow.real_port = wire::be16::from_host(real.port);
    nat::compute_deltas(flow);
    const bool is_tcp = random.one_in(2);
    const Csum sum = Csum(random.below(is_tcp ? 3 : 4));
    Packet packet = (is_tcp ? tcp(family) : udp(family))
                        .from(client)
                        .to(virt)
                        .ttl(255)
                        .payload_bytes(random.below(9))
                        .checksum(sum)
                        .build();
    const Bytes before = packet.bytes;
    wire::PacketView view;
    if (client.address == virt.address) continue;
    if (!CHECK_EQ(wire::parse(packet.span(), packet.vnet, view), wire::kNoDrop)) return;
    const size_t at = dissect(before)->checksum_at(), ports = dissect(before)->l4;
    // A wrong sum may come back under the other name of its value, 0 or 0xffff; it is as wrong as it was.
    const auto is_as_before = [&] {
      Bytes now = packet.bytes;
      if (sum == Csum::wrong && same_sum(get16(now, at), get16(before, at)))
        put16(now, at, get16(before, at));
      return now == before;
    };
    nat::rewrite_request(view, flow);
    if (real == virt && !CHECK(is_as_before())) return;
    // The same bytes as if they came from where they went: swap the roles by hand, undo with the reverse delta.
    std::swap_ranges(packet.bytes.begin() + (family == 4 ? 12 : 8),
                     packet.bytes.begin() + (family == 4 ? 16 : 24),
                     packet.bytes.begin() + (family == 4 ? 16 : 24));
    std::swap_ranges(packet.bytes.begin() + long(ports), packet.bytes.begin() + long(ports) + 2,
                     packet.bytes.begin() + long(ports) + 2);
    nat::rewrite_reply(view, flow);
    std::swap_ranges(packet.bytes.begin() + (family == 4 ? 12 : 8),
                     packet.bytes.begin() + (family == 4 ? 16 : 24),
                     packet.bytes.begin() + (family == 4 ? 16 : 24));
    std::swap_ranges(packet.bytes.begin() + long(ports), packet.bytes.begin() + long(ports) + 2,
                     packet.bytes.begin() + long(ports) + 2);
    if (!CHECK(is_as_before())) return;
  }
}

TEST("there and back gives the original bytes, and a translation to itself changes none (R11, R12)") {
  Random random("there and back");
  check_there_and_back<wire::Addr4>(random);
  check_there_and_back<wire::Addr6>(random);
}

}  // namespace
}  // namespace vsnat::test
