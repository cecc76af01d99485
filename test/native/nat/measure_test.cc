// SPDX-License-Identifier: Apache-2.0
//
// What is noticed of a server in passing: how long it took, what came twice, what never came, and what it refused. That a
// server's handshakes are never more than its connections is checked after every packet of every test (NatLab).
#include "nat/measure.h"

#include <string>

#include "test/native/check.h"
#include "test/native/nat/scene.h"

namespace vsnat::test {
namespace {

constexpr uint8_t kInit = 1, kInitAck = 2, kSctpAbort = 6;

TEST("the time from SYN to SYN-ACK falls into the bucket whose bounds hold it") {
  const struct {
    uint64_t us;
    size_t bucket;
  } rows[] = {{0, 0},      {100, 0},         {101, 1},         {1'000, 3},         {1'001, 4},
              {99'999, 9}, {10'000'000, 15}, {10'000'001, 16}, {3'599'000'000, 16}};
  for (const int family : {4, 6}) {
    for (const auto& row : rows) {
      ROW(std::to_string(row.us) + " us");
      Scene s(family);
      s.lab.spec.services[family == 4 ? 0 : 3].timeouts.seconds[size_t(flow::State::syn_recv)] = 4000;
      s.lab.publish();
      s.syn();
      s.syn_ack(row.us);
      CHECK_EQ(text_of(s.signals().handshake), "1 in " + std::to_string(row.us) + "us");
      CHECK_EQ(s.signals().handshake.counts[row.bucket].read(), uint64_t{1});
    }
  }
}

TEST("also over the moment when 32 bits of microseconds begin again") {
  Scene s(4);
  s.lab.now = Now{(uint64_t{1} << 32) / 1000, 0};  // a little before
  s.syn();
  s.syn_ack(20'000);
  CHECK_EQ(text_of(s.signals().handshake), std::string("1 in 20000us"));
}

TEST("an answer that another queue saw on an older clock took no time, not an hour") {
  Scene s(4);
  s.syn();
  s.lab.now.ms -= 1;
  s.syn_ack(0);
  CHECK_EQ(text_of(s.signals().handshake), std::string("1 in 0us"));
}

TEST("after a repeated SYN nobody knows which one was answered: counted, not timed") {
  for (const int family : {4, 6}) {
    Scene s(family);
    s.syn();
    s.after(1'000'000, client_says(family, kSyn, kC - 1, 0));
    s.after(2'000'000, client_says(family, kSyn, kC - 1, 0));
    CHECK_EQ(s.signals().syn_repeated.read(), uint64_t{2});
    s.syn_ack(300);
    s.syn_ack(300);  // the server repeats itself, too
    CHECK_EQ(s.signals().handshakes_ambiguous.read(), uint64_t{1});
    CHECK_EQ(samples(s.signals().handshake), uint64_t{0});
    s.lab.advance_seconds(1000);
    s.lab.expire();
    CHECK_EQ(s.signals().syn_unanswered.read(), uint64_t{0});
  }
}

TEST("a connection whose SYN nobody answered is counted when its time is over, however that shows") {
  for (const int family : {4, 6}) {
    for (const bool swept : {true, false}) {
      Scene s(family);
      s.syn();
      s.lab.advance_seconds(59);
      s.lab.expire();
      CHECK_EQ(s.signals().syn_unanswered.read(), uint64_t{0});
      s.lab.advance_seconds(1);
      if (swept)
        s.lab.expire();
      else
        s.syn();  // finds it before the sweep does; another server's turn
      CHECK_EQ(s.signals().syn_unanswered.read(), uint64_t{1});
    }
  }
}

TEST("a client that gave up itself, and one pushed out by others, say nothing about the server") {
  Scene gave_up(4);
  gave_up.syn();
  gave_up.after(10, client_says(4, kRst, kC, 0));
  gave_up.lab.advance_seconds(60);
  gave_up.lab.expire();
  CHECK_EQ(gave_up.signals().syn_unanswered.read(), uint64_t{0});

  NatLab full(16);
  for (uint16_t i = 0; i < 64; ++i)
    full.send(client_says(4, kSyn, kC - 1, 0).source_port(uint16_t(2000 + i)));
  for (uint32_t slot = 0; slot < 3; ++slot)
    CHECK_EQ(full.tally.signals(slot).syn_unanswered.read(), uint64_t{0});
}

TEST("a RST of the server is a refusal before it has said anything, and a reset later") {
  for (const int family : {4, 6}) {
    Scene refused(family);
    refused.syn();
    refused.after(5, server_says(family, kRst | kAck, 0, kC));
    refused.after(5, server_says(family, kRst | kAck, 0, kC));
    CHECK_EQ(refused.signals().handshakes_refused.read(), uint64_t{1});
    CHECK_EQ(refused.signals().resets.read(), uint64_t{0});
    refused.lab.advance_seconds(100);
    refused.lab.expire();
    CHECK_EQ(refused.signals().syn_unanswered.read(), uint64_t{0});

    Scene reset(family);
    reset.open();
    reset.after(5, server_says(family, kRst, kS, 0));
    reset.after(5, server_says(family, kRst, kS, 0));
    CHECK_EQ(reset.signals().handshakes_refused.read(), uint64_t{0});
    CHECK_EQ(reset.signals().resets.read(), uint64_t{1});
  }
}

TEST("a RST of the client, and one with a guessed number, are no reset of the server's") {
  Scene s(4);
  s.open();
  s.after(5, server_says(4, kRst, kS + 77, 0));
  CHECK_EQ(s.lab.tally.suspect_resets.read(), uint64_t{1});
  s.after(5, client_says(4, kRst, kC, 0));
  CHECK_EQ(s.signals().resets.read(), uint64_t{0});
}

TEST("the first byte is timed from the client's first payload to the server's first behind it") {
  for (const int family : {4, 6}) {
    Scene s(family);
    s.open();
    s.after(7'000'000, client_says(family, kAck | kPsh, kC, kS, 100));  // thinking is the client's time
    s.after(10, server_says(family, kAck, kS, kC + 100));               // an acknowledgment is no reply
    s.after(400, client_says(family, kAck | kPsh, kC + 100, kS, 50));
    s.after(1'000, server_says(family, kAck | kPsh, kS, kC + 150, 1000));
    s.after(1'000, client_says(family, kAck | kPsh, kC + 150, kS + 1000, 50));
    s.after(9'000, server_says(family, kAck | kPsh, kS + 1000, kC + 200, 1000));
    CHECK_EQ(text_of(s.signals().first_byte), std::string("1 in 1410us"));
    CHECK_EQ(s.signals().first_bytes_ambiguous.read(), uint64_t{0});
  }
}

TEST("a request that came twice before its reply is counted, not timed") {
  Scene s(4);
  s.open();
  s.after(10, client_says(4, kAck | kPsh, kC, kS, 100));
  s.after(200'000, client_says(4, kAck | kPsh, kC, kS, 100));
  s.after(500, server_says(4, kAck | kPsh, kS, kC + 100, 10));
  CHECK_EQ(samples(s.signals().first_byte), uint64_t{0});
  CHECK_EQ(s.signals().first_bytes_ambiguous.read(), uint64_t{1});
}

TEST("a server that speaks first has replied to nothing") {
  Scene s(4);
  s.open();
  s.after(10, server_says(4, kAck | kPsh, kS, kC, 20));
  s.after(10, client_says(4, kAck | kPsh, kC, kS + 20, 20));
  s.after(10, server_says(4, kAck | kPsh, kS + 20, kC + 20, 20));
  CHECK_EQ(samples(s.signals().first_byte) + s.signals().first_bytes_ambiguous.read(), uint64_t{0});
}

TEST("of UDP the first datagram and the first reply are timed, unless the client asked twice") {
  for (const int family : {4, 6}) {
    const auto ask = udp(family).to(dns_endpoint(family)).payload_bytes(30);
    const auto reply = udp(family).from(dns_server(family, 0)).to(client_endpoint(family)).payload_bytes(90);
    Scene once(family, 4);
    once.after(0, ask);
    once.after(350, reply);
    once.after(50, ask);
    once.after(50, reply);
    CHECK_EQ(text_of(once.signals().first_byte), std::string("1 in 350us"));
    CHECK_EQ(samples(once.signals().handshake), uint64_t{0});

    Scene twice(family, 4);
    twice.after(0, ask);
    twice.after(350, ask);
    twice.after(50, reply);
    CHECK_EQ(samples(twice.signals().first_byte), uint64_t{0});
    CHECK_EQ(twice.signals().first_bytes_ambiguous.read(), uint64_t{1});
    twice.lab.advance_seconds(1000);
    twice.lab.expire();
    CHECK_EQ(twice.signals().syn_unanswered.read(), uint64_t{0});
  }
}

TEST("an SCTP association is timed from INIT to INIT ACK, refused by ABORT, unanswered by silence") {
  for (const int family : {4, 6}) {
    const auto init = sctp(family).to(sctp_endpoint(family)).vtag(0).chunk(kInit, Bytes(16, 0x5a));
    const auto says = [family](uint8_t chunk) {
      return sctp(family)
          .from(sctp_server(family, 0))
          .to(client_endpoint(family))
          .chunk(chunk, Bytes(16, 0xa5));
    };
    Scene answered(family, 12);
    answered.after(0, init);
    answered.after(900, says(kInitAck));
    CHECK_EQ(text_of(answered.signals().handshake), std::string("1 in 900us"));
    answered.after(900, says(kSctpAbort));
    CHECK_EQ(answered.signals().resets.read(), uint64_t{1});

    Scene refused(family, 12);
    refused.after(0, init);
    refused.after(1'000, init);
    refused.after(900, says(kSctpAbort));
    CHECK_EQ(refused.signals().syn_repeated.read(), uint64_t{1});
    CHECK_EQ(refused.signals().handshakes_refused.read(), uint64_t{1});

    Scene silent(family, 12);
    silent.after(0, init);
    silent.lab.advance_seconds(100);
    silent.lab.expire();
    CHECK_EQ(silent.signals().syn_unanswered.read(), uint64_t{1});
  }
}

TEST("ICMP says that a server is unreachable, itself or a router for it; a smaller MTU is not that") {
  for (const int family : {4, 6}) {
    const Endpoint router{family == 4 ? ip4(203, 0, 113, 9) : ip6({0x2001, 0xdb8, 9, 0, 0, 0, 0, 9}), 0};
    const auto quote =
        tcp(family).flags(kSyn).seq(kC - 1).from(client_endpoint(family)).to(web_server(family, 0)).bytes();
    const struct {
      const char* name;
      uint8_t type, code;
      uint32_t rest;
      uint64_t counted;
    } rows[] = {
        {"host", uint8_t(family == 4 ? 3 : 1), uint8_t(family == 4 ? 1 : 3), 0, 1},
        {"port", uint8_t(family == 4 ? 3 : 1), uint8_t(family == 4 ? 3 : 4), 0, 1},
        {"too big", uint8_t(family == 4 ? 3 : 2), uint8_t(family == 4 ? 4 : 0), 1400, 0},
        {"time exceeded", uint8_t(family == 4 ? 11 : 3), 0, 0, 0},
    };
    for (const auto& row : rows) {
      for (const Endpoint& from : {router, web_server(family, 0)}) {
        ROW(std::string(row.name) + ", IPv" + std::to_string(family));
        Scene s(family);
        s.syn();
        s.after(10, icmp(family)
                        .icmp(row.type, row.code, row.rest)
                        .payload(quote)
                        .from(from)
                        .to(client_endpoint(family)));
        CHECK_EQ(s.signals().unreachable.read(), row.counted);
      }
    }
  }
}

TEST("a client port used again while its connection keeps its place is not measured twice") {
  Scene s(4);
  s.lab.spec.policy.reuse_closed = false;
  s.lab.publish();
  for (int round = 0; round < 3; ++round) {
    s.open();
    s.after(5, server_says(4, kRst, kS, 0));
  }
  CHECK_EQ(samples(s.signals().handshake), uint64_t{1});
  CHECK_EQ(s.signals().resets.read(), uint64_t{3});
  CHECK_EQ(s.lab.tally.connections(0).read(), uint64_t{1});
}

TEST("a connection taken up in the middle is not measured, but its retransmissions are") {
  Scene s(4);
  s.lab.spec.policy.sloppy_tcp = true;
  s.lab.publish();
  s.after(0, client_says(4, kAck | kPsh, kC, kS, 100));
  s.after(10, client_says(4, kAck | kPsh, kC, kS, 100));
  s.after(10, server_says(4, kAck | kPsh, kS, kC + 100, 100));
  CHECK_EQ(samples(s.signals().handshake) + samples(s.signals().first_byte), uint64_t{0});
  CHECK_EQ(s.signals().first_bytes_ambiguous.read(), uint64_t{0});
  CHECK_EQ(s.signals().retransmissions[0].read(), uint64_t{1});
}

}  // namespace
}  // namespace vsnat::test
