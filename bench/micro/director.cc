// SPDX-License-Identifier: Apache-2.0
#include "bench/micro/director.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

namespace vsnat::bench {
namespace {

template <class Addr>
service::IpAddress ip_address(const Addr& address) {
  service::IpAddress ip;
  ip.family = Addr::kFamily;
  if constexpr (Addr::kFamily == 4) {
    ip.v4 = address;
  } else {
    ip.v6 = address;
  }
  return ip;
}

/** rr, or wlc as src/scheduler/wlc.ts plans it. */
service::Plan plan_of(const Layout& layout) {
  service::Plan plan;
  for (uint32_t i = 0; i < layout.servers; ++i) plan.steps.push_back(int32_t(i));
  if (layout.choice == Choice::least_loaded) {
    plan.kind = service::PlanKind::least;
    plan.active_cost = 257;
    plan.inactive_cost = 1;
    plan.weighted = true;
  }
  return plan;
}

template <class Addr>
service::ServiceSpec service_spec(const Layout& layout, uint32_t number) {
  service::ServiceSpec spec;
  spec.slot = number;
  spec.listen.push_back({wire::kProtoTcp, ip_address(virtual_address<Addr>(number)), kVirtualPort});
  for (uint32_t i = 0; i < layout.servers; ++i) {
    const uint32_t server = number * layout.servers + i;
    spec.servers.push_back({server, ip_address(real_address<Addr>(server)), kRealPort, 1, 0, 0});
  }
  spec.plan = plan_of(layout);
  return spec;
}

}  // namespace

void fail(const char* what) {
  std::fprintf(stderr, "micro: %s\n", what);
  std::exit(1);
}

template <class Addr>
std::unique_ptr<engine::Engine> open_director(const Layout& layout) {
  engine::EngineOptions options;
  options.flow_capacity = with_room_for(layout.flows);
  options.limits = {layout.services * layout.servers, layout.services};
  options.hash_key = HashKey{1, 2};
  auto engine = engine::Engine::open_memory(options);
  if (!engine) fail("no memory for that many flows");
  service::SnapshotSpec spec;
  for (uint32_t i = 0; i < layout.services; ++i) spec.services.push_back(service_spec<Addr>(layout, i));
  const std::string wrong = engine.value()->publish(spec);
  if (!wrong.empty()) fail(wrong.c_str());
  return std::move(engine.value());
}

template std::unique_ptr<engine::Engine> open_director<wire::Addr4>(const Layout&);
template std::unique_ptr<engine::Engine> open_director<wire::Addr6>(const Layout&);

}  // namespace vsnat::bench
