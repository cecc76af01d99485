// SPDX-License-Identifier: Apache-2.0
//
// ICMP errors on their way to the end that must hear them: about a request, from the servers' side to the client;
// about a reply, from the clients' side to the real server. The quote must be, byte for byte, what its sender sent.
#include <algorithm>
#include <functional>
#include <vector>

#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"

namespace vsnat::test {
namespace {

constexpr size_t kAll = 100000;

uint8_t type_unreachable(int family) {
  return family == 4 ? 3 : 1;
}

/** A router on either side, which is no endpoint of any flow. */
Endpoint router(int family) {
  return {family == 4 ? ip4(203, 0, 113, 9) : ip6({0x2001, 0xdb8, 9, 0, 0, 0, 0, 9}), 0};
}

/** A warm lab, and what its one flow's packets look like on each side. */
struct Scene {
  explicit Scene(int f, bool tcp_flow = true) : family(f), is_tcp(tcp_flow) {
    if (is_tcp)
      Handshake::open(lab, family);
    else
      lab.send(udp(family).to(dns_endpoint(family)).payload_bytes(5));
  }

  PacketBuilder make() const {
    return (is_tcp ? tcp(family).seq(1001).ack(5001) : udp(family)).payload_bytes(60);
  }
  Endpoint client() const { return client_endpoint(family); }
  Endpoint virt() const { return is_tcp ? virtual_endpoint(family) : dns_endpoint(family); }
  Endpoint server() const { return is_tcp ? web_server(family, 0) : dns_server(family, 0); }

  PacketBuilder request_sent() const { return make().from(client()).to(virt()); }
  PacketBuilder request_seen() const { return make().from(client()).to(server()); }
  PacketBuilder reply_sent() const { return make().from(server()).to(client()); }
  PacketBuilder reply_seen() const { return make().from(virt()).to(client()); }

  int family;
  bool is_tcp;
  NatLab lab;
};

PacketBuilder error(int family, Bytes quote, size_t quoted = kAll) {
  if (quote.size() > quoted) quote.resize(quoted);
  return icmp(family)
      .icmp(type_unreachable(family), family == 4 ? 3 : 4, 0)
      .payload(std::move(quote))
      .ttl(50);
}
PacketBuilder about_request(const Scene& s, size_t quoted = kAll) {
  return error(s.family, s.request_seen().bytes(), quoted).from(s.server()).to(s.client());
}
PacketBuilder about_reply(const Scene& s, size_t quoted = kAll) {
  return error(s.family, s.reply_seen().bytes(), quoted).from(s.client()).to(s.virt());
}

/** Forwarded, and equal to what `want` says, with one hop given back. */
void check_becomes(NatLab& lab, const PacketBuilder& sent, PacketBuilder want) {
  const Result result = lab.send(sent);
  if (!CHECK(result.forwarded())) return;
  const Bytes expected = want.ttl(51).bytes();
  CHECK(result.packet.bytes == expected);
  CHECK_EQ(complaint(result.packet.bytes, false),
           complaint(expected, false));  // a quote may be wrong by intent
}

/** What an end sent, cut to `quoted` bytes. Half a checksum cannot be translated: its byte stays as it was seen. */
Bytes cut_quote(const PacketBuilder& sent, const PacketBuilder& seen, size_t quoted, bool is_tcp) {
  Bytes quote = sent.bytes();
  quote.resize(std::min(quoted, quote.size()));
  if (is_tcp && quote.size() == sent.l4_offset() + 17) quote.back() = seen.bytes()[quote.size() - 1];
  return quote;
}

void for_every_flow(const std::function<void(Scene&)>& check) {
  for (const int family : {4, 6}) {
    for (const bool is_tcp : {true, false}) {
      ROW(std::string(is_tcp ? "TCP" : "UDP") + " over IPv" + std::to_string(family));
      Scene scene(family, is_tcp);
      check(scene);
    }
  }
}

TEST("an error about a request reaches the client as one from the VIP about what the client sent") {
  for_every_flow([](Scene& s) {
    check_becomes(s.lab, about_request(s),
                  error(s.family, s.request_sent().bytes()).from(s.virt()).to(s.client()));
  });
}

TEST("an error about a reply reaches the real server as one about what the real server sent") {
  for_every_flow([](Scene& s) {
    check_becomes(s.lab, about_reply(s),
                  error(s.family, s.reply_sent().bytes()).from(s.client()).to(s.server()));
  });
}

TEST("a router's error about a request comes from the VIP, too; about a reply it keeps the router's name") {
  for_every_flow([](Scene& s) {
    check_becomes(s.lab, about_request(s).from(router(s.family)),
                  error(s.family, s.request_sent().bytes()).from(s.virt()).to(s.client()));
    check_becomes(s.lab, about_reply(s).from(router(s.family)),
                  error(s.family, s.reply_sent().bytes()).from(router(s.family)).to(s.server()));
  });
}

TEST(
    "a quote may end anywhere from eight transport bytes on, byte by byte, and is refused or left alone "
    "below") {
  for_every_flow([](Scene& s) {
    const size_t whole = s.request_seen().bytes().size();
    const size_t readable = (s.family == 4 ? 20u : 40u) + 8;
    for (size_t quoted = 0; quoted <= whole; ++quoted) {
      ROW(std::to_string(quoted) + " bytes");
      if (quoted < readable) {
        s.lab.refused(about_reply(s, quoted), DropReason::icmp_quote);
        const Packet sent = about_request(s, quoted).build();
        const Result result = s.lab.send(sent);  // not to a VIP: whatever it is, it is not ours
        CHECK(result.passed());
        continue;
      }
      check_becomes(s.lab, about_request(s, quoted),
                    error(s.family, cut_quote(s.request_sent(), s.request_seen(), quoted, s.is_tcp))
                        .from(s.virt())
                        .to(s.client()));
      check_becomes(s.lab, about_reply(s, quoted),
                    error(s.family, cut_quote(s.reply_sent(), s.reply_seen(), quoted, s.is_tcp))
                        .from(s.client())
                        .to(s.server()));
    }
  });
}

TEST(
    "every kind of error is translated with type, code and second word unchanged, and ends or refreshes "
    "nothing") {
  struct Kind {
    const char* name;
    uint8_t type, code;
    uint32_t rest;
  };
  const std::vector<Kind> four = {{"network unreachable", 3, 0, 0},
                                  {"host unreachable", 3, 1, 0},
                                  {"protocol unreachable", 3, 2, 0},
                                  {"port unreachable", 3, 3, 0},
                                  {"fragmentation needed, MTU 1400", 3, 4, 1400},
                                  {"fragmentation needed, MTU 0: a router older than RFC 1191", 3, 4, 0},
                                  {"MTU 68", 3, 4, 68},
                                  {"MTU 65535", 3, 4, 65535},
                                  {"network prohibited", 3, 9, 0},
                                  {"host prohibited", 3, 10, 0},
                                  {"communication prohibited", 3, 13, 0},
                                  {"time exceeded", 11, 0, 0},
                                  {"reassembly time exceeded", 11, 1, 0},
                                  {"parameter problem", 12, 0, 0x14000000}};
  const std::vector<Kind> six = {{"no route", 1, 0, 0},
                                 {"prohibited", 1, 1, 0},
                                 {"port unreachable", 1, 4, 0},
                                 {"too big, MTU 1280", 2, 0, 1280},
                                 {"too big, MTU 65536", 2, 0, 65536},
                                 {"time exceeded", 3, 0, 0},
                                 {"parameter problem", 4, 1, 40}};
  for_every_flow([&](Scene& s) {
    const std::string before = s.lab.state(s.family, s.is_tcp ? kTcp : kUdp);
    for (const Kind& k : s.family == 4 ? four : six) {
      ROW(k.name);
      check_becomes(s.lab, about_request(s, 100).icmp(k.type, k.code, k.rest),
                    error(s.family, s.request_sent().bytes(), 100)
                        .icmp(k.type, k.code, k.rest)
                        .from(s.virt())
                        .to(s.client()));
      check_becomes(s.lab, about_reply(s, 100).icmp(k.type, k.code, k.rest),
                    error(s.family, s.reply_sent().bytes(), 100)
                        .icmp(k.type, k.code, k.rest)
                        .from(s.client())
                        .to(s.server()));
    }
    CHECK_EQ(s.lab.state(s.family, s.is_tcp ? kTcp : kUdp), before);
    s.lab.advance_seconds(s.is_tcp ? 899 : 299);
    check_becomes(s.lab, about_reply(s),
                  error(s.family, s.reply_sent().bytes()).from(s.client()).to(s.server()));
    s.lab.advance_seconds(1);
    s.lab.given_to_host(about_reply(s));
  });
}

TEST("an impossible MTU is refused in both directions") {
  Scene four(4), six(6);
  for (const uint32_t mtu : {1u, 67u}) {
    four.lab.refused(about_reply(four).icmp(3, 4, mtu), DropReason::icmp_mtu);
    four.lab.refused(about_request(four).icmp(3, 4, mtu), DropReason::icmp_mtu);
  }
  for (const uint32_t mtu : {0u, 68u, 1279u}) {
    six.lab.refused(about_reply(six).icmp(2, 0, mtu), DropReason::icmp_mtu);
    six.lab.refused(about_request(six).icmp(2, 0, mtu), DropReason::icmp_mtu);
  }
}

TEST("an error with a wrong ICMP checksum is dropped, in IPv6 also one that forgot the pseudo-header") {
  for_every_flow([](Scene& s) {
    s.lab.refused(about_reply(s).checksum(Csum::wrong), DropReason::icmp_csum);
    s.lab.refused(about_request(s).checksum(Csum::wrong), DropReason::icmp_csum);
    if (s.family == 4) return;
    for (const PacketBuilder& builder : {about_reply(s), about_request(s)}) {
      Packet packet = builder.build();
      put16(packet.bytes, 42, 0);
      put16(packet.bytes, 42, reference_checksum(std::span(packet.bytes).subspan(40)));
      const Result result = s.lab.send(packet);
      CHECK_EQ(result.outcome.reason, DropReason::icmp_csum);
    }
  });
}

TEST("an error to a VIP about what cannot be a flow of ours is given to the host, whose own it may be") {
  for (const int f : {4, 6}) {
    Scene s(f);
    const auto at_vip = [&](Bytes quote) { return error(f, std::move(quote)).from(s.client()).to(s.virt()); };
    const PacketBuilder later = f == 4 ? s.reply_seen().fragment_field(1) : s.reply_seen().fragment_header(8);
    const struct {
      const char* name;
      PacketBuilder quoted;
    } cases[] = {
        {"an unknown flow", s.reply_seen().destination_port(999)},
        {"a later fragment", later},
        {"an ICMP error", error(f, s.reply_seen().bytes()).from(s.virt()).to(s.client())},
        {"an ICMP echo", icmp(f).from(s.virt()).to(s.client())},
        {"GRE", protocol(f, 47).from(s.virt()).to(s.client()).payload_bytes(30)},
        {"ESP", protocol(f, 50).from(s.virt()).to(s.client()).payload_bytes(30)},
        {"IP in IP", protocol(f, 4).from(s.virt()).to(s.client()).payload(s.reply_seen().bytes())},
    };
    for (const auto& c : cases) {
      for (const uint8_t hops : {1, 2, 64, 255}) {
        ROW(c.name);
        s.lab.given_to_host(at_vip(c.quoted.bytes()).ttl(hops));
      }
    }
    s.lab.refused(at_vip(s.reply_seen().destination_port(999).bytes()).checksum(Csum::wrong),
                  DropReason::icmp_csum);
  }
}

TEST("quotes that cannot be of this VIP are refused there, each for its reason") {
  Scene s(4);
  const auto at_vip = [&](Bytes quote) { return error(4, std::move(quote)).from(s.client()).to(s.virt()); };
  const struct {
    const char* name;
    PacketBuilder packet;
    DropReason reason;
  } cases[] = {
      {"the direction reversed: quoted source is the client", at_vip(s.request_sent().bytes()),
       DropReason::icmp_dir},
      {"another VIP's packet", at_vip(s.reply_seen().from(other_virtual_endpoint(4)).bytes()),
       DropReason::icmp_dir},
      {"a quote with a wrong header checksum", at_vip(s.reply_seen().ip_checksum_off_by(1).bytes()),
       DropReason::icmp_quote},
      {"a quote of version 6", at_vip(tcp6().bytes()), DropReason::icmp_quote},
      {"nothing at all", at_vip({}), DropReason::icmp_quote},
  };
  for (const auto& c : cases) {
    ROW(c.name);
    s.lab.refused(c.packet, c.reason);
  }
}

TEST("an error to the VIP that claims to come from the flow's own real server is not sent back to it") {
  for_every_flow([](Scene& s) { s.lab.refused(about_reply(s).from(s.server()), DropReason::land); });
}

TEST("an error from the VIP to itself, raised where it is the host's own address, goes to the real server") {
  for_every_flow([](Scene& s) {
    check_becomes(s.lab, about_reply(s).from(s.virt()),
                  error(s.family, s.reply_sent().bytes()).from(s.virt()).to(s.server()));
    s.lab.refused(icmp(s.family).from(s.virt()).to(s.virt()), DropReason::land);
    s.lab.refused(about_reply(s).from(s.client()).to(s.client()), DropReason::land);
    s.lab.refused(s.request_sent().from(s.virt()), DropReason::land);
  });
}

TEST("quotes with options, extension headers, early fragments and lying lengths are translated") {
  Scene four(4), six(6);
  const auto both = [](Scene& s, const std::function<PacketBuilder(PacketBuilder)>& shape) {
    check_becomes(s.lab, error(s.family, shape(s.reply_seen()).bytes()).from(s.client()).to(s.virt()),
                  error(s.family, shape(s.reply_sent()).bytes()).from(s.client()).to(s.server()));
    check_becomes(s.lab, error(s.family, shape(s.request_seen()).bytes()).from(s.server()).to(s.client()),
                  error(s.family, shape(s.request_sent()).bytes()).from(s.virt()).to(s.client()));
  };
  for (size_t words = 0; words <= 10; ++words) {
    both(four, [&](PacketBuilder p) { return p.ip_options(Bytes(words * 4, 1)); });
  }
  both(four, [](PacketBuilder p) { return p.length_field(65535); });
  both(four, [](PacketBuilder p) { return p.ttl(0); });
  both(four, [](PacketBuilder p) { return p.fragment_field(0x2000); });
  both(four, [](PacketBuilder p) { return p.checksum(Csum::wrong); });
  both(six, [](PacketBuilder p) { return p.extension(0).extension(60, Bytes(20, 0)); });
  both(six, [](PacketBuilder p) { return p.fragment_header(1); });
  Scene udp_scene(4, false);
  both(udp_scene, [](PacketBuilder p) { return p.checksum(Csum::absent); });
}

TEST("extensions behind the quote are not touched (RFC 4884)") {
  for_every_flow([](Scene& s) {
    const auto with_extension = [&](PacketBuilder quoted) {
      Bytes quote = quoted.bytes();
      quote.resize(128);  // RFC 4884 pads the quote to 128 bytes
      quote.insert(quote.end(), {0x20, 0, 0xba, 0x02, 0, 8, 1, 1, 0, 0, 0x31, 0x01});
      return error(s.family, quote).icmp(s.family == 4 ? 11 : 3, 0, s.family == 4 ? 32u << 16 : 16u << 24);
    };
    check_becomes(s.lab, with_extension(s.reply_seen()).from(s.client()).to(s.virt()),
                  with_extension(s.reply_sent()).from(s.client()).to(s.server()));
  });
}

TEST("errors and other ICMP that concern no flow pass through untouched when they are not for a VIP") {
  for (const int family : {4, 6}) {
    NatLab lab;
    const Endpoint server = web_server(family, 0), client = client_endpoint(family);
    const PacketBuilder packets[] = {
        error(family, tcp(family).from(client).to(server).bytes()).from(server).to(client),
        error(family, {}).from(server).to(client),
        icmp(family).from(server).to(client),
        icmp(family).from(server).to(client).checksum(Csum::wrong),
    };
    for (const PacketBuilder& builder : packets) {
      const Packet before = builder.build();
      const Result result = lab.send(before);
      CHECK(result.passed());
      CHECK(result.packet.bytes == reference_nat(before, {{}, {}, 1}).bytes);
    }
  }
}

TEST("of all ICMP types a VIP answers echo, takes errors about its flows, and drops the rest") {
  for (const int family : {4, 6}) {
    NatLab lab;
    for (int type = 0; type < 256; ++type) {
      ROW("IPv" + std::to_string(family) + " type " + std::to_string(type));
      lab.now.ms += 60'000;  // the answer budget is another test's business
      const Result result = lab.send(icmp(family).icmp(uint8_t(type), 0, 1400).payload_bytes(16));
      const bool echo = type == (family == 4 ? 8 : 128), echo_reply = type == (family == 4 ? 0 : 129);
      const bool is_error = family == 4 ? type == 3 || type == 11 || type == 12 : type >= 1 && type <= 4;
      CHECK_EQ(result.answered(), echo);
      CHECK_EQ(result.outcome.reason, echo         ? DropReason::answered
                                      : echo_reply ? DropReason::no_flow
                                      : is_error   ? DropReason::icmp_quote
                                                   : DropReason::icmp_type);
    }
  }
}

TEST("any byte of an error and its quote may have any value: nothing crashes and every output is a packet") {
  for_every_flow([](Scene& s) {
    for (const PacketBuilder& builder : {about_reply(s, 60), about_request(s, 60)}) {
      Packet packet = builder.build();
      const size_t l4 = builder.l4_offset();
      for (size_t at = 0; at < packet.bytes.size(); ++at) {
        for (const int value : {0x00, 0x01, 0x05, 0x11, 0x2c, 0x3c, 0x40, 0x4f, 0x60, 0x7f, 0x80, 0xff}) {
          Packet mutated = packet;
          mutated.bytes[at] = uint8_t(value);
          if (s.family == 4) reseal(mutated.bytes);
          // With a right ICMP checksum, so that the quote is looked at.
          const std::optional<Anatomy> a = dissect(mutated.bytes);
          if (a && a->l4 == l4 && a->length == mutated.bytes.size()) {
            put16(mutated.bytes, l4 + 2, 0);
            const uint16_t pseudo =
                s.family == 4 ? 0
                              : reference_pseudo_sum(a->source, a->destination, 58, uint32_t(a->length - l4));
            put16(mutated.bytes, l4 + 2, reference_checksum(std::span(mutated.bytes).subspan(l4), pseudo));
          }
          s.lab.send(mutated);
        }
      }
    }
  });
}

}  // namespace
}  // namespace vsnat::test
