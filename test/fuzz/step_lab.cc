// SPDX-License-Identifier: Apache-2.0
#include "test/fuzz/step_lab.h"

#include <algorithm>
#include <cstring>

namespace vsnat::test {
namespace {

constexpr size_t kRecordHead = 3 + sizeof(wire::vnet_hdr);

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
      all.push_back(ftp_says(f, false, "", 999, 0).flags(kSyn).build());
      all.push_back(ftp_says(f, true, "", 4999, 1000).flags(kSyn | kAck).build());
      all.push_back(ftp_says(f, false, "", 1000, 5000).flags(kAck).build());
    }
    return all;
  }();
  return packets;
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
    auto& once = add(1, kUdp, 54, 5400);
    once.one_packet = true;
    if (f == 6) once.persistence = {60, prefix, {}, service::Together::sip_call};
    auto& group = add(2, kUdp, 1000, 0);
    group.mark = 7;
    group.persistence = {60, prefix};
    group.listen.push_back({kTcp, ip_address(grouped_endpoint(f, 1001).address), 1001});
    auto& ftp = spec.services.emplace_back(service_spec(f == 4 ? 11u : 15u, kTcp, ftp_endpoint(f),
                                                        {server_spec(f == 4 ? 40u : 56u, ftp_server(f))}));
    ftp.helper = service::Helper::ftp;
  }
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

/** The TCP checksum of a packet that carries a finished one. */
void seal_tcp(Packet& packet) {
  const std::optional<Anatomy> a = dissect(packet.bytes);
  if (!a || a->fragment || a->protocol != 6 || packet.vnet.needs_csum()) return;
  if (a->l4 + 20 > a->length || a->length > packet.bytes.size()) return;
  const size_t length = a->length - a->l4;
  put16(packet.bytes, a->l4 + 16, 0);
  const uint16_t pseudo = reference_pseudo_sum(a->source, a->destination, 6, uint32_t(length));
  put16(packet.bytes, a->l4 + 16, reference_checksum({packet.bytes.data() + a->l4, length}, pseudo));
}

}  // namespace

Endpoint grouped_endpoint(int family, uint16_t port) {
  Endpoint e = virtual_endpoint(family);
  e.address.bytes[family == 4 ? 3 : 15] = uint8_t(e.address.bytes[family == 4 ? 3 : 15] + 2);
  e.port = port;
  return e;
}

Endpoint ftp_endpoint(int family) {
  return grouped_endpoint(family, 21);
}
Endpoint ftp_server(int family) {
  return {web_server(family, 2).address, 2121};
}

PacketBuilder ftp_says(int f, bool server, const std::string& text, uint32_t seq, uint32_t ack) {
  Endpoint client = client_endpoint(f);
  client.port = 2100;
  return tcp(f)
      .from(server ? ftp_server(f) : client)
      .to(server ? client : ftp_endpoint(f))
      .flags(kAck | kPsh)
      .seq(seq)
      .ack(ack)
      .payload(bytes_of(text));
}

std::unique_ptr<NatLab> warm_lab() {
  auto lab = std::make_unique<NatLab>(16);
  add_grouped_services(lab->spec);
  lab->publish();
  for (const Packet& packet : opening()) lab->send(packet);
  return lab;
}

std::optional<Record> next_record(std::span<const uint8_t>& input) {
  if (input.size() <= kRecordHead) return std::nullopt;
  const uint8_t control = input[0];
  const size_t length = std::min<size_t>(get16(input, 1), input.size() - kRecordHead);
  Record record;
  Packet& packet = record.packet;
  std::memcpy(&packet.vnet, input.data() + 3, sizeof packet.vnet);
  packet.bytes.assign(input.begin() + kRecordHead, input.begin() + long(kRecordHead + length));
  input = input.subspan(kRecordHead + length);
  put_right(packet.bytes, control);
  if (control & kSealTcp) seal_tcp(packet);
  constexpr uint64_t kPause[] = {0, 1000, 61'000, 901'000};
  record.pause_ms = kPause[control >> kClockShift & 3];
  record.silences = (control & kSilence) != 0;
  record.expires = (control & kExpire) != 0;
  return record;
}

Bytes seed_of(const std::vector<PacketBuilder>& story) {
  Bytes seed;
  for (const PacketBuilder& builder : story) {
    const Packet packet = builder.build();
    seed.push_back(kSealIp | kSealIcmp | kSealTcp);
    seed.push_back(uint8_t(packet.bytes.size() >> 8));
    seed.push_back(uint8_t(packet.bytes.size()));
    append_header(seed, packet.vnet);
    seed.insert(seed.end(), packet.bytes.begin(), packet.bytes.end());
  }
  return seed;
}

}  // namespace vsnat::test
