// SPDX-License-Identifier: Apache-2.0
//
// Persistence by SIP call: calls that stay where they began, and servers that begin them.
#include <string>

#include "nat/call_out.h"
#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"

namespace vsnat::test {
namespace {

constexpr uint32_t kSeconds = 100;

Bytes message(const std::string& call_id, const std::string& more = "") {
  const std::string text = "INVITE sip:b SIP/2.0\r\n" + more + "Call-ID: " + call_id + "\r\nCSeq: 1\r\n\r\n";
  return Bytes(text.begin(), text.end());
}

/** The lab with its UDP service of each family by call. */
class CallLab : public NatLab {
 public:
  explicit CallLab(bool one_packet, uint32_t capacity = 64) : NatLab(capacity) {
    for (const int family : {4, 6}) {
      phones(family).persistence = {
          kSeconds, uint8_t(family == 4 ? 32 : 128), {}, service::Together::sip_call};
      phones(family).one_packet = one_packet;
    }
    publish();
  }
  service::ServiceSpec& phones(int family) { return spec.services[family == 4 ? 1 : 4]; }
};

/** The number of the real server a client's message reaches; -1 when it goes nowhere. */
int call(NatLab& lab, const Endpoint& from, const std::string& call_id) {
  const int f = from.address.family;
  const Packet before = udp(f).from(from).to(dns_endpoint(f)).payload(message(call_id)).build();
  const Result result = lab.send(before);
  if (!result.forwarded()) return -1;
  const int n = endpoint_of(result.packet, true).address.bytes[f == 4 ? 3 : 15] - 1;
  CHECK(result.packet.bytes == reference_nat(before, {from, dns_server(f, n), 1}).bytes);
  return n;
}

/** Whether the n-th server's message to this client leaves with the VIP. */
bool call_out(NatLab& lab, int n, const Endpoint& to, const std::string& call_id) {
  const int f = to.address.family;
  const Packet before = udp(f).from(dns_server(f, n)).to(to).payload(message(call_id)).build();
  const Result result = lab.send(before);
  return result.forwarded() &&
         CHECK(result.packet.bytes == reference_nat(before, {dns_endpoint(f), to, 1}).bytes);
}

Endpoint phone(int family, uint16_t port = 5060) {
  return {client_endpoint(family).address, port};
}

TEST("each call of one client port stays with the server it began at") {
  for (const int f : {4, 6}) {
    CallLab lab(true);
    const uint32_t base = f == 4 ? 4 : 20;
    CHECK_EQ(call(lab, phone(f), "one"), 0);
    CHECK_EQ(call(lab, phone(f), "two"), 1);
    CHECK_EQ(call(lab, phone(f), "one"), 0);
    CHECK_EQ(call(lab, phone(f, 5061), "two"), 1);
    CHECK_EQ(call(lab, phone(f), "three"), 2);
    CHECK_EQ(lab.templates(), uint64_t{3});
    CHECK_EQ(lab.flows(), uint64_t{0});
    CHECK_EQ(lab.template_of(base), std::string("NONE 100 0"));
    lab.advance_seconds(kSeconds + 1);
    lab.expire();
    CHECK_EQ(lab.templates(), uint64_t{0});
    CHECK_EQ(call(lab, phone(f), "one"), 0);
    lab.check_books();
  }
}

TEST("without one packet a client port has one connection, whatever the call") {
  for (const int f : {4, 6}) {
    CallLab lab(false);
    CHECK_EQ(call(lab, phone(f), "one"), 0);
    CHECK_EQ(call(lab, phone(f), "two"), 0);
    CHECK_EQ(call(lab, phone(f, 5061), "one"), 0);
    CHECK_EQ(call(lab, phone(f, 5062), "two"), 1);
    CHECK_EQ(lab.templates(), uint64_t{2});
    CHECK_EQ(lab.flows(), uint64_t{3});
    lab.check_books();
  }
}

TEST("what has no Call-ID begins nothing and is not answered, not even where no server is") {
  for (const int f : {4, 6}) {
    CallLab lab(true);
    lab.refused(udp(f).from(phone(f)).to(dns_endpoint(f)), DropReason::no_call_id);
    lab.refused(udp(f).from(phone(f)).to(dns_endpoint(f)).payload_bytes(100), DropReason::no_call_id);
    lab.phones(f).servers.clear();
    lab.phones(f).plan = {};
    lab.publish();
    lab.refused(udp(f).from(phone(f)).to(dns_endpoint(f)), DropReason::no_call_id);
    lab.check_books();
  }
}

TEST("a server's part of a call leaves with the VIP and proves that the call is alive") {
  for (const int f : {4, 6}) {
    CallLab lab(true);
    const uint32_t base = f == 4 ? 4 : 20;
    CHECK_EQ(call(lab, phone(f), "one"), 0);
    CHECK(call_out(lab, 0, phone(f), "one"));
    CHECK(call_out(lab, 0, phone(f, 5099), "one"));  // wherever the phone wants it
    CHECK_EQ(lab.template_of(base), std::string("ASSURED 100 0"));
    CHECK_EQ(lab.tally.connections(base).read(), uint64_t{3});
    CHECK_EQ(lab.tally.volume(base, flow::Direction::reply).packets, uint64_t{2});
    CHECK_EQ(lab.flows(), uint64_t{0});
    lab.check_books();
  }
}

TEST("a server that begins a call gets what the phone says to it, and the rest of the call") {
  for (const int f : {4, 6}) {
    CallLab lab(false);
    const uint32_t base = f == 4 ? 4 : 20;
    CHECK(call_out(lab, 2, phone(f), "one"));
    CHECK_EQ(lab.template_of(base + 2), std::string("ASSURED 100 1"));
    CHECK_EQ(call(lab, phone(f), "another"), 2);  // its connection's
    CHECK_EQ(call(lab, phone(f, 5061), "one"), 2);
    CHECK_EQ(lab.inactive(base + 2), 2u);
    lab.check_books();
  }
}

TEST("a call that another server takes over is that server's from then on") {
  for (const int f : {4, 6}) {
    CallLab lab(true);
    CHECK_EQ(call(lab, phone(f), "one"), 0);
    CHECK(call_out(lab, 1, phone(f), "one"));
    CHECK_EQ(call(lab, phone(f), "one"), 1);
    lab.check_books();
  }
}

TEST("of two servers that call one client port the last is answered") {
  for (const int f : {4, 6}) {
    CallLab lab(false);
    for (const int n : {0, 1, 0, 2}) {
      CHECK(call_out(lab, n, phone(f), std::string(1, char('a' + n))));
      CHECK_EQ(call(lab, phone(f), "any"), n);
      lab.check_books();
    }
    CHECK_EQ(lab.flows(), uint64_t{1});
  }
}

TEST("of services that share a server the one that knows the call speaks, and for a new call the last") {
  CallLab lab(true);
  // A second VIP in front of the same servers, as the web services have one.
  service::ServiceSpec other = lab.phones(4);
  other.slot = 8;
  for (auto& server : other.servers) server.slot += 40;
  other.listen[0].address = lab.spec.services[2].listen[0].address;
  lab.spec.services.push_back(other);
  lab.publish();
  const Endpoint other_vip{other_virtual_endpoint(4).address, 53};
  CHECK_EQ(call(lab, phone(4), "one"), 0);
  CHECK(call_out(lab, 0, phone(4), "one"));
  const Packet packet = udp(4).from(dns_server(4, 0)).to(phone(4)).payload(message("new")).build();
  const Result result = lab.send(packet);
  CHECK(result.forwarded());
  CHECK(endpoint_of(result.packet, false) == other_vip);
}

TEST("a table without room refuses a server's call as it refuses a client's") {
  CallLab lab(false, 1);
  CHECK(call_out(lab, 0, phone(4), "one"));
  const Packet packet = udp(4).from(dns_server(4, 1)).to(phone(4, 5061)).payload(message("two")).build();
  CHECK_EQ(lab.send(packet).outcome.reason, DropReason::table_full);
  lab.check_books();
}

}  // namespace
}  // namespace vsnat::test
