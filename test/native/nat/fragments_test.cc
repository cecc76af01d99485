// SPDX-License-Identifier: Apache-2.0
//
// Datagrams in pieces. A whole packet is built, cut the way a router or a sending host cuts it, sent through piece by
// piece, put together again naively, and must be what the reference makes of the whole packet.
#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"
#include "test/native/support/packets.h"
#include "test/native/support/reference.h"

namespace vsnat::test {
namespace {

constexpr uint32_t kId = 0x0000beef;

void put16(Bytes& bytes, size_t at, size_t value) {
  bytes[at] = uint8_t(value >> 8);
  bytes[at + 1] = uint8_t(value);
}

void put_header_checksum(Bytes& packet) {
  put16(packet, 10, 0);
  uint32_t sum = 0;
  for (size_t i = 0; i < 20; i += 2) sum += uint32_t(packet[i] << 8 | packet[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  put16(packet, 10, uint16_t(~sum));
}

/** Pieces of `whole` with `step` payload bytes each (a multiple of eight), in order. */
std::vector<Packet> cut(int family, const Bytes& whole, size_t step, uint32_t id = kId) {
  const size_t header = family == 4 ? 20 : 40;
  const size_t payload = whole.size() - header;
  std::vector<Packet> pieces;
  for (size_t at = 0; at < payload; at += step) {
    const size_t length = std::min(step, payload - at);
    const bool more = at + length < payload;
    Bytes piece(whole.begin(), whole.begin() + ptrdiff_t(header));
    if (family == 4) {
      put16(piece, 2, header + length);
      put16(piece, 4, id & 0xffff);
      put16(piece, 6, (more ? 0x2000 : 0) | at / 8);
    } else {
      put16(piece, 4, 8 + length);
      const uint8_t next = piece[6];
      piece[6] = 44;
      piece.insert(piece.end(), {next, 0, uint8_t(at >> 8), uint8_t((at & 0xf8) | (more ? 1 : 0)),
                                 uint8_t(id >> 24), uint8_t(id >> 16), uint8_t(id >> 8), uint8_t(id)});
    }
    piece.insert(piece.end(), whole.begin() + ptrdiff_t(header + at),
                 whole.begin() + ptrdiff_t(header + at + length));
    if (family == 4) put_header_checksum(piece);
    Packet packet;
    packet.bytes = piece;
    pieces.push_back(packet);
  }
  return pieces;
}

/** The reverse of cut(): headers of the first piece, payloads in order. */
Bytes join(int family, const std::vector<Bytes>& pieces) {
  const size_t header = family == 4 ? 20 : 40, skip = family == 4 ? 0 : 8;
  Bytes whole(pieces[0].begin(), pieces[0].begin() + ptrdiff_t(header));
  for (const Bytes& piece : pieces)
    whole.insert(whole.end(), piece.begin() + ptrdiff_t(header + skip), piece.end());
  if (family == 4) {
    put16(whole, 2, whole.size());
    put16(whole, 6, 0);
    put_header_checksum(whole);
  } else {
    whole[6] = pieces[0][40];
    put16(whole, 4, whole.size() - header);
  }
  return whole;
}

PacketBuilder datagram(int family, Endpoint from, Endpoint to, size_t bytes) {
  PacketBuilder p = udp(family).from(from).to(to).payload_bytes(bytes);
  return family == 4 ? p.ip_id(uint16_t(kId)).fragment_field(0) : p;
}

struct Through {
  NatLab lab;
  int server = -1;

  explicit Through(int family) {
    // One datagram first, so that both directions know the flow.
    const Result first = lab.send(datagram(family, client_endpoint(family), dns_endpoint(family), 8).build());
    CHECK(first.forwarded());
    for (int n = 0; n < 3; ++n) {
      if (endpoint_of(first.packet, true).address == dns_server(family, n).address) server = n;
    }
    CHECK(server >= 0);
  }

  /** Sends pieces and returns what left; a piece that did not leave is empty. */
  std::vector<Bytes> send(const std::vector<Packet>& pieces) {
    std::vector<Bytes> out;
    for (const Packet& piece : pieces) {
      const Result result = lab.send(piece);
      out.push_back(result.forwarded() || result.passed() ? result.packet.bytes : Bytes{});
    }
    return out;
  }
};

TEST("a datagram in pieces is translated as the whole would be, at every length and cut, both ways") {
  for (const int family : {4, 6}) {
    for (const size_t bytes : {25u, 64u, 1473u, 3001u, 8192u}) {
      for (const size_t step : {8u, 16u, 512u, 1480u}) {
        ROW("IPv" + std::to_string(family) + ", " + std::to_string(bytes) + " bytes by " +
            std::to_string(step));
        Through t(family);
        const Endpoint client = client_endpoint(family), vip = dns_endpoint(family);
        const Endpoint server = dns_server(family, t.server);
        const Packet request = datagram(family, client, vip, bytes).build();
        CHECK(join(family, t.send(cut(family, request.bytes, step))) ==
              reference_nat(request, {{}, server, 1}).bytes);
        const Packet reply = datagram(family, server, client, bytes).build();
        CHECK(join(family, t.send(cut(family, reply.bytes, step))) ==
              reference_nat(reply, {vip, {}, 1}).bytes);
        t.lab.check_books();
      }
    }
  }
}

TEST("no piece of ours leaves before its first was seen, and none with the server's address") {
  for (const int family : {4, 6}) {
    ROW("IPv" + std::to_string(family));
    Through t(family);
    const Endpoint client = client_endpoint(family), vip = dns_endpoint(family);
    auto to_vip = cut(family, datagram(family, client, vip, 3000).build().bytes, 1480);
    auto from_server =
        cut(family, datagram(family, dns_server(family, t.server), client, 3000).build().bytes, 1480);
    for (const auto* pieces : {&to_vip, &from_server}) {
      for (size_t i = 1; i < pieces->size(); ++i) {
        const Result early = t.lab.send((*pieces)[i]);
        CHECK(early.outcome.reason == DropReason::fragment);
        CHECK(!early.answered());
      }
      CHECK(t.lab.send((*pieces)[0]).forwarded());
      CHECK(t.lab.send((*pieces)[1]).forwarded());
    }
  }
}

TEST("pieces of somebody else's datagrams pass, a real server's own among them") {
  for (const int family : {4, 6}) {
    ROW("IPv" + std::to_string(family));
    Through t(family);
    const Endpoint outside{family == 4 ? ip4(203, 0, 113, 5) : ip6({0x2001, 0xdb8, 5, 0, 0, 0, 0, 5}), 443};
    const Endpoint elsewhere{family == 4 ? ip4(203, 0, 113, 9) : ip6({0x2001, 0xdb8, 5, 0, 0, 0, 0, 9}), 443};
    const auto own = cut(family, datagram(family, dns_server(family, 0), outside, 3000).build().bytes, 1480);
    for (const Packet& piece : own) CHECK(t.lab.send(piece).passed());
    const auto strange = cut(family, datagram(family, elsewhere, outside, 3000).build().bytes, 1480);
    for (size_t i = strange.size(); i-- > 0;) CHECK(t.lab.send(strange[i]).passed());  // in any order
  }
}

TEST("the fate of a datagram is forgotten after thirty seconds") {
  for (const int family : {4, 6}) {
    Through t(family);
    const auto pieces =
        cut(family, datagram(family, client_endpoint(family), dns_endpoint(family), 3000).build().bytes,
            1000 / 8 * 8);
    CHECK(t.lab.send(pieces[0]).forwarded());
    t.lab.now.ms += 29'000;
    CHECK(t.lab.send(pieces[1]).forwarded());
    t.lab.now.ms += 2'000;
    CHECK(t.lab.send(pieces[2]).outcome.reason == DropReason::fragment);
  }
}

TEST("a flood of first pieces costs other datagrams their memory at worst, and no packet its translation") {
  Through t(4);
  const auto mine = cut(4, datagram(4, client_endpoint(4), dns_endpoint(4), 3000).build().bytes, 1480, 7);
  for (uint32_t id = 100; id < 100'000; ++id) {
    t.lab.send(cut(4, datagram(4, client_endpoint(4), dns_endpoint(4), 64).build().bytes, 32, id)[0]);
  }
  CHECK(t.lab.send(mine[0]).forwarded());
  CHECK(t.lab.send(mine[1]).forwarded());
  t.lab.check_books();
}

TEST("a later TCP piece that would overwrite the header of the first is dropped (RFC 3128)") {
  for (const int family : {4, 6}) {
    NatLab lab;
    const Packet syn = tcp(family).flags(kSyn).fragment_field(0).payload_bytes(400).build();
    const auto pieces = cut(family, syn.bytes, 24);
    CHECK(lab.send(pieces[0]).forwarded());
    CHECK(lab.send(pieces[1]).forwarded());
    auto overlapping = cut(family, syn.bytes, 8)[1];
    CHECK(lab.send(overlapping).outcome.reason == DropReason::fragment);
  }
}

}  // namespace
}  // namespace vsnat::test
