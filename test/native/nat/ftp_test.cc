// SPDX-License-Identifier: Apache-2.0
//
// FTP through the director: data connections of both modes, text of another length, everything sent again.
#include "nat/ftp_helper.h"

#include <arpa/inet.h>

#include <string>

#include "nat/cull.h"
#include "test/native/check.h"
#include "test/native/nat/ftp_lab.h"

namespace vsnat::test {
namespace {

constexpr uint16_t kData = 40000;

/** The client names itself. */
std::string eprt(int family, uint16_t port) {
  char address[INET6_ADDRSTRLEN];
  ::inet_ntop(family == 4 ? AF_INET : AF_INET6, client_endpoint(family).address.bytes.data(), address,
              sizeof(address));
  return "EPRT |" + std::string(family == 4 ? "1" : "2") + "|" + address + "|" + std::to_string(port) +
         "|\r\n";
}
std::string extended(uint16_t port) {
  return "229 Entering Extended Passive Mode (|||" + std::to_string(port) + "|)\r\n";
}

/** A whole short connection: the client opens, or else the server. */
void check_transfer(FtpLab& ftp, bool client_opens, Endpoint client, Endpoint virt, Endpoint real) {
  const int f = ftp.family;
  const auto request = [&](uint8_t flags, uint32_t seq, uint32_t ack, size_t payload = 0) {
    const Result r =
        ftp.lab.send(tcp(f).from(client).to(virt).flags(flags).seq(seq).ack(ack).payload_bytes(payload));
    if (!CHECK(r.forwarded())) return;
    CHECK(endpoint_of(r.packet, true) == real);
    CHECK(endpoint_of(r.packet, false) == client);
    FtpLab::check_sums(r.packet);
  };
  const auto reply = [&](uint8_t flags, uint32_t seq, uint32_t ack, size_t payload = 0) {
    const Result r =
        ftp.lab.send(tcp(f).from(real).to(client).flags(flags).seq(seq).ack(ack).payload_bytes(payload));
    if (!CHECK(r.forwarded())) return;
    CHECK(endpoint_of(r.packet, false) == virt);
    CHECK(endpoint_of(r.packet, true) == client);
    FtpLab::check_sums(r.packet);
  };
  if (client_opens) {
    request(kSyn, 99, 0);
    reply(kSyn | kAck, 199, 100);
    request(kAck, 100, 200);
  } else {
    reply(kSyn, 199, 0);
    request(kSyn | kAck, 99, 200);
    reply(kAck, 200, 100);
  }
  reply(kAck, 200, 100, 1000);
  request(kAck, 100, 1200);
  reply(kFin | kAck, 1200, 100);
  request(kFin | kAck, 100, 1201);
  reply(kAck, 1201, 101);
}

TEST("PASV: the client is told the VIP, and its data connection reaches the server that was listening") {
  FtpLab ftp;
  ftp.open();
  ftp.ask("PASV\r\n");
  const Packet told = ftp.answer(ftp.entering(ftp.real(kData)));
  CHECK_EQ(said(told), ftp.entering(ftp.virt(kData)));
  CHECK_EQ(ftp.lab.tally.ftp_announced.read(), uint64_t{1});
  check_transfer(ftp, true, ftp.client(50000), ftp.virt(kData), ftp.real(kData));
  // Once announced is one connection, from that client only.
  ftp.lab.refused(tcp(4).from(ftp.client(50001)).to(ftp.virt(kData)).flags(kSyn), DropReason::no_service);
  // The control connection goes on, in each side's own numbers.
  ftp.ask("NOOP\r\n");
  ftp.answer("200 Ok\r\n");
}

TEST("EPSV, EPRT: data connections of both modes and both families") {
  for (const int f : {4, 6}) {
    ROW(f == 4 ? "IPv4" : "IPv6");
    FtpLab ftp(f);
    ftp.open();
    ftp.ask("EPSV\r\n");
    CHECK_EQ(said(ftp.answer(extended(kData))), extended(kData));
    check_transfer(ftp, true, ftp.client(50000), ftp.virt(kData), ftp.real(kData));
    ftp.ask(eprt(f, 50002));
    check_transfer(ftp, false, ftp.client(50002), ftp.virt(79), ftp.real(8079));
    // The same client port again, while the last connection is remembered as closed.
    ftp.ask(eprt(f, 50002));
    check_transfer(ftp, false, ftp.client(50002), ftp.virt(79), ftp.real(8079));
    CHECK_EQ(ftp.lab.tally.ftp_announced.read(), uint64_t{3});
    CHECK_EQ(ftp.lab.tally.ftp_ignored.read(), uint64_t{0});
  }
}

TEST("PORT: the server's connection comes from the VIP, one port below the service") {
  FtpLab ftp;
  ftp.open();
  ftp.ask("PORT " + FtpLab::list(ftp.client(50000)) + "\r\n");
  check_transfer(ftp, false, ftp.client(50000), ftp.virt(79), ftp.real(8079));
}

TEST("a server's connection that no client asked for is none of ours") {
  FtpLab ftp;
  ftp.open();
  const auto from_data_port = [&] {
    return ftp.lab.send(tcp(4).from(ftp.real(8079)).to(ftp.client(50000)).flags(kSyn));
  };
  CHECK(from_data_port().passed());
  ftp.ask("PORT " + FtpLab::list(ftp.client(50001)) + "\r\n");
  CHECK(from_data_port().passed());
}

TEST("nobody is connected to a third party: addresses other than the two ends' are not believed") {
  FtpLab ftp;
  ftp.open();
  Endpoint third = ftp.client(50000);
  ++third.address.bytes[3];
  ftp.ask("PORT " + FtpLab::list(third) + "\r\n");
  CHECK(ftp.lab.send(tcp(4).from(ftp.real(8079)).to(third).flags(kSyn)).passed());
  ftp.ask("PASV\r\n");
  const std::string elsewhere = ftp.entering(web_server(4, (ftp.server + 1) % 3));
  CHECK_EQ(said(ftp.answer(elsewhere)), elsewhere);
  CHECK_EQ(ftp.lab.tally.ftp_announced.read(), uint64_t{0});
  CHECK_EQ(ftp.lab.tally.ftp_ignored.read(), uint64_t{2});
}

TEST("a server that names the VIP itself is believed, and its text stays") {
  FtpLab ftp;
  ftp.open();
  ftp.ask("PASV\r\n");
  CHECK_EQ(said(ftp.answer(ftp.entering(ftp.virt(kData)))), ftp.entering(ftp.virt(kData)));
  check_transfer(ftp, true, ftp.client(50000), ftp.virt(kData), ftp.real(kData));
}

TEST("an answer nobody asked for is left alone") {
  FtpLab ftp;
  ftp.open();
  CHECK_EQ(said(ftp.answer(ftp.entering(ftp.real(kData)))), ftp.entering(ftp.real(kData)));
  ftp.ask("EPSV\r\n");
  CHECK_EQ(said(ftp.answer(ftp.entering(ftp.real(kData)))), ftp.entering(ftp.real(kData)));
  CHECK_EQ(ftp.lab.tally.ftp_announced.read(), uint64_t{0});
}

TEST("an answer that is sent again is rewritten as the first time, also with more behind it") {
  FtpLab ftp;
  ftp.open();
  ftp.ask("PASV\r\n");
  const uint32_t server_then = ftp.server_next, given_then = ftp.given_next;
  const std::string sent = ftp.entering(ftp.real(kData)), want = ftp.entering(ftp.virt(kData));
  const Packet first = ftp.answer(sent);
  ftp.ask("RETR a\r\n");
  ftp.answer("150 Here it comes\r\n");
  const auto again = [&](const std::string& text) {
    const Result result = ftp.lab.send(ftp.answering(text).seq(server_then));
    CHECK(result.forwarded());
    CHECK_EQ(seq_of(result.packet), given_then);
    FtpLab::check_sums(result.packet);
    return said(result.packet);
  };
  CHECK_EQ(again(sent), said(first));
  CHECK_EQ(again(sent + "150 Here it comes\r\n"), want + "150 Here it comes\r\n");
  CHECK_EQ(ftp.lab.tally.ftp_announced.read(), uint64_t{1});
}

TEST("an answer that comes late is not moved: what is behind it has gone by already") {
  FtpLab ftp;
  ftp.open();
  const std::string early = ftp.entering(ftp.real(kData));
  CHECK_EQ(said(ftp.answer(early)), early);  // nobody had asked
  const uint32_t early_seq = ftp.server_next - uint32_t(early.size());
  ftp.ask("PASV\r\n");
  const Result again = ftp.lab.send(ftp.answering(early).seq(early_seq));
  CHECK_EQ(said(again.packet), early);
  CHECK_EQ(seq_of(again.packet), early_seq);
  CHECK_EQ(said(ftp.answer(early)), ftp.entering(ftp.virt(kData)));
  CHECK_EQ(ftp.lab.tally.ftp_announced.read(), uint64_t{1});
}

TEST("two answers in one segment, each to its own question, and both sent again together") {
  FtpLab ftp;
  ftp.open();
  const uint32_t server_then = ftp.server_next, given_then = ftp.given_next;
  std::string sent, want;
  for (const uint16_t port : {kData, uint16_t(kData + 1)}) {
    ftp.ask("PASV\r\n");
    sent += ftp.entering(ftp.real(port));
    want += ftp.entering(ftp.virt(port));
    CHECK_EQ(said(ftp.answer(ftp.entering(ftp.real(port)))), ftp.entering(ftp.virt(port)));
  }
  const Result again = ftp.lab.send(ftp.answering(sent).seq(server_then));
  CHECK_EQ(said(again.packet), want);
  CHECK_EQ(seq_of(again.packet), given_then);
  FtpLab::check_sums(again.packet);
  for (const uint16_t port : {uint16_t(kData + 1), kData}) {
    check_transfer(ftp, true, ftp.client(uint16_t(port + 10)), ftp.virt(port), ftp.real(port));
  }
}

TEST(
    "acknowledgments and SACK blocks come back in the server's numbers, and no checksum is the worse for "
    "it") {
  for (const Csum checksum : {Csum::full, Csum::partial}) {
    FtpLab ftp;
    ftp.open();
    ftp.ask("PASV\r\n");
    const uint32_t before = ftp.given_next;
    ftp.answer(ftp.entering(ftp.real(kData)), checksum);
    const uint32_t behind = ftp.given_next;
    const auto edge = [](uint32_t n) {
      return Bytes{uint8_t(n >> 24), uint8_t(n >> 16), uint8_t(n >> 8), uint8_t(n)};
    };
    // At an odd place on purpose: NOP, then SACK with two blocks.
    Bytes options{1, 5, 18};
    for (const uint32_t n : {behind + 10, behind + 20, behind + 30, behind + 40}) {
      const Bytes bytes = edge(n);
      options.insert(options.end(), bytes.begin(), bytes.end());
    }
    const Result result = ftp.lab.send(ftp.asking("").ack(before).tcp_options(options).checksum(checksum));
    CHECK(result.forwarded());
    CHECK_EQ(ack_of(result.packet), before);
    const size_t at = dissect(result.packet.bytes)->l4 + 20 + 3;
    const uint32_t grown = behind - ftp.server_next;
    CHECK(grown != 0);
    CHECK_EQ(get32(result.packet.bytes, at), behind + 10 - grown);
    CHECK_EQ(get32(result.packet.bytes, at + 12), behind + 40 - grown);
    FtpLab::check_sums(result.packet);
    // An acknowledgment from inside the text goes back to its line's beginning.
    const Result inside = ftp.lab.send(ftp.asking("").ack(before + 30));
    CHECK_EQ(ack_of(inside.packet), before);
  }
}

TEST("a pending checksum and a superpacket stay what they are around text that grows") {
  FtpLab ftp;
  ftp.open();
  ftp.ask("PASV\r\n");
  const std::string sent = "220-" + std::string(900, 'x') + "\r\n" + ftp.entering(ftp.real(kData));
  const Result result = ftp.lab.send(ftp.answering(sent).gso(300));
  CHECK(result.forwarded());
  CHECK_EQ(said(result.packet), "220-" + std::string(900, 'x') + "\r\n" + ftp.entering(ftp.virt(kData)));
  CHECK_EQ(int(result.packet.vnet.gso_size), 300);
  FtpLab::check_sums(result.packet);
  check_transfer(ftp, true, ftp.client(50000), ftp.virt(kData), ftp.real(kData));
}

TEST("a full segment that grows leaves as a superpacket of two, for the link may not take it whole") {
  for (const Csum checksum : {Csum::full, Csum::partial}) {
    FtpLab ftp;
    ftp.open();
    ftp.ask("PASV\r\n");
    const std::string filling = "220-" + std::string(1000, 'x') + "\r\n";
    const std::string sent = filling + ftp.entering(ftp.real(kData));
    const Packet told = ftp.answer(sent, checksum);
    CHECK_EQ(said(told), filling + ftp.entering(ftp.virt(kData)));
    CHECK(told.vnet.is_gso());
    CHECK_EQ(size_t(told.vnet.gso_size), sent.size());
  }
}

TEST(
    "a control segment with a wrong checksum is dropped and moves nothing; data segments are not looked at") {
  FtpLab ftp;
  CHECK_EQ(ftp.lab.send(tcp(4).flags(kSyn).checksum(Csum::wrong)).outcome.reason, DropReason::ftp_csum);
  CHECK_EQ(ftp.lab.flows(), uint64_t{0});
  ftp.open();
  CHECK_EQ(ftp.lab.send(ftp.asking("PASV\r\n").checksum(Csum::wrong)).outcome.reason, DropReason::ftp_csum);
  CHECK_EQ(ftp.lab.send(ftp.answering("220 Hi\r\n").checksum(Csum::wrong)).outcome.reason,
           DropReason::ftp_csum);
  ftp.ask("EPSV\r\n");
  ftp.answer(extended(kData));
  CHECK(ftp.lab.send(tcp(4).from(ftp.client(50000)).to(ftp.virt(kData)).flags(kSyn).checksum(Csum::wrong))
            .forwarded());
}

TEST("without the helper nothing is read or announced") {
  FtpLab ftp;
  for (auto& service : ftp.lab.spec.services) service.helper = service::Helper::none;
  ftp.lab.publish();
  ftp.open();
  ftp.ask("PASV\r\n");
  CHECK_EQ(said(ftp.answer(ftp.entering(ftp.real(kData)))), ftp.entering(ftp.real(kData)));
  ftp.lab.refused(tcp(4).from(ftp.client(50000)).to(ftp.virt(kData)).flags(kSyn), DropReason::no_service);
}

TEST("an announced data connection is waited for two minutes") {
  for (const uint32_t seconds : {119u, 121u}) {
    FtpLab ftp;
    ftp.open();
    ftp.ask("EPSV\r\n");
    ftp.answer(extended(kData));
    ftp.lab.advance_seconds(seconds);
    const Result result = ftp.lab.send(tcp(4).from(ftp.client(50000)).to(ftp.virt(kData)).flags(kSyn));
    CHECK_EQ(result.forwarded(), seconds < 120);
  }
}

TEST("a control connection outlives its timeout while a data connection lives, and not longer") {
  FtpLab ftp;
  ftp.open();
  ftp.ask("EPSV\r\n");
  ftp.answer(extended(kData));
  CHECK(ftp.lab.send(tcp(4).from(ftp.client(50000)).to(ftp.virt(kData)).flags(kSyn)).forwarded());
  CHECK(ftp.lab.send(tcp(4).from(ftp.real(kData)).to(ftp.client(50000)).flags(kSyn | kAck)).forwarded());
  const auto keep = [&] {
    CHECK(ftp.lab.send(tcp(4).from(ftp.client(50000)).to(ftp.virt(kData)).flags(kAck)).forwarded());
  };
  for (int i = 0; i < 4; ++i) {
    keep();
    ftp.lab.advance_seconds(600);
    ftp.lab.expire();
    CHECK_EQ(ftp.lab.flows(), uint64_t{2});
  }
  CHECK_EQ(ftp.lab.ftp.in_use(), 1u);
  ftp.ask("NOOP\r\n");
  ftp.lab.advance_seconds(901);
  ftp.lab.expire();
  ftp.lab.advance_seconds(61);
  ftp.lab.expire();
  CHECK_EQ(ftp.lab.flows(), uint64_t{0});
  CHECK_EQ(ftp.lab.ftp.in_use(), 0u);
}

TEST("drop_entry spares a control connection for as long as a data connection lives") {
  FtpLab ftp;
  ftp.open();
  ftp.ask("EPSV\r\n");
  ftp.answer(extended(kData));
  const auto data = [&](uint8_t flags) {
    return tcp(4)
        .from(ftp.client(50000))
        .to(ftp.virt(kData))
        .flags(flags)
        .seq(flags & kSyn ? 99 : 100)
        .ack(200);
  };
  CHECK(ftp.lab.send(data(kSyn)).forwarded());
  CHECK(ftp.lab.send(tcp(4).from(ftp.real(kData)).to(ftp.client(50000)).flags(kSyn | kAck).seq(199).ack(100))
            .forwarded());
  for (int i = 0; i < 12; ++i) CHECK(ftp.lab.send(data(kAck)).forwarded());  // too many packets to be dropped
  ftp.lab.advance_seconds(100);
  nat::Core core{*ftp.lab.tables, ftp.lab.loads.data(), ftp.lab.tally, ftp.lab.budget, ftp.lab.fragments, 0,
                 Prng(7)};
  core.ftp = &ftp.lab.ftp;
  nat::DropEntryRule rule;
  const auto thin = [&] { nat::drop_entries(core, *ftp.lab.snapshot, 0, ftp.lab.now.tick(), 1000, rule); };
  thin();
  CHECK_EQ(ftp.lab.flows(), uint64_t{2});
  CHECK(ftp.lab.send(data(kRst)).forwarded());
  ftp.lab.advance_seconds(11);
  ftp.lab.expire();
  CHECK_EQ(ftp.lab.flows(), uint64_t{1});
  thin();
  CHECK_EQ(ftp.lab.flows(), uint64_t{0});
  CHECK_EQ(ftp.lab.ftp.in_use(), 0u);
  ftp.lab.check_books();
}

TEST(
    "a record stays for its data connections when the control connection is gone, and is used again after "
    "them") {
  FtpLab ftp;
  ftp.open();
  ftp.ask("EPSV\r\n");
  ftp.answer(extended(kData));
  CHECK(ftp.lab.send(tcp(4).from(ftp.client(50000)).to(ftp.virt(kData)).flags(kSyn)).forwarded());
  // Reset, and opened again: the old control connection's flow gives way to a new one with a record of its own.
  CHECK(ftp.lab.send(ftp.asking("").flags(kRst)).forwarded());
  ftp.client_next = Handshake::kClientNext;
  ftp.server_next = ftp.given_next = Handshake::kServerNext;
  ftp.open();
  CHECK_EQ(ftp.lab.ftp.in_use(), 2u);
  ftp.lab.advance_seconds(1000);
  ftp.lab.expire();
  CHECK_EQ(ftp.lab.ftp.in_use(), 0u);
  CHECK(!ftp.lab.ftp.waiting());
}

TEST("control connections beyond the records work, without data connections, and are counted") {
  FtpLab ftp;
  for (uint16_t n = 0; n < 6; ++n) {
    Handshake::open(ftp.lab, 4, ftp.client(uint16_t(1000 + n)), ftp.virt());
  }
  CHECK_EQ(ftp.lab.ftp.in_use(), 4u);
  CHECK_EQ(ftp.lab.tally.ftp_ignored.read(), uint64_t{2});
  ftp.lab.advance_seconds(1000);
  ftp.lab.expire();
  CHECK_EQ(ftp.lab.ftp.in_use(), 0u);
}

TEST("a client that announces without end keeps its newest four, and nobody else loses any") {
  FtpLab ftp;
  ftp.open();
  for (uint16_t n = 0; n < 40; ++n) ftp.ask(eprt(4, uint16_t(50000 + n)));
  for (uint16_t n = 0; n < 40; ++n) {
    const Result result =
        ftp.lab.send(tcp(4).from(ftp.real(8079)).to(ftp.client(uint16_t(50000 + n))).flags(kSyn));
    CHECK_EQ(result.forwarded(), n >= 36);
  }
  CHECK(!ftp.lab.ftp.waiting());
}

TEST("a data connection whose tuple is somebody's living connection is refused") {
  FtpLab ftp;
  ftp.open();
  ftp.ask(eprt(4, ftp.client().port));
  // RIP:8079 to the control connection's own client port is free; VIP:80 of it is not what it would take.
  CHECK(ftp.lab.send(tcp(4).from(ftp.real(8079)).to(ftp.client()).flags(kSyn)).forwarded());
  // Another server now claims the same client port for VIP:79.
  FtpLab other;
  other.open();
  other.ask(eprt(4, 50000));
  CHECK(other.lab.send(tcp(4).from(other.real(8079)).to(other.client(50000)).flags(kSyn)).forwarded());
  const int first = other.server;
  Endpoint second_client = other.client(50077);
  const int second = Handshake::open(other.lab, 4, second_client, other.virt());
  CHECK(first != second);
  CHECK(other.lab
            .send(tcp(4)
                      .from(second_client)
                      .to(other.virt())
                      .flags(kAck)
                      .seq(1001)
                      .ack(5001)
                      .payload(bytes_of(eprt(4, 50000))))
            .forwarded());
  other.lab.refused(tcp(4).from({web_server(4, second).address, 8079}).to(other.client(50000)).flags(kSyn),
                    DropReason::reply_taken);
}

TEST("the load of data connections is their server's, but they are no connections that were scheduled") {
  FtpLab ftp;
  ftp.open();
  const uint32_t slot = uint32_t(ftp.server);
  const uint64_t scheduled = ftp.lab.tally.connections(slot).read();
  ftp.ask(eprt(4, 50000));
  CHECK(ftp.lab.send(tcp(4).from(ftp.real(8079)).to(ftp.client(50000)).flags(kSyn)).forwarded());
  CHECK_EQ(ftp.lab.active(slot) + ftp.lab.inactive(slot), 2u);
  CHECK_EQ(ftp.lab.tally.connections(slot).read(), scheduled);
}

TEST("a reset in the client's numbers is believed after text has grown") {
  FtpLab ftp;
  ftp.open();
  for (int i = 0; i < 8; ++i) {
    ftp.ask("PASV\r\n");
    ftp.answer(ftp.entering(ftp.real(kData)));
  }
  ftp.ask("QUIT\r\n");
  const Result fin = ftp.lab.send(ftp.answering("221 Bye\r\n").flags(kAck | kFin));
  CHECK_EQ(seq_of(fin.packet), ftp.given_next);
  ftp.given_next += 10;
  ftp.server_next += 10;
  ftp.ask("");
  CHECK(ftp.lab.send(ftp.asking("").flags(kRst | kAck)).forwarded());
  CHECK_EQ(ftp.lab.state(4), std::string("CLOSE"));
  CHECK_EQ(ftp.lab.tally.suspect_resets.read(), uint64_t{0});
}

TEST("fragments of a control connection keep their numbers right and are not read") {
  FtpLab ftp;
  ftp.open();
  ftp.ask("PASV\r\n");
  std::string text = ftp.entering(ftp.real(kData));
  while ((sizeof(wire::tcp_hdr) + text.size()) % 8 != 0) text += ' ';  // as every fragment but the last is
  const Result first = ftp.lab.send(ftp.answering(text).fragment_field(0x2000));
  if (!CHECK(first.forwarded())) return;
  CHECK_EQ(said(first.packet), text);
}

}  // namespace
}  // namespace vsnat::test
