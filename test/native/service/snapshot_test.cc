// SPDX-License-Identifier: Apache-2.0
//
// Snapshots: what they answer, and the sentence that refuses a spec that cannot be.
#include "service/snapshot.h"

#include <map>
#include <string>
#include <tuple>

#include "base/time.h"
#include "test/native/support/services.h"

namespace vsnat::test {
namespace {

using service::ServiceSpec;
using service::Snapshot;
using service::SnapshotSpec;

ServiceSpec web() {
  return service_spec(0, 6, virtual_endpoint(4),
                      {server_spec(0, real_endpoint(4)), server_spec(1, {ip4(10, 0, 0, 2), 8080})});
}

template <class Change>
std::string refusal(Change&& change) {
  SnapshotSpec spec;
  spec.services = {web(),
                   service_spec(1, 17, {ip4(192, 0, 2, 10), 53}, {server_spec(2, {ip4(10, 0, 0, 3), 53})})};
  change(spec);
  auto result = Snapshot::build(spec, kTestLimits, 1);
  const auto* wrong = std::get_if<std::string>(&result);
  return wrong ? *wrong : "built";
}

TEST("a spec that cannot be is refused with the place and the reason") {
  const struct {
    const char* starts_with;
    void (*change)(SnapshotSpec&);
  } cases[] = {
      {"built", [](SnapshotSpec&) {}},
      {"built", [](SnapshotSpec& s) { s.services.clear(); }},
      {"built", [](SnapshotSpec& s) { s.services[0].servers.clear(), s.services[0].plan.steps.clear(); }},
      {"services[1].slot: used twice", [](SnapshotSpec& s) { s.services[1].slot = 0; }},
      {"services[0].slot: beyond", [](SnapshotSpec& s) { s.services[0].slot = 16; }},
      {"services[0].listen: needs", [](SnapshotSpec& s) { s.services[0].listen.clear(); }},
      {"services[1].listen[0].port:", [](SnapshotSpec& s) { s.services[1].listen[0].port = 0; }},
      {"services[1].listen[0].address: another service",
       [](SnapshotSpec& s) { s.services[1].listen = s.services[0].listen; }},
      {"services[0].listen[1].address: one service has one",
       [](SnapshotSpec& s) {
         s.services[0].listen.push_back({6, ip_address(virtual_endpoint(6).address), 80});
       }},
      {"services[0].servers[1].slot: used twice", [](SnapshotSpec& s) { s.services[0].servers[1].slot = 0; }},
      {"services[1].servers[0].slot: used twice", [](SnapshotSpec& s) { s.services[1].servers[0].slot = 0; }},
      {"services[0].servers[1].slot: beyond", [](SnapshotSpec& s) { s.services[0].servers[1].slot = 64; }},
      {"services[0].servers[0].address: not of",
       [](SnapshotSpec& s) { s.services[0].servers[0].address = ip_address(real_endpoint(6).address); }},
      {"built", [](SnapshotSpec& s) { s.services[0].servers[0].port = 0; }},
      {"built",
       [](SnapshotSpec& s) {
         s.services[1].listen[0].port = 0, s.services[1].persistence = {1, 1};
       }},
      {"built", [](SnapshotSpec& s) { s.services[1].listen[0].port = 0, s.services[1].mark = 1; }},
      {"built", [](SnapshotSpec& s) { s.services[1].one_packet = true; }},
      {"services[0].listen[0].protocol:", [](SnapshotSpec& s) { s.services[0].one_packet = true; }},
      {"built", [](SnapshotSpec& s) { s.services[0].one_packet = true, s.services[0].mark = 1; }},
      {"services[0].persistence.prefixLength: must be 1..32",
       [](SnapshotSpec& s) {
         s.services[0].persistence = {300, 33};
       }},
      {"services[0].persistence.prefixLength: must be 1..32",
       [](SnapshotSpec& s) {
         s.services[0].persistence = {300, 0};
       }},
      {"built",
       [](SnapshotSpec& s) {
         s.services[0].persistence = {300, 0, wire::Addr4{}};
       }},
      {"services[0].persistence.mask: is for IPv4",
       [](SnapshotSpec& s) {
         s.services[0] = service_spec(0, 6, virtual_endpoint(6), {});
         s.services[0].persistence = {300, 64, wire::Addr4{}};
       }},
      {"services[1].mark: another", [](SnapshotSpec& s) { s.services[0].mark = s.services[1].mark = 7; }},
      {"built", [](SnapshotSpec& s) { s.services[1].listen = s.services[0].listen, s.services[1].mark = 7; }},
      {"services[1].listen[0].address: another service",
       [](SnapshotSpec& s) {
         s.services[1].listen = s.services[0].listen;
         s.services[0].mark = 6, s.services[1].mark = 7;
       }},
      {"services[0].servers[0].weight:", [](SnapshotSpec& s) { s.services[0].servers[0].weight = 65536; }},
      {"services[0].plan:", [](SnapshotSpec& s) { s.services[0].plan.steps[0] = 2; }},
      {"services[0].plan:", [](SnapshotSpec& s) { s.services[0].plan.steps[0] = -1; }},
      {"services[0].plan:", [](SnapshotSpec& s) { s.services[0].plan.lead = {2}; }},
      {"services[0].plan.slots: must be a power of two",
       [](SnapshotSpec& s) {
         s.services[0].plan.kind = service::PlanKind::hash;
         s.services[0].plan.steps = {0, 1, 0};
       }},
      {"built",
       [](SnapshotSpec& s) {
         s.services[0].plan.kind = service::PlanKind::hash;
         s.services[0].plan.steps = {0, -1};
       }},
  };
  for (const auto& c : cases) {
    const std::string got = refusal(c.change);
    ROW(c.starts_with);
    CHECK_EQ(got.substr(0, std::string(c.starts_with).size()), std::string(c.starts_with));
  }
}

TEST("a service is found by protocol, address and port, a VIP by its address alone") {
  SnapshotSpec spec;
  spec.services = {web(),
                   service_spec(5, 17, {ip4(192, 0, 2, 10), 80}, {server_spec(2, {ip4(10, 0, 0, 3), 53})}),
                   service_spec(6, 6, virtual_endpoint(6), {server_spec(3, real_endpoint(6))})};
  const auto snapshot = built(spec);
  const auto port = [](uint16_t p) { return wire::be16::from_host(p); };
  const auto vip = ip4(192, 0, 2, 10).v4();
  CHECK_EQ(snapshot->find_service(6, vip, port(80))->slot, 0u);
  CHECK_EQ(snapshot->find_service(17, vip, port(80))->slot, 5u);
  CHECK_EQ(snapshot->find_service(6, virtual_endpoint(6).address.v6(), port(80))->slot, 6u);
  CHECK(snapshot->find_service(6, vip, port(81)) == nullptr);
  CHECK(snapshot->find_service(1, vip, port(80)) == nullptr);
  CHECK(snapshot->find_service(6, ip4(192, 0, 2, 11).v4(), port(80)) == nullptr);
  CHECK(snapshot->is_vip(vip));
  CHECK(snapshot->is_vip(virtual_endpoint(6).address.v6()));
  CHECK(!snapshot->is_vip(ip4(192, 0, 2, 11).v4()));
  CHECK(!snapshot->is_vip(real_endpoint(4).address.v4()));
}

TEST("a thousand listeners are found, and their neighbours are not") {
  Random random("listeners");
  SnapshotSpec spec;
  std::map<std::tuple<uint8_t, uint8_t, uint16_t>, uint32_t> want;
  for (uint32_t s = 0; s < 10; ++s) {
    ServiceSpec one = service_spec(s, 6, {ip4(192, 0, 2, 1), uint16_t(1 + s)}, {});
    one.listen.clear();
    while (one.listen.size() < 100) {
      const uint8_t protocol = random.one_in(2) ? 6 : 17, last = uint8_t(random.below(20));
      const auto port = uint16_t(1 + random.below(200));
      if (!want.emplace(std::tuple(protocol, last, port), s).second) continue;
      one.listen.push_back({protocol, ip_address(ip4(192, 0, 2, last)), port});
    }
    spec.services.push_back(one);
  }
  const auto snapshot = built(spec);
  for (int last = 0; last < 30; ++last) {
    for (int port = 0; port < 210; ++port) {
      for (const uint8_t protocol : {uint8_t{6}, uint8_t{17}}) {
        const auto* found = snapshot->find_service(protocol, ip4(192, 0, 2, uint8_t(last)).v4(),
                                                   wire::be16::from_host(uint16_t(port)));
        const auto known = want.find({protocol, uint8_t(last), uint16_t(port)});
        if (!CHECK_EQ(found != nullptr, known != want.end())) return;
        if (found && !CHECK_EQ(found->slot, known->second)) return;
      }
    }
  }
}

TEST("where a mark's service and an ordinary one listen, the packets are the mark's, whichever was first") {
  for (const uint32_t marked : {0u, 1u}) {
    for (const int family : {4, 6}) {
      SnapshotSpec spec;
      spec.services = {service_spec(0, 6, virtual_endpoint(family), {}),
                       service_spec(1, 6, virtual_endpoint(family), {})};
      spec.services[marked].mark = 7;
      const auto snapshot = built(spec);
      const auto port = wire::be16::from_host(80);
      const auto at = family == 4 ? snapshot->find_listener(6, virtual_endpoint(4).address.v4(), port)
                                  : snapshot->find_listener(6, virtual_endpoint(6).address.v6(), port);
      if (!CHECK(at.service != nullptr)) return;
      CHECK_EQ(at.service->slot, marked);
      CHECK_EQ(at.port, uint16_t{0});
    }
  }
}

TEST("a mark's service comes first, then the one on this port, then the one on every port") {
  SnapshotSpec spec;
  const auto add = [&](uint32_t slot, uint16_t port, uint32_t mark) {
    ServiceSpec service = service_spec(slot, 6, {ip4(192, 0, 2, 10), port}, {});
    service.mark = mark;
    if (port == 0) service.persistence = {300, 32};
    spec.services.push_back(service);
  };
  const auto find = [&](uint16_t port) {
    const auto snapshot = built(spec);
    const auto at = snapshot->find_listener(6, ip4(192, 0, 2, 10).v4(), wire::be16::from_host(port));
    if (at.service == nullptr) return std::string("-");
    return std::to_string(at.service->slot) + " " + std::to_string(at.port);
  };
  add(0, 80, 0);
  CHECK_EQ(find(80), std::string("0 80"));
  CHECK_EQ(find(81), std::string("-"));
  add(1, 0, 0);
  CHECK_EQ(find(80), std::string("0 80"));
  CHECK_EQ(find(81), std::string("1 0"));
  add(2, 443, 7);
  CHECK_EQ(find(443), std::string("2 0"));
  CHECK_EQ(find(80), std::string("0 80"));
  CHECK_EQ(find(81), std::string("1 0"));
  spec.services.erase(spec.services.begin() + 1);
  add(3, 0, 8);
  CHECK_EQ(find(80), std::string("3 0"));
  CHECK_EQ(find(81), std::string("3 0"));
  CHECK_EQ(find(443), std::string("2 0"));
  const auto snapshot = built(spec);
  CHECK(snapshot->find_service(17, ip4(192, 0, 2, 10).v4(), wire::be16::from_host(80)) == nullptr);
}

TEST("a one-packet server is known by its endpoint while exactly one service has it") {
  SnapshotSpec spec;
  const auto add = [&](uint32_t slot, uint16_t port, uint16_t server_port) -> ServiceSpec& {
    spec.services.push_back(service_spec(slot, 17, {ip4(192, 0, 2, 10), port},
                                         {server_spec(slot, {ip4(10, 0, 0, 1), server_port})}));
    spec.services.back().one_packet = true;
    return spec.services.back();
  };
  const auto find = [&](uint16_t port) {
    const auto snapshot = built(spec);
    const auto* reply = snapshot->find_one_packet_reply(ip4(10, 0, 0, 1).v4(), wire::be16::from_host(port));
    if (reply == nullptr) return std::string("-");
    return reply->ambiguous ? std::string("?") : std::to_string(reply->virtual_port.host());
  };
  CHECK_EQ(find(5353), std::string("-"));
  add(0, 53, 5353);
  CHECK_EQ(find(5353), std::string("53"));
  CHECK_EQ(find(53), std::string("-"));
  add(1, 54, 0);  // keeps the port
  CHECK_EQ(find(54), std::string("54"));
  add(2, 55, 5353);
  CHECK_EQ(find(5353), std::string("?"));
  CHECK_EQ(find(54), std::string("54"));
  add(3, 0, 0).persistence = {300, 32};  // every port: nothing is certain any more but what only it has
  CHECK_EQ(find(54), std::string("?"));
  CHECK_EQ(find(99), std::string("0"));
  spec.translate_one_packet_replies = false;
  CHECK_EQ(find(99), std::string("-"));
}

TEST("a server is gone when it left and its service stayed") {
  SnapshotSpec spec;
  spec.services = {web()};
  const auto snapshot = built(spec);
  CHECK_EQ(snapshot->server_gone(0, 0), false);
  CHECK_EQ(snapshot->server_gone(7, 0), true);
  CHECK_EQ(snapshot->server_gone(7, 3), false);  // the whole service left: its flows live on
  CHECK_EQ(snapshot->server_at(1)->address.v4.fold(), ip4(10, 0, 0, 2).v4().fold());
  CHECK(snapshot->server_at(7) == nullptr);
}

TEST("a service's timeouts are found by its slot, wherever it stands in the list") {
  SnapshotSpec spec;
  for (uint32_t s = 0; s < 6; ++s) {
    spec.services.push_back(service_spec(5 - s, 6, {ip4(192, 0, 2, 1), uint16_t(1 + s)}, {}));
    spec.services[s].timeouts.seconds[size_t(flow::State::established)] = 100 + s / 2;
  }
  const auto snapshot = built(spec);
  for (uint32_t s = 0; s < 6; ++s) {
    CHECK_EQ(snapshot->timeout_ticks(5 - s, flow::State::established), ticks_from_seconds(100 + s / 2));
    CHECK_EQ(snapshot->timeout_ticks(5 - s, flow::State::syn_recv), ticks_from_seconds(60));
  }
}

TEST("a service that left leaves the kernel's timeouts to its flows") {
  SnapshotSpec spec;
  spec.services = {web()};
  spec.services[0].timeouts.seconds[size_t(flow::State::established)] = 5;
  CHECK_EQ(built(spec)->timeout_ticks(3, flow::State::established), ticks_from_seconds(900));
}

/** What the packet path can learn of a snapshot, of a thousand places and every slot. */
std::string learnt(const Snapshot& snapshot) {
  std::string text;
  const auto add = [&](uint64_t n) { text += std::to_string(n) + " "; };
  for (uint8_t host = 0; host < 32; ++host) {
    const auto address = ip4(192, 0, 2, host).v4();
    add(snapshot.is_vip(address));
    add(snapshot.is_real_server(ip4(10, 0, 0, host).v4()));
    for (const uint16_t port : {0, 80, 81}) {
      const auto at = snapshot.find_listener(6, address, wire::be16::from_host(port));
      add(at.service ? at.service->slot : 99);
      add(at.port);
    }
  }
  for (uint32_t slot = 0; slot < kTestLimits.server_slots; ++slot) {
    const auto* server = snapshot.server_at(slot);
    add(server ? server->weight : 99);
    add(snapshot.server_gone(slot, slot % kTestLimits.service_slots));
    add(snapshot.is_withdrawn(slot));
    CHECK_EQ(snapshot.is_withdrawn(slot), server != nullptr && server->withdrawn);
    for (uint32_t s = 0; server && s < kTestLimits.service_slots; ++s) {
      const auto* service = snapshot.service_at(s);
      add(service && snapshot.server_of(*service, slot) != nullptr);
    }
  }
  for (uint32_t s = 0; s < kTestLimits.service_slots; ++s)
    add(snapshot.timeout_ticks(s, flow::State::established));
  return text;
}

TEST("a snapshot made by changes is the one made whole, over random changes") {
  Random random("changes");
  std::map<uint32_t, ServiceSpec> services;
  auto current = built({});
  for (uint64_t round = 1; round <= scaled(400); ++round) {
    SnapshotSpec changes;
    std::map<uint32_t, ServiceSpec> next = services;
    for (uint64_t i = random.below(4); i > 0; --i) {
      const auto slot = uint32_t(random.below(6));
      if (random.below(4) == 0 && services.contains(slot) && next.contains(slot)) {
        next.erase(slot);
        continue;
      }
      ServiceSpec service =
          service_spec(slot, 6, {ip4(192, 0, 2, uint8_t(slot * 2 + random.below(2))), 80}, {});
      service.mark = random.below(5) == 0 ? slot + 1 : 0;
      service.timeouts.seconds[size_t(flow::State::established)] = uint32_t(10 + random.below(3));
      for (uint32_t n = 0; n < random.below(4); ++n) {
        service.servers.push_back(server_spec(slot * 8 + n, {ip4(10, 0, 0, uint8_t(random.below(30))), 80},
                                              uint32_t(random.below(3))));
        service.servers.back().withdrawn = random.below(4) == 0;
        service.plan.steps.push_back(int32_t(n));
      }
      next[slot] = service;
    }
    SnapshotSpec whole;
    for (const auto& [slot, service] : next) whole.services.push_back(service);
    for (const auto& [slot, service] : services) {
      if (!next.contains(slot)) changes.removed.push_back(slot);
    }
    std::vector<const service::Service*> carried;
    for (const auto& [slot, service] : next) {
      const bool is_new = !services.contains(slot) || random.below(3) == 0;
      const auto* old = services.contains(slot) ? &services.at(slot) : nullptr;
      const bool differs = old == nullptr || old->servers.size() != service.servers.size() ||
                           old->listen[0].address.v4 != service.listen[0].address.v4 ||
                           old->mark != service.mark || old->timeouts.seconds != service.timeouts.seconds ||
                           old->servers.size() > 0;
      if (is_new || differs) {
        changes.services.push_back(service);
      } else {
        carried.push_back(current->service_at(slot));
      }
    }
    auto result = Snapshot::change(*current, changes, kTestLimits, round + 1);
    if (!CHECK(std::get_if<0>(&result) != nullptr)) return;
    auto changed = std::move(*std::get_if<0>(&result));
    CHECK_EQ(learnt(*changed), learnt(*built(whole)));
    for (const auto* service : carried) CHECK(changed->service_at(service->slot) == service);
    current = std::move(changed);
    services = std::move(next);
  }
}

TEST("a change of weights keeps the directory and all other services, with the steps they have taken") {
  SnapshotSpec spec;
  spec.services = {web(),
                   service_spec(1, 6, {ip4(192, 0, 2, 11), 80}, {server_spec(2, {ip4(10, 0, 0, 3), 53})})};
  const auto before = built(spec);
  before->services[0]->cursor->store(7);
  before->services[1]->cursor->store(9);
  SnapshotSpec changes;
  changes.services = {web()};
  changes.services[0].servers[0].weight = 0;
  changes.services[0].servers[0].withdrawn = true;
  auto result = Snapshot::change(*before, changes, kTestLimits, 2);
  const auto& after = **std::get_if<0>(&result);
  CHECK(after.shares_directory(*before));
  CHECK(after.services[1] == before->services[1]);
  CHECK_EQ(after.server_at(0)->weight, 0u);
  CHECK(after.server_at(0)->withdrawn);
  CHECK_EQ(before->server_at(0)->weight, 1u);
  CHECK_EQ(after.services[0]->cursor->load(), uint64_t{0});
  changes.services[0].servers.pop_back();
  changes.services[0].plan.steps.pop_back();
  auto moved = Snapshot::change(*before, changes, kTestLimits, 3);
  CHECK(!(*std::get_if<0>(&moved))->shares_directory(*before));
}

TEST("a change that cannot be is refused with the place and the reason") {
  SnapshotSpec spec;
  spec.services = {web(),
                   service_spec(1, 6, {ip4(192, 0, 2, 11), 80}, {server_spec(2, {ip4(10, 0, 0, 3), 53})})};
  const auto before = built(spec);
  const auto refusal_of = [&](auto&& change) {
    SnapshotSpec changes;
    change(changes);
    auto result = Snapshot::change(*before, changes, kTestLimits, 2);
    const auto* wrong = std::get_if<std::string>(&result);
    return wrong ? *wrong : std::string("built");
  };
  const ServiceSpec other = service_spec(3, 6, virtual_endpoint(4), {server_spec(5, {ip4(10, 0, 0, 3), 53})});
  CHECK_EQ(refusal_of([&](SnapshotSpec& s) { s.removed = {2}; }),
           std::string("removed[0]: must be the slot of a service"));
  CHECK_EQ(refusal_of([&](SnapshotSpec& s) { s.services = {other}; }),
           std::string("services[0].listen[0].address: another service already listens there"));
  CHECK_EQ(refusal_of([&](SnapshotSpec& s) { s.services = {other}, s.removed = {0}; }), std::string("built"));
  CHECK_EQ(refusal_of([&](SnapshotSpec& s) { s.services = {other}, s.services[0].servers[0].slot = 2; }),
           std::string("services[0].servers[0].slot: used twice"));
}

TEST("an address that lingers is a VIP without a service") {
  SnapshotSpec spec;
  spec.lingering_vips = {ip_address(ip4(192, 0, 2, 77))};
  const auto snapshot = built(spec);
  CHECK(snapshot->is_vip(ip4(192, 0, 2, 77).v4()));
  CHECK(snapshot->find_service(6, ip4(192, 0, 2, 77).v4(), wire::be16::from_host(80)) == nullptr);
  CHECK(!snapshot->is_vip(ip4(192, 0, 2, 78).v4()));
}

}  // namespace
}  // namespace vsnat::test
