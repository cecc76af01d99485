// SPDX-License-Identifier: Apache-2.0
//
// Snapshots for tests, from few words.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "service/snapshot.h"
#include "test/native/check.h"
#include "test/native/support/packets.h"

namespace vsnat::test {

inline constexpr service::Limits kTestLimits{64, 16};

inline service::IpAddress ip_address(const Address& address) {
  service::IpAddress ip;
  ip.family = uint8_t(address.family);
  if (address.family == 4)
    ip.v4 = address.v4();
  else
    ip.v6 = address.v6();
  return ip;
}

inline service::ServerSpec server_spec(uint32_t slot, const Endpoint& endpoint, uint32_t weight = 1,
                                       uint32_t upper = 0, uint32_t lower = 0) {
  return {slot, ip_address(endpoint.address), endpoint.port, weight, upper, lower};
}

/** A service on one endpoint whose plan takes its servers in turn. */
inline service::ServiceSpec service_spec(uint32_t slot, uint8_t protocol, const Endpoint& listen,
                                         std::vector<service::ServerSpec> servers) {
  service::ServiceSpec spec;
  spec.slot = slot;
  spec.listen.push_back({protocol, ip_address(listen.address), listen.port});
  spec.servers = std::move(servers);
  for (size_t i = 0; i < spec.servers.size(); ++i) spec.plan.steps.push_back(int32_t(i));
  return spec;
}

/** A snapshot that must build; a test goes on with an empty one when it does not. */
inline std::unique_ptr<service::Snapshot> built(const service::SnapshotSpec& spec, uint64_t generation = 1,
                                                service::Limits limits = kTestLimits) {
  auto result = service::Snapshot::build(spec, limits, generation);
  if (auto* wrong = std::get_if<std::string>(&result)) {
    report_failure(__FILE__, __LINE__, "the snapshot does not build: " + *wrong);
    return std::move(*std::get_if<0>(&(result = service::Snapshot::build({}, limits, generation))));
  }
  return std::move(*std::get_if<0>(&result));
}

}  // namespace vsnat::test
