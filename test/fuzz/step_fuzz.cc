// SPDX-License-Identifier: Apache-2.0
//
// A few packets through a director that already has connections. Rules, besides those NatLab checks for every packet
// (what leaves parses again, every packet is counted once, the loads are the flows):
//
//   forwarded, TCP or UDP   equals the NAT that computes everything anew; a checksum that was right is right, one that
//                           was wrong is wrong, an absent one is absent, a pending one is pending
//   forwarded, ICMP         was right and is right, quote included unless the quote was wrong before
//   passed                  not a bit changed but the hop and the header checksum
//   held, then released     the piece it was, under the rules above
//   answered                every checksum right, nothing left for a device to complete, no larger than it may be
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "test/fuzz/targets.h"
#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"

namespace vsnat::test {
namespace {

constexpr size_t kRecordHead = 3 + sizeof(wire::vnet_hdr);
constexpr int kPacketsPerInput = 12;

/** The pieces of a datagram of UDP, the first last. */
std::vector<PacketBuilder> pieces_out_of_order(int f) {
  const auto piece = [f](uint16_t units, bool more) {
    PacketBuilder p = udp(f).to(dns_endpoint(f)).payload_bytes(64);
    return f == 4 ? p.fragment_field(uint16_t((more ? 0x2000 : 0) | units))
                  : p.fragment_header(uint16_t(units << 3 | (more ? 1 : 0)));
  };
  return {piece(18, false), piece(9, true), piece(0, true)};
}

/** The packets that open one TCP and one UDP flow per family, made once: an input's cost is mostly its director's. */
const std::vector<Packet>& opening() {
  static const std::vector<Packet> packets = [] {
    constexpr uint32_t c = Handshake::kClientNext, s = Handshake::kServerNext;
    std::vector<Packet> all;
    for (const int f : {4, 6}) {
      all.push_back(tcp(f).flags(kSyn).seq(c - 1).build());
      all.push_back(from_server(f, kSyn | kAck).seq(s - 1).ack(c).build());
      all.push_back(tcp(f).flags(kAck).seq(c).ack(s).build());
      all.push_back(udp(f).to(dns_endpoint(f)).build());
      all.push_back(udp(f).from(dns_server(f, 0)).to(client_endpoint(f)).build());
      all.push_back(sctp(f).to(sctp_endpoint(f)).chunk(1, Bytes(16)).build());
      all.push_back(sctp(f).from(sctp_server(f, 0)).to(client_endpoint(f)).chunk(2, Bytes(16)).build());
    }
    return all;
  }();
  return packets;
}

/** 192.0.2.12 and 2001:db8::82: every TCP port, a UDP port of one packet each, and two ports of a mark. */
Endpoint grouped_endpoint(int family, uint16_t port) {
  Endpoint e = virtual_endpoint(family);
  e.address.bytes[family == 4 ? 3 : 15] = uint8_t(e.address.bytes[family == 4 ? 3 : 15] + 2);
  e.port = port;
  return e;
}

/** Beside the lab's own: services whose connections have a memory, or none. */
void add_grouped_services(service::SnapshotSpec& spec) {
  for (const int f : {4, 6}) {
    const uint32_t slot = f == 4 ? 8 : 12, server = f == 4 ? 32 : 48;
    const auto prefix = uint8_t(f == 4 ? 24 : 64);
    const auto add = [&](uint32_t n, uint8_t protocol, uint16_t port, uint16_t server_port) -> auto& {
      spec.services.push_back(
          service_spec(slot + n, protocol, grouped_endpoint(f, port),
                       {server_spec(server + 2 * n, {web_server(f, 0).address, server_port}),
                        server_spec(server + 2 * n + 1, {web_server(f, 1).address, server_port})}));
      return spec.services.back();
    };
    add(0, kTcp, 0, 0).persistence = {60, prefix};
    add(1, kUdp, 54, 5400).one_packet = true;
    auto& group = add(2, kUdp, 1000, 0);
    group.mark = 7;
    group.persistence = {60, prefix};
    group.listen.push_back({kTcp, ip_address(grouped_endpoint(f, 1001).address), 1001});
  }
}

std::unique_ptr<NatLab> warm_lab() {
  auto lab = std::make_unique<NatLab>(16);
  add_grouped_services(lab->spec);
  lab->publish();
  for (const Packet& packet : opening()) lab->send(packet);
  return lab;
}

void put_right(Bytes& bytes, uint8_t control) {
  if (bytes.size() < 20) return;
  const bool v4 = bytes[0] >> 4 == 4;
  if (control & kFixLength) {
    if (v4)
      put16(bytes, 2, uint16_t(std::min<size_t>(bytes.size(), 65535)));
    else if (bytes.size() > 40)
      put16(bytes, 4, uint16_t(std::min<size_t>(bytes.size() - 40, 65535)));
  }
  if (control & kSealIp && v4) reseal(bytes);
  const std::optional<Anatomy> a = dissect(bytes);
  if (control & kSealIcmp && a && a->is_icmp() && a->l4 + 8 <= a->length && a->length <= bytes.size()) {
    const size_t length = a->length - a->l4;
    put16(bytes, a->l4 + 2, 0);
    const uint16_t pseudo = v4 ? 0 : reference_pseudo_sum(a->source, a->destination, 58, uint32_t(length));
    put16(bytes, a->l4 + 2, reference_checksum({bytes.data() + a->l4, length}, pseudo));
  }
}

bool equal_but_for_the_name_of_zero(const Bytes& got, const Bytes& want, size_t check_at) {
  if (got.size() != want.size()) return false;
  Bytes same_name = got;
  if (check_at + 2 <= got.size() && same_sum(get16(got, check_at), get16(want, check_at))) {
    put16(same_name, check_at, get16(want, check_at));
  }
  return same_name == want;
}

/**
 * A piece of a datagram: nothing may change but addresses and hop and, in the first piece, ports and checksum; and
 * what the first piece contributes to the datagram's sum stays what it was, right or wrong.
 */
void check_forwarded_fragment(const Packet& before, const Packet& after, const Anatomy& was,
                              const Anatomy& is) {
  Bytes want(before.bytes.begin(), before.bytes.begin() + long(was.length)), got = after.bytes;
  if (!CHECK_EQ(got.size(), want.size())) return;
  if (!was.later_fragment) {
    const size_t check_at = was.checksum_at();
    if (was.protocol == 17 && get16(want, check_at) == 0) {
      CHECK_EQ(get16(got, check_at), uint16_t{0});
    } else {
      const auto sum = [](const Bytes& bytes, const Anatomy& a) {
        const uint16_t pseudo = reference_pseudo_sum(a.source, a.destination, a.protocol, 0);
        return reference_sum(std::span(bytes).subspan(a.l4), pseudo);
      };
      CHECK(same_sum(sum(want, was), sum(got, is)));
    }
    for (const size_t at : {was.l4, was.l4 + 2, check_at}) {
      put16(got, at, 0);
      put16(want, at, 0);
    }
  }
  for (Bytes* bytes : {&got, &want}) {
    const bool v4 = was.family == 4;
    if (v4) put16(*bytes, 10, 0);
    (*bytes)[v4 ? 8 : 7] = 0;
    for (size_t i = v4 ? 12 : 8; i < (v4 ? 20u : 40u); ++i) (*bytes)[i] = 0;
  }
  CHECK(got == want);
}

void check_forwarded(const Packet& before, const Result& result) {
  const Packet& after = result.packet;
  const Anatomy was = *dissect(before.bytes), is = *dissect(after.bytes);
  CHECK(ip_checksum_right(after.bytes));
  if (was.is_icmp()) {
    CHECK(judge_transport(before.bytes, false) == L4Sum::right);
    CHECK(judge_transport(after.bytes, false) == L4Sum::right);
    const std::span<const uint8_t> whole{before.bytes.data(), was.length};
    CHECK_EQ(complaint(after.bytes, false), complaint(whole, false));
    return;
  }
  if (was.fragment) return check_forwarded_fragment(before, after, was, is);
  const bool pending = before.vnet.needs_csum();
  if (was.is_sctp() && pending) {  // finished here, because nobody behind a TUN would
    CHECK(!after.vnet.needs_csum());
    CHECK(judge_transport(after.bytes, false) == L4Sum::right);
    return;
  }
  CHECK_EQ(after.vnet.needs_csum(), pending);
  CHECK(judge_transport(before.bytes, pending) == judge_transport(after.bytes, pending));
  const uint8_t ttl = before.bytes[was.family == 4 ? 8 : 7];
  const Translation translation{endpoint_of(after, false), endpoint_of(after, true), ttl == 255 ? 0 : 1};
  CHECK(equal_but_for_the_name_of_zero(after.bytes, reference_nat(before, translation).bytes,
                                       is.checksum_at()));
}

void check_passed(const Packet& before, const Result& result) {
  const Anatomy a = *dissect(before.bytes);
  Bytes want(before.bytes.begin(), before.bytes.begin() + long(a.length));
  uint8_t& ttl = want[a.family == 4 ? 8 : 7];
  if (ttl != 255) ++ttl;
  Bytes got = result.packet.bytes;
  if (a.is_sctp() && before.vnet.needs_csum()) {
    CHECK(judge_transport(got, false) == L4Sum::right);
    for (size_t i = 0; i < 4; ++i) want[a.checksum_at() + i] = got[a.checksum_at() + i];
  }
  if (a.family == 4) {
    CHECK(ip_checksum_right(got));
    put16(want, 10, get16(got, 10));
  }
  CHECK(got == want);
}

void check_answered(const Packet& before, const Result& result) {
  const Packet& after = result.packet;
  const std::string wrong = complaint(after.bytes, false);
  // A quote is quoted as it came: with the checksum a device was still to complete, or with one that was wrong.
  CHECK(wrong.empty() || wrong == "wrong transport checksum in the quote");
  CHECK_EQ(int(after.vnet.flags), 0);
  CHECK(after.bytes.size() <= before.bytes.size() + nat::kAnswerHeadroom);
}

void check(const Packet& before, const Result& result) {
  if (result.forwarded()) check_forwarded(before, result);
  if (result.passed()) check_passed(before, result);
  if (result.answered()) check_answered(before, result);
}

/** Is this what became of that held piece? The number, the place in the datagram and the bytes are not translated. */
bool is_of(const Packet& held, const Packet& after) {
  const Anatomy was = *dissect(held.bytes);
  if (after.bytes.size() != was.length || after.bytes[0] != held.bytes[0]) return false;
  const auto same = [&](size_t from, size_t to) {
    return std::equal(held.bytes.begin() + long(from), held.bytes.begin() + long(to),
                      after.bytes.begin() + long(from));
  };
  return was.family == 4 ? same(0, 8) && same(20, was.length) : same(0, 7) && same(40, was.length);
}

}  // namespace

void fuzz_step(std::span<const uint8_t> input) {
  const std::unique_ptr<NatLab> lab = warm_lab();
  std::vector<Packet> held;
  for (int i = 0; i < kPacketsPerInput && input.size() > kRecordHead; ++i) {
    const uint8_t control = input[0];
    const size_t length = std::min<size_t>(get16(input, 1), input.size() - kRecordHead);
    Packet packet;
    std::memcpy(&packet.vnet, input.data() + 3, sizeof packet.vnet);
    packet.bytes.assign(input.begin() + kRecordHead, input.begin() + long(kRecordHead + length));
    input = input.subspan(kRecordHead + length);

    constexpr uint64_t kPause[] = {0, 1000, 61'000, 901'000};
    lab->now.ms += kPause[control >> kClockShift & 3];
    put_right(packet.bytes, control);
    const Result result = lab->send(packet);
    check(packet, result);
    if (result.held()) held.push_back(packet);
    for (const Result& piece : result.released) {
      if (!piece.forwarded() && !piece.passed()) continue;
      const auto of =
          std::find_if(held.begin(), held.end(), [&](const Packet& one) { return is_of(one, piece.packet); });
      if (CHECK(of != held.end())) check(*of, piece);
    }
    if (control & 0x80) lab->expire();
  }
}

std::vector<Bytes> step_seeds() {
  std::vector<Bytes> seeds;
  for (const int f : {4, 6}) {
    const auto error = [&](const PacketBuilder& quoted) {
      return icmp(f).icmp(f == 4 ? 3 : 1, f == 4 ? 3 : 4, 0).payload(quoted.bytes());
    };
    const PacketBuilder from_client = tcp(f).seq(1001).ack(5001),
                        from_real = from_server(f, kAck).seq(5001).ack(1001);
    const std::vector<std::vector<PacketBuilder>> stories = {
        {PacketBuilder(from_client).payload_bytes(20), PacketBuilder(from_real).payload_bytes(40)},
        {tcp(f).source_port(7).flags(kSyn),
         from_server(f, kSyn | kAck, 1).destination_port(7).ack(0x11223345)},
        {PacketBuilder(from_client).flags(kFin | kAck), PacketBuilder(from_real).flags(kFin | kAck),
         tcp(f).flags(kSyn)},
        {PacketBuilder(from_client).flags(kRst), tcp(f).flags(kSyn)},
        {PacketBuilder(from_client).payload_bytes(700).gso(300),
         PacketBuilder(from_real).checksum(Csum::partial)},
        {udp(f).to(dns_endpoint(f)).payload_bytes(9),
         udp(f).from(dns_server(f, 0)).to(client_endpoint(f)).checksum(Csum::absent)},
        {icmp(f).payload_bytes(13), icmp(f).icmp(5, 0)},
        {error(tcp(f).from(virtual_endpoint(f)).to(client_endpoint(f))),
         error(tcp(f).to(web_server(f, 0))).from(web_server(f, 0)).to(client_endpoint(f))},
        {sctp(f).to(sctp_endpoint(f)).chunk(10, Bytes(9)).chunk(6),
         sctp(f).from(sctp_server(f, 0)).to(client_endpoint(f)).payload_bytes(40)},
        {sctp(f).to(sctp_endpoint(f)).source_port(9).payload_bytes(4),
         sctp(f).to(sctp_endpoint(f)).checksum(Csum::partial)},
        pieces_out_of_order(f),
        {udp(f).destination_port(99).payload_bytes(50), tcp(f).destination_port(99).flags(kSyn),
         protocol(f, 47)},
        {tcp(f).to(grouped_endpoint(f, 99)).flags(kSyn), tcp(f).to(grouped_endpoint(f, 1001)).flags(kSyn),
         tcp(f).from({web_server(f, 0).address, 99}).to(client_endpoint(f)).flags(kSyn | kAck)},
        {udp(f).to(grouped_endpoint(f, 54)), udp(f).to(grouped_endpoint(f, 1000)),
         udp(f).from({web_server(f, 0).address, 5400}).to(client_endpoint(f)).payload_bytes(5)},
        {tcp(f).to(other_virtual_endpoint(f)).flags(kSyn),
         tcp(f).from(other_virtual_endpoint(f)).flags(kSyn)},
    };
    for (const auto& story : stories) {
      Bytes seed;
      for (const PacketBuilder& builder : story) {
        const Packet packet = builder.build();
        seed.push_back(kSealIp | kSealIcmp);
        seed.push_back(uint8_t(packet.bytes.size() >> 8));
        seed.push_back(uint8_t(packet.bytes.size()));
        append_header(seed, packet.vnet);
        seed.insert(seed.end(), packet.bytes.begin(), packet.bytes.end());
      }
      seeds.push_back(std::move(seed));
    }
  }
  return seeds;
}

}  // namespace vsnat::test
