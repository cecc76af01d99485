// SPDX-License-Identifier: Apache-2.0
//
// What the control side says of services: plain data, not yet checked. src/dataplane/dataplane.ts is the same in TypeScript.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "flow/tcp_state.h"
#include "service/places.h"
#include "service/policy.h"
#include "wire/address.h"

namespace vsnat::service {

struct ListenSpec {
  uint8_t protocol = 0;
  IpAddress address;
  uint16_t port = 0;
};

struct ServerSpec {
  uint32_t slot = 0;
  IpAddress address;
  uint16_t port = 0;
  uint32_t weight = 0;
  uint32_t upper_threshold = 0, lower_threshold = 0;
  /** Dead, or to be treated so: nothing may bring it a new connection, nor one that it has not answered. */
  bool withdrawn = false;
};

enum class PlanKind : uint8_t { cycle, hash, least, first, local, bounded };
enum class HashFunction : uint8_t { golden, siphash };
enum class HashOn : uint8_t { source, destination };
/** Which servers a least plan compares. */
enum class Among : uint8_t { all, idle_first, two, two_distinct };
/** Which connections are a server's load to a bounded plan. */
enum class Counted : uint8_t { active, all };

/** src/model/plan.ts says what each kind means. */
struct Plan {
  PlanKind kind = PlanKind::cycle;
  std::vector<int32_t> lead;  // cycle
  /** cycle: the loop; hash and bounded: the slots (-1 empty); the others: the order servers are tried and ties broken in. */
  std::vector<int32_t> steps;
  // hash; bounded has `on` and `use_port` of it
  HashFunction function = HashFunction::golden;
  HashOn on = HashOn::source;
  bool use_port = false, fallback = false;
  // least; local knows the first two and is always weighted
  uint32_t active_cost = 0, inactive_cost = 0, constant = 0;
  bool weighted = false;
  Among among = Among::all;
  /** Of every server of the service, what its cost is multiplied by; empty: 1. */
  std::vector<uint16_t> factors;
  // first
  bool overflow = false;
  // local
  bool replicate = false;
  uint32_t forget_ticks = 0;
  // bounded
  uint32_t bound_percent = 0;
  Counted counted = Counted::active;
};

/** What besides the client's network says that connections belong together (IPVS: persistence engine). */
enum class Together : uint8_t { network, sip_call };

/** New connections of a client's network go where its last one went. */
struct PersistenceSpec {
  uint32_t seconds = 0;     // 0: not persistent
  uint8_t prefix_bits = 0;  // of the client's address
  /** IPv4 only: which bits of the address count, in the place of prefix_bits. */
  std::optional<wire::Addr4> mask;
  Together together = Together::network;
};

/** Who reads the service's control connections (nat/ftp_helper.h). */
enum class Helper : uint8_t { none, ftp };

struct ServiceSpec {
  uint32_t slot = 0;
  std::vector<ListenSpec> listen;
  std::vector<ServerSpec> servers;
  Plan plan;
  flow::Timeouts timeouts;
  PersistenceSpec persistence;
  /** Not 0: all listeners are one service, as if a firewall marked their packets with this number. */
  uint32_t mark = 0;
  /** Each datagram is scheduled on its own and no connection is remembered. */
  bool one_packet = false;
  Helper helper = Helper::none;
  /** The cycle is the one that is in use for this slot, and goes on where that is. */
  bool continues = false;
};

enum class RemovedServer : uint8_t { reset, silent };

struct SnapshotSpec {
  std::vector<ServiceSpec> services;
  /** Of a change to the snapshot in use: slots of services that are no more. Those not named go on as they are. */
  std::vector<uint32_t> removed;
  /** Addresses that packets for connections come to although nobody listens there any more. */
  std::vector<IpAddress> lingering_vips;
  /** Where health checks `through: vip` come from. No client has these addresses. */
  std::vector<IpAddress> check_sources;
  RemovedServer removed_server = RemovedServer::reset;
  /** A server of weight 0 gets no new connections of persistent clients either. */
  bool expire_quiescent_template = false;
  /** Datagrams of a server of one one-packet service are its replies. */
  bool translate_one_packet_replies = true;
  Policy policy;
};

struct Limits {
  uint32_t server_slots = 0;
  uint32_t service_slots = 0;

  /** Behind the last server's: what connections of health checks count under, whichever server they lead to. */
  uint32_t check_slot() const { return server_slots; }
  /** Everything that counts by server slot has so many. */
  uint32_t counted_slots() const { return server_slots + 1; }
};

}  // namespace vsnat::service
