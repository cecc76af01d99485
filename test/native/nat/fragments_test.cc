// SPDX-License-Identifier: Apache-2.0
//
// Datagrams in pieces. A whole packet is built, cut the way a router or a sending host cuts it, sent through piece by
// piece, put together again naively, and must be what the reference makes of the whole packet.
#include <algorithm>
#include <map>

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

/** Sends pieces in the given order; returns what left for each, by its place among the pieces. */
std::vector<Bytes> send_in_order(Through& t, const std::vector<Packet>& pieces,
                                 const std::vector<size_t>& order) {
  std::vector<Bytes> out(pieces.size());
  std::vector<size_t> waiting;
  for (const size_t i : order) {
    const Result result = t.lab.send(pieces[i]);
    if (result.held()) {
      waiting.push_back(i);
      continue;
    }
    if (result.forwarded() || result.passed()) out[i] = result.packet.bytes;
    // Released in the order they came, right behind the one they waited for.
    size_t n = 0;
    for (const Result& piece : result.released) {
      if (!CHECK(n < waiting.size())) break;
      out[waiting[n++]] = piece.packet.bytes;
    }
    waiting.erase(waiting.begin(), waiting.begin() + long(n));
  }
  CHECK(waiting.empty());
  return out;
}

TEST("a datagram is translated as the whole would be in whatever order its pieces come, both ways") {
  Random random(
      "a datagram is translated as the whole would be in whatever order its pieces come, both ways");
  for (const int family : {4, 6}) {
    Through t(family);
    const Endpoint client = client_endpoint(family), vip = dns_endpoint(family);
    const Endpoint server = dns_server(family, t.server);
    for (int round = 0; round < scaled(300); ++round) {
      const size_t bytes = random.between(17, 9000);
      const size_t step = random.between(1, 180) * 8;
      if (bytes / step > 60) continue;  // more than one source may have waiting
      const bool up = random.one_in(2);
      ROW("IPv" + std::to_string(family) + ", " + std::to_string(bytes) + " bytes by " +
          std::to_string(step));
      const Packet whole =
          up ? datagram(family, client, vip, bytes).build() : datagram(family, server, client, bytes).build();
      const auto pieces = cut(family, whole.bytes, step);
      if (pieces.size() < 2) continue;
      std::vector<size_t> order(pieces.size());
      for (size_t i = 0; i < order.size(); ++i) order[i] = i;
      for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(uint32_t(i))]);
      const Translation translation = up ? Translation{{}, server, 1} : Translation{vip, {}, 1};
      CHECK(join(family, send_in_order(t, pieces, order)) == reference_nat(whole, translation).bytes);
      t.lab.check_books();
    }
  }
}

TEST("no piece of ours leaves before its first was seen, and those of a first that is refused never do") {
  for (const int family : {4, 6}) {
    ROW("IPv" + std::to_string(family));
    Through t(family);
    const Endpoint nobodys{dns_endpoint(family).address, 99};
    const auto pieces =
        cut(family, datagram(family, client_endpoint(family), nobodys, 4000).build().bytes, 1480);
    CHECK(t.lab.send(pieces[1]).held());
    const Result first = t.lab.send(pieces[0]);
    CHECK_EQ(first.outcome.reason, DropReason::no_service);
    if (!CHECK_EQ(first.released.size(), size_t{1})) continue;
    CHECK_EQ(first.released[0].outcome.reason, DropReason::fragment);
    CHECK_EQ(t.lab.send(pieces[2]).outcome.reason, DropReason::fragment);
    t.lab.check_books();
  }
}

TEST("a piece whose first never comes is given up after two seconds, also when the first comes after that") {
  for (const int family : {4, 6}) {
    Through t(family);
    const auto pieces = cut(
        family, datagram(family, client_endpoint(family), dns_endpoint(family), 4000).build().bytes, 1480);
    CHECK(t.lab.send(pieces[1]).held());
    t.lab.now.ms += 1'900;
    t.lab.expire();
    CHECK_EQ(t.lab.fragments.waiting(), 1u);
    CHECK(t.lab.send(pieces[2]).held());
    t.lab.now.ms += 400;
    const Result late = t.lab.send(pieces[0]);  // before anybody swept
    CHECK(late.forwarded());
    if (!CHECK_EQ(late.released.size(), size_t{2})) continue;
    CHECK_EQ(late.released[0].outcome.reason, DropReason::fragment_timeout);
    CHECK(late.released[1].outcome.verdict == nat::Verdict::forward);
    const auto other = cut(
        family, datagram(family, client_endpoint(family), dns_endpoint(family), 4000).build().bytes, 1480, 9);
    CHECK(t.lab.send(other[1]).held());
    t.lab.now.ms += 2'400;
    t.lab.expire();
    CHECK_EQ(t.lab.fragments.waiting(), 0u);
    CHECK_EQ(t.lab.dropped[size_t(DropReason::fragment_timeout)], uint64_t{2});
  }
}

TEST("a piece that repeats is dropped, one that overlaps in part ends the datagram (RFC 5722)") {
  for (const int family : {4, 6}) {
    for (const bool early : {false, true}) {
      ROW("IPv" + std::to_string(family) + (early ? ", before the first" : ""));
      Through t(family);
      const Bytes whole = datagram(family, client_endpoint(family), dns_endpoint(family), 4000).build().bytes;
      const auto pieces = cut(family, whole, 1480), other_cut = cut(family, whole, 1000);
      if (early) {
        CHECK(t.lab.send(pieces[1]).held());
        CHECK(t.lab.send(pieces[1]).held());
        CHECK(t.lab.send(other_cut[2]).held());
        const Result first = t.lab.send(pieces[0]);
        CHECK(first.forwarded());
        if (!CHECK_EQ(first.released.size(), size_t{3})) continue;
        CHECK(first.released[0].forwarded());
        CHECK_EQ(first.released[1].outcome.reason, DropReason::fragment_overlap);
        CHECK_EQ(first.released[2].outcome.reason, DropReason::fragment_overlap);
      } else {
        CHECK(t.lab.send(pieces[0]).forwarded());
        CHECK_EQ(t.lab.send(pieces[0]).outcome.reason, DropReason::fragment_overlap);
        CHECK(t.lab.send(pieces[1]).forwarded());
        CHECK_EQ(t.lab.send(pieces[1]).outcome.reason, DropReason::fragment_overlap);
        CHECK_EQ(t.lab.send(other_cut[2]).outcome.reason, DropReason::fragment_overlap);
      }
      CHECK_EQ(t.lab.send(pieces[2]).outcome.reason, DropReason::fragment);
    }
  }
}

TEST(
    "pieces that cannot be of any datagram are dropped: no bytes, a hole for ever, beyond 65,535 or the "
    "end") {
  for (const int family : {4, 6}) {
    const size_t frag = family == 4 ? 6 : 42;
    const auto with_offset = [&](Packet piece, size_t units, bool more) {
      put16(piece.bytes, frag, family == 4 ? (more ? 0x2000 : 0) | units : units << 3 | size_t(more));
      if (family == 4) put_header_checksum(piece.bytes);
      return piece;
    };
    const Bytes whole = datagram(family, client_endpoint(family), dns_endpoint(family), 4003).build().bytes;
    const auto pieces = cut(family, whole, 1480);
    {
      Through t(family);
      CHECK(t.lab.send(pieces[0]).forwarded());
      CHECK_EQ(t.lab.send(with_offset(pieces[2], 2 * 185, true)).outcome.reason, DropReason::fragment);
      CHECK_EQ(t.lab.send(with_offset(pieces[1], 8100, false)).outcome.reason, DropReason::fragment);
      CHECK(t.lab.send(pieces[1]).forwarded());
      CHECK(t.lab.send(pieces[2]).forwarded());
    }
    {
      ROW("IPv" + std::to_string(family) + ": more behind the last");
      Through t(family);
      CHECK(t.lab.send(pieces[0]).forwarded());
      CHECK(t.lab.send(pieces[2]).forwarded());
      CHECK_EQ(t.lab.send(with_offset(pieces[1], 600, true)).outcome.reason, DropReason::fragment_overlap);
      CHECK_EQ(t.lab.send(pieces[1]).outcome.reason, DropReason::fragment);
    }
    {
      ROW("IPv" + std::to_string(family) + ": an end before what was seen");
      Through t(family);
      CHECK(t.lab.send(pieces[0]).forwarded());
      CHECK(t.lab.send(with_offset(pieces[1], 600, true)).forwarded());
      CHECK_EQ(t.lab.send(pieces[2]).outcome.reason, DropReason::fragment_overlap);
    }
  }
}

TEST("one source may have 64 pieces waiting, and what it sends beyond that is refused") {
  Through t(4);
  int held = 0, refused = 0;
  for (uint32_t id = 0; id < 100; ++id) {
    const auto pieces =
        cut(4, datagram(4, client_endpoint(4), dns_endpoint(4), 64).build().bytes, 32, 1000 + id);
    const Result result = t.lab.send(pieces[1]);
    held += result.held();
    refused += result.outcome.reason == DropReason::fragment_full;
  }
  CHECK_EQ(held, 64);
  CHECK_EQ(refused, 36);
}

TEST("a number is used again once its datagram is complete, or two seconds later") {
  for (const int family : {4, 6}) {
    Through t(family);
    const auto pieces = cut(
        family, datagram(family, client_endpoint(family), dns_endpoint(family), 3000).build().bytes, 1480);
    for (int lap = 0; lap < 5; ++lap) {
      for (const Packet& piece : pieces) CHECK(t.lab.send(piece).forwarded());
    }
    CHECK(t.lab.send(pieces[0]).forwarded());  // and the rest is lost
    t.lab.now.ms += 2'500;
    for (const Packet& piece : pieces) CHECK(t.lab.send(piece).forwarded());
  }
}

/** Where in its datagram a piece begins. */
size_t place_of(int family, const Bytes& piece) {
  return family == 4 ? size_t(get16(piece, 6) & 0x1fff) * 8 : get16(piece, 42) & 0xfff8u;
}

/** Sends the pieces; returns those that left, in the order of their places. */
std::vector<Bytes> send_all(NatLab& lab, int family, const std::vector<Packet>& pieces,
                            nat::Verdict wanted = nat::Verdict::forward) {
  std::map<size_t, Bytes> left;
  const auto note = [&](const Result& result) {
    if (result.held()) return;
    CHECK(result.outcome.verdict == wanted);
    if (result.packet.bytes.empty()) return;
    CHECK(left.emplace(place_of(family, result.packet.bytes), result.packet.bytes).second);
  };
  for (const Packet& piece : pieces) {
    const Result result = lab.send(piece);
    note(result);
    for (const Result& one : result.released) note(one);
  }
  std::vector<Bytes> out;
  for (const auto& [place, bytes] : left) out.push_back(bytes);
  return out;
}

TEST("an SCTP packet in pieces is translated as the whole would be, in every order, both ways") {
  for (const int family : {4, 6}) {
    for (const bool same_port : {true, false}) {
      for (const Csum kind : {Csum::full, Csum::wrong}) {
        for (const size_t bytes : {2000u, 2961u, 3001u, 60000u}) {
          std::vector<size_t> order = {0, 1, 2};
          do {
            NatLab lab;
            Endpoint server = sctp_server(family, 0);
            if (same_port) {
              for (auto& service : lab.spec.services) {
                if (service.listen[0].port != 2905) continue;
                for (auto& one : service.servers) one.port = 2905;
              }
              lab.publish();
              server.port = 2905;
            }
            ROW("IPv" + std::to_string(family) + ", " + std::to_string(bytes) + " bytes, " +
                std::to_string(order[0]) + std::to_string(order[1]) + std::to_string(order[2]));
            const auto through = [&](PacketBuilder p, const Translation& translation) {
              if (family == 4) p.ip_id(uint16_t(kId)).fragment_field(0);
              const Packet whole = p.payload_bytes(bytes).checksum(kind).build();
              const auto pieces = cut(family, whole.bytes, bytes > 9000 ? 24000 : 1480);
              std::vector<Packet> sent;
              for (const size_t n : order) {
                if (n < pieces.size()) sent.push_back(pieces[n]);
              }
              const auto left = send_all(lab, family, sent);
              if (!CHECK_EQ(left.size(), pieces.size())) return;
              CHECK(join(family, left) == reference_nat(whole, translation).bytes);
              CHECK_EQ(lab.fragments.waiting(), 0u);
            };
            CHECK(lab.send(sctp(family).to(sctp_endpoint(family)).chunk(1, Bytes(16))).forwarded());
            through(sctp(family).to(sctp_endpoint(family)), {{}, server, 1});
            through(sctp(family).from(server).to(client_endpoint(family)), {sctp_endpoint(family), {}, 1});
          } while (std::next_permutation(order.begin(), order.end()));
        }
      }
    }
  }
}

TEST("an INIT in pieces opens one association, when its last piece is there") {
  NatLab lab;
  const Packet whole =
      sctp(4).to(sctp_endpoint(4)).ip_id(uint16_t(kId)).fragment_field(0).chunk(1, Bytes(3000)).build();
  const auto pieces = cut(4, whole.bytes, 1480);
  CHECK(lab.send(pieces[0]).held());
  CHECK_EQ(lab.flows(), uint64_t{0});
  CHECK(lab.send(pieces[1]).held());
  const Result last = lab.send(pieces[2]);
  CHECK(last.held());
  if (!CHECK_EQ(last.released.size(), size_t{3})) return;
  for (const Result& piece : last.released) CHECK(piece.forwarded());
  CHECK_EQ(lab.flows(), uint64_t{1});
  CHECK_EQ(lab.tally.connections(12).read(), uint64_t{1});
  CHECK_EQ(lab.state(4, kSctp), std::string("INIT1"));
}

TEST("a held first piece that is refused has room for what is said about it") {
  for (const int family : {4, 6}) {
    NatLab lab;
    const Endpoint nobodys{sctp_endpoint(family).address, 99};
    PacketBuilder p = sctp(family).to(nobodys).payload_bytes(500);
    if (family == 4) p.ip_id(uint16_t(kId)).fragment_field(0);
    const auto pieces = cut(family, p.build().bytes, 104);
    for (size_t i = 0; i + 1 < pieces.size(); ++i) CHECK(lab.send(pieces[i]).held());
    const Result last = lab.send(pieces.back());
    if (!CHECK_EQ(last.released.size(), pieces.size())) continue;
    CHECK(last.released[0].answered());
    CHECK_EQ(complaint(last.released[0].packet.bytes, false), std::string());
    for (size_t i = 1; i < pieces.size(); ++i) {
      CHECK_EQ(last.released[i].outcome.reason, DropReason::fragment);
    }
    CHECK_EQ(lab.flows(), uint64_t{0});
  }
}

TEST("a last piece that ends before its first does, or never comes, lets nothing of SCTP go") {
  for (const int family : {4, 6}) {
    NatLab lab;
    CHECK(lab.send(sctp(family).to(sctp_endpoint(family)).chunk(1, Bytes(16))).forwarded());
    PacketBuilder p = sctp(family).to(sctp_endpoint(family)).payload_bytes(3000);
    if (family == 4) p.ip_id(uint16_t(kId)).fragment_field(0);
    const Bytes whole = p.build().bytes;
    const auto pieces = cut(family, whole, 1480);
    Packet early = cut(family, Bytes(whole.begin(), whole.begin() + (family == 4 ? 20 : 40) + 17), 8)[2];
    if (family == 4) put_header_checksum(early.bytes);
    CHECK(lab.send(pieces[0]).held());
    const Result last = lab.send(early);
    if (!CHECK_EQ(last.released.size(), size_t{2})) continue;
    for (const Result& piece : last.released) CHECK(piece.outcome.verdict == nat::Verdict::drop);

    CHECK(lab.send(pieces[0]).held());
    lab.now.ms += 2'400;
    CHECK(lab.send(pieces[2]).held());
    lab.expire();
    CHECK(lab.dropped[size_t(DropReason::fragment_timeout)] > 0);
    CHECK_EQ(lab.forwarded, uint64_t{1});
    // The next datagram may have the number.
    CHECK_EQ(send_all(lab, family, pieces).size(), pieces.size());
  }
}

PacketBuilder ping(int family, size_t bytes) {
  PacketBuilder p = icmp(family).payload_bytes(bytes);
  return family == 4 ? p.ip_id(uint16_t(kId)).fragment_field(0) : p;
}

TEST("a ping in pieces is answered in pieces, as the whole would be, in every order") {
  for (const int family : {4, 6}) {
    for (const size_t bytes : {1480u, 2961u, 4000u, 65000u}) {
      for (const Csum kind : {Csum::full, Csum::wrong}) {
        std::vector<size_t> order = {0, 1, 2};
        do {
          NatLab lab;
          const Packet whole = ping(family, bytes).checksum(kind).build();
          const auto pieces = cut(family, whole.bytes, bytes > 9000 ? 24000 : 1480);
          std::vector<Packet> sent;
          for (const size_t n : order) {
            if (n < pieces.size()) sent.push_back(pieces[n]);
          }
          const auto left = send_all(lab, family, sent, nat::Verdict::answer);
          if (!CHECK_EQ(left.size(), pieces.size())) continue;
          const Bytes answer = join(family, left);
          CHECK(judge_transport(answer, false) == (kind == Csum::full ? L4Sum::right : L4Sum::wrong));
          if (kind == Csum::full) {
            Bytes as_whole = lab.send(ping(family, bytes)).packet.bytes;
            if (family == 4) put16(as_whole, 6, 0), put_header_checksum(as_whole);
            CHECK(answer == as_whole);
          }
          CHECK_EQ(lab.generated[size_t(Generated::echo_reply)],
                   uint64_t(pieces.size()) + (kind == Csum::full ? 1 : 0));
        } while (std::next_permutation(order.begin(), order.end()));
      }
    }
  }
}

TEST("of a ping in pieces nothing is answered that is not its own: repeated, overlapping, another message") {
  for (const int family : {4, 6}) {
    NatLab lab;
    const auto pieces = cut(family, ping(family, 4000).build().bytes, 1480);
    CHECK(lab.send(pieces[0]).answered());
    CHECK_EQ(lab.send(pieces[0]).outcome.reason, DropReason::fragment_overlap);
    CHECK(lab.send(pieces[1]).answered());
    CHECK_EQ(lab.send(pieces[1]).outcome.reason, DropReason::fragment_overlap);
    CHECK(lab.send(pieces[2]).answered());
    for (const uint8_t type : {0, 3, 13, 129, 1}) {
      const auto other = cut(family, ping(family, 4000).icmp(type, 0).build().bytes, 1480, 1000u + type);
      // An error is read as one, and quotes nothing here.
      const bool is_error = type == 3 || (family == 6 && type == 1);
      CHECK_EQ(lab.send(other[0]).outcome.reason, is_error ? DropReason::icmp_quote : DropReason::fragment);
      CHECK_EQ(lab.send(other[1]).outcome.reason, DropReason::fragment);
    }
    // Not to a VIP: somebody else's.
    for (const Packet& piece :
         cut(family, ping(family, 4000).to(web_server(family, 0)).build().bytes, 1480)) {
      CHECK(lab.send(piece).passed());
    }
  }
}

/** An error about a datagram of the flow, on its way to the client or to the server. */
PacketBuilder error_about(int family, const Through& t, bool request, size_t quoted) {
  const Endpoint client = client_endpoint(family), vip = dns_endpoint(family);
  const Endpoint server = dns_server(family, t.server);
  PacketBuilder p = icmp(family).icmp(family == 4 ? 3 : 1, family == 4 ? 3 : 4, 0);
  p = request ? p.from(server).to(client).payload(datagram(family, client, server, quoted).bytes())
              : p.from(client).to(vip).payload(datagram(family, vip, client, quoted).bytes());
  return family == 4 ? p.ip_id(uint16_t(kId)).fragment_field(0) : p;
}

TEST("an ICMP error in pieces arrives as the whole would, in every order, both ways") {
  for (const int family : {4, 6}) {
    for (const bool request : {true, false}) {
      for (const Csum kind : {Csum::full, Csum::wrong}) {
        std::vector<size_t> order = {0, 1, 2};
        do {
          Through t(family);
          const Packet whole = error_about(family, t, request, 300).checksum(kind).build();
          const auto pieces = cut(family, whole.bytes, 160);
          std::vector<Packet> sent;
          for (const size_t n : order) sent.push_back(pieces[n]);
          const auto left = send_all(t.lab, family, sent);
          if (!CHECK_EQ(left.size(), pieces.size())) continue;
          const Bytes arrived = join(family, left);
          CHECK(judge_transport(arrived, false) == (kind == Csum::full ? L4Sum::right : L4Sum::wrong));
          if (kind == Csum::full) CHECK(arrived == t.lab.send(whole).packet.bytes);
          t.lab.check_books();
        } while (std::next_permutation(order.begin(), order.end()));
      }
    }
  }
}

TEST("no piece of an ICMP error tells a client the name of a real server") {
  for (const int family : {4, 6}) {
    Through t(family);
    // Cut so that the first piece does not say what the error is about.
    for (const Packet& piece : cut(family, error_about(family, t, true, 300).build().bytes, 24))
      CHECK_EQ(t.lab.send(piece).outcome.verdict, nat::Verdict::drop);
    // About nothing of ours: a real server's own traffic passes, to a VIP it ends.
    for (const Packet& piece :
         cut(family,
             PacketBuilder(
                 icmp(family)
                     .icmp(family == 4 ? 3 : 1, 1, 0)
                     .from(dns_server(family, 0))
                     .to(client_endpoint(family))
                     .payload(datagram(family, client_endpoint(family), web_server(family, 0), 300).bytes()))
                 .build()
                 .bytes,
             160, 77)) {
      CHECK(t.lab.send(piece).passed());
    }
    const Packet nobodys =
        error_about(family, t, false, 300)
            .payload(datagram(family, virtual_endpoint(family), client_endpoint(family), 300).bytes())
            .build();
    for (const Packet& piece : cut(family, nobodys.bytes, 160, 78))
      CHECK_EQ(t.lab.send(piece).outcome.reason, DropReason::fragment);
    t.lab.check_books();
  }
}

TEST("pings in pieces are answered as long as the budget allows their first") {
  NatLab lab;
  int answered = 0, refused = 0;
  for (uint32_t id = 0; id < 400; ++id) {
    const auto pieces = cut(4, ping(4, 100).build().bytes, 56, id);
    const Result first = lab.send(pieces[0]), second = lab.send(pieces[1]);
    answered += first.answered() && second.answered();
    refused +=
        first.outcome.reason == DropReason::rate_limited && second.outcome.reason == DropReason::fragment;
  }
  CHECK_EQ(answered, int(nat::AnswerBudget::kBurstPerClient));
  CHECK_EQ(answered + refused, 400);
}

TEST("the pieces of an answer carry none of the headers that came before them") {
  NatLab lab;
  const auto pieces = cut(6, ping(6, 3000).extension(60, Bytes(14)).build().bytes, 1480);
  // Destination options in front of the fragment header: IPv6, options, fragment, piece.
  const auto plain = cut(6, ping(6, 3000).build().bytes, 1480);
  for (size_t i = 0; i < plain.size(); ++i) {
    Bytes piece = plain[i].bytes;
    const Bytes options = {44, 0, 1, 4, 0, 0, 0, 0};
    piece.insert(piece.begin() + 40, options.begin(), options.end());
    piece[6] = 60;
    put16(piece, 4, piece.size() - 40);
    const Result result = lab.send(Packet{piece, {}});
    if (!CHECK(result.answered())) continue;
    CHECK_EQ(result.packet.bytes.size(), plain[i].bytes.size());
    CHECK_EQ(int(result.packet.bytes[6]), 44);
    CHECK_EQ(place_of(6, result.packet.bytes), place_of(6, plain[i].bytes));
  }
  // Behind the fragment header they are part of the datagram, and the reply would lie elsewhere.
  for (const Packet& piece : pieces) CHECK_EQ(lab.send(piece).outcome.reason, DropReason::fragment);
  // An IPv4 option is not sent back either.
  Bytes first = cut(4, ping(4, 3000).build().bytes, 1480)[0].bytes;
  const Bytes nops = {1, 1, 1, 1};
  first.insert(first.begin() + 20, nops.begin(), nops.end());
  first[0] = 0x46;
  put16(first, 2, first.size());
  reseal(first);
  const Result result = lab.send(Packet{first, {}});
  CHECK(result.answered());
  CHECK_EQ(result.packet.bytes.size(), first.size() - 4);
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
    CHECK(t.lab.send(pieces[2]).held());  // as if the first had not come yet
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
