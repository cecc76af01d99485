// SPDX-License-Identifier: Apache-2.0
//
// The director beside a slow model of the kernel's main path, as the specification tells it: one service per protocol,
// connections in a map, one function per event, settings and servers that change at random. After every packet both
// must agree on what became of it, on the connection's state and time left, and on the servers' loads.
//
// Where vsnat differs on purpose the model follows vsnat: a SYN+ACK or SYN+FIN begins nothing (docs/differences.md),
// and a segment that IPVS would leave to the host gets no_flow. RSTs here are always plausible.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"
#include "test/native/support/kernel_tcp.h"

namespace vsnat::test {
namespace {

struct Settings {
  int conn_reuse_mode = 1;
  bool expire_nodest = false, silent = false;
  bool sloppy_tcp = false, schedule_icmp = false, nat_icmp_send = false;
  bool secure_tcp = false;
  int drop_rate = 0;
};

struct Conn {
  int server = 0;
  std::string state;
  uint64_t until_ms = 0;
};

/** A service's servers by number; -1 is absent, else the weight. */
using Weights = std::vector<int>;

class Model {
 public:
  Settings settings;
  std::map<uint8_t, Weights> weights{{kTcp, {1, 1, 1}}, {kUdp, {1, 1, 1}}};
  int drop_counter = 0;
  uint64_t now_ms = 0;

  void published() { turn_.clear(); }

  /** "forward N", or the reason why not. */
  std::string on_client(uint8_t protocol, uint16_t port, uint8_t flags) {
    Conn* conn = find(protocol, port);
    const bool begins = protocol == kTcp && (flags & (kSyn | kAck | kFin | kRst)) == kSyn;
    if (conn && begins) {
      const bool drained = settings.expire_nodest && weights[protocol][size_t(conn->server)] == 0;
      const bool closed = settings.conn_reuse_mode != 0 && (conn->state == "TW" || conn->state == "CL");
      if (drained || closed) conn = expire(protocol, port);
    }
    if (conn && weights[protocol][size_t(conn->server)] < 0) {
      if (settings.silent) return "server_gone";
      conn = expire(protocol, port);
      if (protocol == kTcp && !may_begin(flags)) return "server_gone";
    }
    if (!conn) {
      if (protocol == kTcp && (flags & kSyn) && (flags & (kFin | kRst))) return "tcp_flags";
      if (protocol == kTcp && !may_begin(flags)) return "no_flow";
      const std::string refusal = schedule(protocol, port, &conn);
      if (!refusal.empty()) return refusal;
    }
    move(*conn, protocol, false, flags);
    return "forward " + std::to_string(conn->server);
  }

  std::string on_server(uint8_t protocol, int server, uint16_t port, uint8_t flags) {
    Conn* conn = find(protocol, port);
    if (!conn || conn->server != server) {
      const bool told = settings.nat_icmp_send && weights[protocol][size_t(server)] >= 0 &&
                        !(protocol == kTcp && (flags & kRst));
      return told ? "stray_reply" : "pass";
    }
    move(*conn, protocol, true, flags);
    return "forward " + std::to_string(server);
  }

  /** An ICMP error of the client about a reply. */
  std::string on_error(uint8_t protocol, uint16_t port) {
    Conn* conn = find(protocol, port);
    if (!conn) {
      if (!settings.schedule_icmp) return "pass";
      const std::string refusal = schedule(protocol, port, &conn);
      if (!refusal.empty()) return refusal;
      conn->until_ms = now_ms + 3000;
    }
    return "forward " + std::to_string(conn->server);
  }

  Conn* find(uint8_t protocol, uint16_t port) {
    const auto it = conns_.find({protocol, port});
    if (it == conns_.end()) return nullptr;
    if (it->second.until_ms <= now_ms) return expire(protocol, port);
    return &it->second;
  }

  /** Connections that are there or whose time is over but nobody has looked, as {active, inactive}. */
  std::pair<int, int> load(uint8_t protocol, int server) const {
    std::pair<int, int> load;
    for (const auto& [key, conn] : conns_) {
      if (key.first != protocol || conn.server != server) continue;
      ++(kernel_state(conn.state).active ? load.first : load.second);
    }
    return load;
  }

 private:
  bool may_begin(uint8_t flags) const {
    if (flags & kRst) return false;
    if (flags & kSyn && flags & kFin) return false;
    return settings.sloppy_tcp || (flags & (kSyn | kAck | kFin)) == kSyn;
  }

  Conn* expire(uint8_t protocol, uint16_t port) {
    conns_.erase({protocol, port});
    return nullptr;
  }

  std::string schedule(uint8_t protocol, uint16_t port, Conn** conn) {
    if (settings.drop_rate != 0 && --drop_counter <= 0) {
      drop_counter = settings.drop_rate;
      return "drop_packet";
    }
    const std::optional<int> server = pick(protocol);
    if (!server) return "no_server";
    Conn& fresh = conns_[{protocol, port}];
    fresh = Conn{*server, protocol == kTcp ? "NO" : "UD", 0};
    *conn = &fresh;
    return {};
  }

  /** In turn, over those that are there; weight 0 is passed over. */
  std::optional<int> pick(uint8_t protocol) {
    std::vector<int> present;
    bool any = false;
    for (int n = 0; n < 3; ++n) {
      const int weight = weights[protocol][size_t(n)];
      if (weight >= 0) present.push_back(n);
      any = any || weight > 0;
    }
    if (!any) return {};
    for (;;) {
      const int candidate = present[turn_[protocol]++ % present.size()];
      if (weights[protocol][size_t(candidate)] > 0) return candidate;
    }
  }

  void move(Conn& conn, uint8_t protocol, bool reply, uint8_t flags) {
    if (protocol == kTcp) conn.state = kernel_next(settings.secure_tcp, conn.state, reply, flags);
    conn.until_ms = now_ms + uint64_t(kernel_state(conn.state).seconds) * 1000;
  }

  std::map<std::pair<uint8_t, uint16_t>, Conn> conns_;
  std::map<uint8_t, size_t> turn_;
};

/** The same for a lab: settings and servers into its spec, packets into it, what it did into a word. */
class Subject {
 public:
  explicit Subject(int family) : family_(family), base_(family == 4 ? 0 : 3) {
    // The service that shares the TCP servers would still have those the model has deleted.
    lab.spec.services[base_ + 2].servers.clear();
    lab.spec.services[base_ + 2].plan.steps.clear();
    first_ = lab.spec.services;
  }

  void apply(const Model& model, bool count_anew) {
    for (const uint8_t protocol : {kTcp, kUdp}) {
      service::ServiceSpec& service = lab.spec.services[index(protocol)];
      service.servers.clear();
      service.plan.steps.clear();
      for (size_t n = 0; n < 3; ++n) {
        const int weight = model.weights.at(protocol)[n];
        if (weight < 0) continue;
        service.servers.push_back(first_[index(protocol)].servers[n]);
        service.servers.back().weight = uint32_t(weight);
        service.plan.steps.push_back(int32_t(service.plan.steps.size()));
      }
    }
    const Settings& s = model.settings;
    lab.spec.removed_server = s.silent ? service::RemovedServer::silent : service::RemovedServer::reset;
    service::Policy& policy = lab.spec.policy;
    policy.reuse_closed = s.conn_reuse_mode != 0;
    policy.expire_nodest = s.expire_nodest;
    policy.sloppy_tcp = s.sloppy_tcp;
    policy.schedule_icmp = s.schedule_icmp;
    policy.nat_icmp_send = s.nat_icmp_send;
    lab.publish();
    lab.defence.set({uint32_t(s.drop_rate), count_anew, false, s.secure_tcp});
  }

  Endpoint client(uint16_t port) const { return {client_endpoint(family_).address, port}; }
  Endpoint virt(uint8_t protocol) const {
    return protocol == kTcp ? virtual_endpoint(family_) : dns_endpoint(family_);
  }
  Endpoint server(uint8_t protocol, int n) const {
    return protocol == kTcp ? web_server(family_, n) : dns_server(family_, n);
  }

  std::string on_client(uint8_t protocol, uint16_t port, uint8_t flags) {
    return fate(segment(protocol, port, flags, true).from(client(port)).to(virt(protocol)), protocol, true);
  }
  std::string on_server(uint8_t protocol, int n, uint16_t port, uint8_t flags) {
    return fate(segment(protocol, port, flags, false).from(server(protocol, n)).to(client(port)), protocol,
                false);
  }
  std::string on_error(uint8_t protocol, uint16_t port) {
    const PacketBuilder quoted = (protocol == kTcp ? tcp(family_) : udp(family_))
                                     .from(virt(protocol))
                                     .to(client(port))
                                     .payload_bytes(8);
    return fate(icmp(family_)
                    .icmp(family_ == 4 ? 3 : 1, family_ == 4 ? 3 : 4, 0)
                    .payload(quoted.bytes())
                    .from(client(port))
                    .to(virt(protocol)),
                protocol, true);
  }

  /** State and milliseconds left. */
  std::string flow(uint8_t protocol, uint16_t port) {
    return family_ == 4 ? flow_of<wire::Addr4>(protocol, port) : flow_of<wire::Addr6>(protocol, port);
  }
  uint32_t slot(uint8_t protocol, int n) const { return first_[index(protocol)].servers[size_t(n)].slot; }

  NatLab lab;

 private:
  size_t index(uint8_t protocol) const { return base_ + (protocol == kTcp ? 0 : 1); }

  /** Numbers with which nothing is ever confirmed, and RSTs that a host might have sent. */
  PacketBuilder segment(uint8_t protocol, uint16_t port, uint8_t flags, bool request) {
    if (protocol == kUdp) return udp(family_).payload_bytes(5);
    PacketBuilder packet = tcp(family_).flags(flags).seq(request ? 1000 : 5000).ack(request ? 7 : 9);
    if (flags & kRst) {
      packet.flags(flags | kAck);
      packet.ack(family_ == 4 ? end_of<wire::Addr4>(port, !request) : end_of<wire::Addr6>(port, !request));
    }
    return packet;
  }
  template <class Addr>
  uint32_t end_of(uint16_t port, bool request) {
    const auto* flow = lab.flow_of<Addr>(kTcp, client(port), virt(kTcp));
    return flow ? flow->seq_end[request ? 0 : 1] : 0;
  }
  template <class Addr>
  std::string flow_of(uint8_t protocol, uint16_t port) {
    const auto* flow = lab.flow_of<Addr>(protocol, client(port), virt(protocol));
    if (flow == nullptr || !flow->expires_at.after(lab.now.tick())) return "-";
    return std::string(flow::state_name(flow->state)) + " " +
           std::to_string(flow->expires_at.since(lab.now.tick()));
  }

  std::string fate(const PacketBuilder& packet, uint8_t protocol, bool request) {
    lab.budget = nat::AnswerBudget{};
    const Result result = lab.send(packet);
    if (result.passed()) return "pass";
    if (!result.forwarded()) return kDropReasons[size_t(result.outcome.reason)].name;
    for (int n = 0; n < 3; ++n) {
      // Of a reply only the VIP is left to see; who sent it is known.
      const Endpoint want = server(protocol, n);
      const Endpoint got = endpoint_of(request ? result.packet : packet.build(), request);
      if (got.address == want.address) return "forward " + std::to_string(n);
    }
    return "forward nowhere";
  }

  int family_;
  size_t base_;
  std::vector<service::ServiceSpec> first_;
};

void change_something(Random& random, Model& model) {
  Settings& s = model.settings;
  switch (random.below(9)) {
    case 0:
      s.conn_reuse_mode = int(random.below(4));
      return;
    case 1:
      s.expire_nodest = random.one_in(2);
      return;
    case 2:
      s.silent = random.one_in(2);
      return;
    case 3:
      s.sloppy_tcp = random.one_in(2);
      return;
    case 4:
      s.schedule_icmp = random.one_in(2);
      return;
    case 5:
      s.nat_icmp_send = random.one_in(2);
      return;
    case 6:
      s.secure_tcp = random.one_in(2);
      return;
    case 7:
      s.drop_rate = random.one_in(2) ? 0 : int(random.between(1, 4));
      return;
    default:
      model.weights[random.one_in(2) ? kTcp : kUdp][random.below(3)] = int(random.below(4)) - 1;
  }
}

void compare_history(Random& random, int family, int steps) {
  constexpr uint8_t kFlags[] = {kSyn,        kSyn,        kSyn | kAck, kAck,        kAck | kPsh,
                                kFin | kAck, kFin | kAck, kRst | kAck, kSyn | kFin, 0};
  Model model;
  Subject subject(family);
  model.now_ms = subject.lab.now.ms;
  for (int step = 0; step < steps; ++step) {
    if (random.one_in(12)) {
      change_something(random, model);
      const bool count_anew = random.one_in(3);
      if (count_anew) model.drop_counter = model.settings.drop_rate;
      subject.apply(model, count_anew);
      model.published();
    }
    if (random.one_in(3)) {
      constexpr uint32_t kPauses[] = {1, 8, 30, 80, 81, 500, 990, 7300};
      subject.lab.now.ms += uint64_t(kPauses[random.below(std::size(kPauses))]) * (1000 / kTicksPerSecond);
      model.now_ms = subject.lab.now.ms;
      if (random.one_in(4)) subject.lab.expire();
    }
    const uint8_t protocol = random.one_in(4) ? kUdp : kTcp;
    const auto port = uint16_t(1 + random.below(4));
    const uint8_t flags = kFlags[random.below(std::size(kFlags))];
    const int server = int(random.below(3));
    const uint32_t kind = random.below(10);
    std::string got, want;
    if (kind < 6) {
      got = subject.on_client(protocol, port, flags);
      want = model.on_client(protocol, port, flags);
    } else if (kind < 9) {
      got = subject.on_server(protocol, server, port, flags);
      want = model.on_server(protocol, server, port, flags);
    } else {
      got = subject.on_error(protocol, port);
      want = model.on_error(protocol, port);
    }
    ROW("step " + std::to_string(step) + " kind " + std::to_string(kind) + " protocol " +
        std::to_string(protocol) + " port " + std::to_string(port) + " flags " + std::to_string(flags));
    if (!CHECK_EQ(got, want)) return;
    for (const uint8_t p : {kTcp, kUdp}) {
      for (uint16_t q = 1; q <= 4; ++q) {
        const Conn* conn = model.find(p, q);
        const std::string said =
            conn == nullptr ? "-"
                            : std::string(kernel_state(conn->state).name) + " " +
                                  std::to_string((conn->until_ms - model.now_ms) * kTicksPerSecond / 1000);
        if (!CHECK_EQ(subject.flow(p, q), said)) return;
      }
    }
    // The loads of both are of what anybody has looked at: let both look at everything.
    subject.lab.expire();
    for (const uint8_t p : {kTcp, kUdp}) {
      for (int n = 0; n < 3; ++n) {
        const auto [active, inactive] = model.load(p, n);
        if (!CHECK_EQ(subject.lab.active(subject.slot(p, n)), uint32_t(active))) return;
        if (!CHECK_EQ(subject.lab.inactive(subject.slot(p, n)), uint32_t(inactive))) return;
      }
    }
  }
}

TEST("random packets under random settings fare as the model of the kernel says") {
  Random random("kernel model");
  for (int round = 0; round < scaled(300); ++round) {
    ROW("history " + std::to_string(round));
    compare_history(random, random.one_in(2) ? 4 : 6, 400);
  }
}

}  // namespace
}  // namespace vsnat::test
