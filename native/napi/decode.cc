// SPDX-License-Identifier: Apache-2.0
#include "napi/decode.h"

#include <cmath>
#include <cstring>

#include "napi/fields.h"
#include "wire/headers.h"

namespace vsnat::binding {
namespace {

constexpr uint32_t kMaxSeconds = 2678400;  // 31 days, ipvsadm's limit

void decode_plan(Fields plan, service::Plan& out) {
  constexpr uint32_t kMaxCost = 1 << 20;
  switch (plan.word("kind", {"cycle", "hash", "least", "first", "local", "bounded"})) {
    case 0:
      out.kind = service::PlanKind::cycle;
      plan.indices("lead", out.lead);
      plan.indices("loop", out.steps);
      return;
    case 1:
      out.kind = service::PlanKind::hash;
      out.function = plan.word("function", {"golden", "siphash"}) == 0 ? service::HashFunction::golden
                                                                       : service::HashFunction::siphash;
      out.on = plan.word("on", {"source", "destination"}) == 0 ? service::HashOn::source
                                                               : service::HashOn::destination;
      out.use_port = plan.boolean("usePort");
      out.fallback = plan.boolean("fallback");
      plan.indices("slots", out.steps);
      return;
    case 2: {
      constexpr service::Among kAmong[] = {service::Among::all, service::Among::idle_first,
                                           service::Among::two, service::Among::two_distinct};
      out.kind = service::PlanKind::least;
      out.among = kAmong[plan.word("among", {"all", "idle-first", "two", "two-distinct"})];
      out.active_cost = plan.u32("activeCost", 0, kMaxCost);
      out.inactive_cost = plan.u32("inactiveCost", 0, kMaxCost);
      out.constant = plan.u32("constant", 0, kMaxCost);
      out.weighted = plan.boolean("weighted");
      plan.indices("order", out.steps);
      if (plan.has("factors")) plan.factors("factors", out.factors);
      return;
    }
    case 3:
      out.kind = service::PlanKind::first;
      out.overflow = plan.boolean("overflow");
      plan.indices("order", out.steps);
      return;
    case 5:
      out.kind = service::PlanKind::bounded;
      out.on = plan.word("on", {"source", "destination"}) == 0 ? service::HashOn::source
                                                               : service::HashOn::destination;
      out.use_port = plan.boolean("usePort");
      out.bound_percent = plan.u32("boundPercent", 100, 10000);
      out.counted =
          plan.word("counted", {"active", "all"}) == 0 ? service::Counted::active : service::Counted::all;
      plan.indices("slots", out.steps);
      return;
    default:
      out.kind = service::PlanKind::local;
      out.replicate = plan.boolean("replicate");
      out.active_cost = plan.u32("activeCost", 0, kMaxCost);
      out.inactive_cost = plan.u32("inactiveCost", 0, kMaxCost);
      out.weighted = true;
      out.forget_ticks = ticks_from_seconds(plan.u32("forgetSeconds", 1, kMaxSeconds));
      plan.indices("order", out.steps);
  }
}

void decode_timeouts(Fields timeouts, flow::Timeouts& out) {
  const auto set = [&](flow::State state, const char* name) {
    out.seconds[size_t(state)] = timeouts.u32(name, 1, kMaxSeconds);
  };
  set(flow::State::established, "tcpEstablished");
  set(flow::State::syn_recv, "tcpSynRecv");
  set(flow::State::syn_sent, "tcpSynSent");
  set(flow::State::fin_wait, "tcpFinWait");
  set(flow::State::time_wait, "tcpTimeWait");
  set(flow::State::close, "tcpClose");
  set(flow::State::close_wait, "tcpCloseWait");
  set(flow::State::last_ack, "tcpLastAck");
  set(flow::State::udp, "udp");
  set(flow::State::sctp_established, "sctpEstablished");
}

/** Keys that a service may leave out. */
void decode_grouping(Fields& service, service::ServiceSpec& out, std::string& problem) {
  const Napi::Value persistence = service.get("persistence");
  if (service.ok() && !persistence.IsUndefined()) {
    Fields fields(persistence, service.at("persistence"), problem);
    out.persistence.seconds = fields.u32("timeoutSeconds", 1, kMaxSeconds);
    out.persistence.prefix_bits = uint8_t(fields.u32("prefixLength", 0, 128));
    if (fields.has("mask")) {
      const service::IpAddress mask = fields.address("mask");
      if (fields.ok() && mask.family != 4) fields.complain("mask", "must be an IPv4 mask");
      out.persistence.mask = mask.v4;
    }
    constexpr service::Together kEngines[] = {service::Together::sip_call};
    if (fields.has("engine")) out.persistence.together = kEngines[fields.word("engine", {"sip"})];
  }
  if (service.has("mark")) out.mark = service.u32("mark", 1, 0xffffffff);
  if (service.has("onePacket")) out.one_packet = service.boolean("onePacket");
  if (service.has("continues")) out.continues = service.boolean("continues");
}

void decode_service(Fields service, service::ServiceSpec& out, std::string& problem) {
  out.slot = service.u32("slot", 0, 1u << 24);
  service.array("listen", [&](Napi::Value value, const Path& path) {
    Fields listen(value, path, problem);
    service::ListenSpec spec;
    constexpr uint8_t kProtocols[] = {wire::kProtoTcp, wire::kProtoUdp, wire::kProtoSctp};
    spec.protocol = kProtocols[listen.word("protocol", {"tcp", "udp", "sctp"})];
    spec.address = listen.address("address");
    spec.port = uint16_t(listen.u32("port", 0, 65535));
    out.listen.push_back(spec);
  });
  service.array("servers", [&](Napi::Value value, const Path& path) {
    Fields server(value, path, problem);
    service::ServerSpec spec;
    spec.slot = server.u32("slot", 0, 1u << 24);
    spec.address = server.address("address");
    spec.port = uint16_t(server.u32("port", 0, 65535));
    spec.weight = server.u32("weight", 0, 65535);
    spec.upper_threshold = server.u32("upperThreshold", 0, 0x7fffffff);
    spec.lower_threshold = server.u32("lowerThreshold", 0, 0x7fffffff);
    if (server.has("withdrawn")) spec.withdrawn = server.boolean("withdrawn");
    out.servers.push_back(spec);
  });
  if (service.ok()) decode_plan(Fields(service.get("plan"), service.at("plan"), problem), out.plan);
  if (service.ok())
    decode_timeouts(Fields(service.get("timeouts"), service.at("timeouts"), problem), out.timeouts);
  decode_grouping(service, out, problem);
  const Napi::Value helper = service.get("helper");
  if (service.ok() && !helper.IsUndefined()) {
    service.word("helper", {"ftp"});
    out.helper = service::Helper::ftp;
  }
}

void decode_policy(Fields policy, service::Policy& out) {
  out.reuse_closed = policy.boolean("reuseClosed");
  out.expire_nodest = policy.boolean("expireNodest");
  out.services_take_connections = policy.boolean("servicesTakeConnections");
  out.sloppy_tcp = policy.boolean("sloppyTcp");
  out.sloppy_sctp = policy.boolean("sloppySctp");
  out.schedule_icmp = policy.boolean("scheduleIcmp");
  out.nat_icmp_send = policy.boolean("natIcmpSend");
}

/** Bytes of a Uint8Array. False when it is something else. */
bool bytes_of(Napi::Value value, std::vector<uint8_t>& out) {
  if (!value.IsTypedArray()) return false;
  const auto array = value.As<Napi::TypedArray>();
  if (array.TypedArrayType() != napi_uint8_array) return false;
  const auto bytes = value.As<Napi::Uint8Array>();
  out.assign(bytes.Data(), bytes.Data() + bytes.ByteLength());
  return true;
}

}  // namespace

std::string decode_snapshot(Napi::Value value, service::SnapshotSpec& spec, Told told) {
  std::string problem;
  Fields snapshot(value, problem);
  if (told == Told::changes) {
    snapshot.array("removed", [&](Napi::Value slot, const Path& path) {
      const double n = slot.IsNumber() ? slot.As<Napi::Number>().DoubleValue() : -1;
      if (n >= 0 && n <= 1 << 24 && n == std::floor(n)) {
        spec.removed.push_back(uint32_t(n));
      } else {
        problem = path.text() + ": must be a slot";
      }
    });
  }
  if (snapshot.has("lingeringVips")) {
    snapshot.array("lingeringVips", [&](Napi::Value address, const Path& path) {
      const std::string text = address.IsString() ? address.As<Napi::String>().Utf8Value() : std::string{};
      if (!parse_address(text, spec.lingering_vips.emplace_back()))
        problem = path.text() + ": must be an IPv4 or IPv6 address";
    });
  }
  if (snapshot.has("checkSources")) {
    snapshot.array("checkSources", [&](Napi::Value address, const Path& path) {
      const std::string text = address.IsString() ? address.As<Napi::String>().Utf8Value() : std::string{};
      if (!parse_address(text, spec.check_sources.emplace_back()))
        problem = path.text() + ": must be an IPv4 or IPv6 address";
    });
  }
  snapshot.array("services", [&](Napi::Value service, const Path& path) {
    decode_service(Fields(service, path, problem), spec.services.emplace_back(), problem);
  });
  spec.removed_server = snapshot.word("removedServer", {"reset", "silent"}) == 0
                            ? service::RemovedServer::reset
                            : service::RemovedServer::silent;
  if (snapshot.has("expireQuiescentTemplate"))
    spec.expire_quiescent_template = snapshot.boolean("expireQuiescentTemplate");
  if (snapshot.has("onePacketReplies"))
    spec.translate_one_packet_replies = snapshot.word("onePacketReplies", {"translate", "pass"}) == 0;
  const Napi::Value policy = snapshot.get("policy");
  if (snapshot.ok() && !policy.IsUndefined())
    decode_policy(Fields(policy, snapshot.at("policy"), problem), spec.policy);
  return problem;
}

std::string decode_ending(Napi::Value selection, Napi::Value ending, nat::EndSpec& spec) {
  std::string problem;
  Fields fields(selection, problem);
  if (fields.has("protocol")) {
    constexpr uint8_t kProtocols[] = {wire::kProtoTcp, wire::kProtoUdp, wire::kProtoSctp};
    spec.protocol = kProtocols[fields.word("protocol", {"tcp", "udp", "sctp"})];
  }
  if (fields.has("clientAddress")) spec.client = fields.address("clientAddress");
  if (fields.has("virtualAddress")) spec.virt = fields.address("virtualAddress");
  if (fields.has("realAddress")) spec.real = fields.address("realAddress");
  if (fields.has("clientPort")) spec.client_port = uint16_t(fields.u32("clientPort", 0, 65535));
  if (fields.has("virtualPort")) spec.virtual_port = uint16_t(fields.u32("virtualPort", 0, 65535));
  if (fields.has("realPort")) spec.real_port = uint16_t(fields.u32("realPort", 0, 65535));
  if (fields.has("serviceSlot")) spec.service_slot = fields.u32("serviceSlot", 0, 1u << 24);
  if (fields.has("serverSlot")) spec.server_slot = fields.u32("serverSlot", 0, 1u << 24);
  const std::string word = ending.IsString() ? ending.As<Napi::String>().Utf8Value() : std::string{};
  spec.silence = word == "silence";
  if (problem.empty() && !spec.silence && word != "reset") problem = "ending: must be reset or silence";
  return problem;
}

std::string decode_check(Napi::Value value, nat::CheckEnds& ends) {
  std::string problem;
  Fields check(value, problem);
  ends.protocol = check.word("protocol", {"tcp", "udp"}) == 0 ? wire::kProtoTcp : wire::kProtoUdp;
  ends.source = check.address("source");
  ends.source_port = uint16_t(check.u32("sourcePort", 1, 65535));
  ends.virt = check.address("virtualAddress");
  ends.virtual_port = uint16_t(check.u32("virtualPort", 1, 65535));
  if (check.ok() && ends.source.family != ends.virt.family)
    check.complain("source", "must be of the virtual address's family");
  return problem;
}

std::string decode_defence(Napi::Value value, nat::DefenceSpec& spec) {
  std::string problem;
  Fields defence(value, problem);
  spec.drop_rate = defence.u32("dropRate", 0, 0x7fffffff);
  spec.count_anew = defence.boolean("countAnew");
  spec.drop_entries = defence.boolean("dropEntries");
  spec.secure_tcp = defence.boolean("secureTcp");
  return problem;
}

std::string decode_options(Napi::Value value, OpenOptions& options) {
  constexpr uint32_t kMaxFlows = 1u << 27;
  std::string problem;
  Fields fields(value, problem);
  options.tun = fields.word("device", {"tun", "memory"}) == 0;
  options.engine.flow_capacity = fields.u32("flowCapacity", 1, kMaxFlows);
  options.engine.limits.server_slots = fields.u32("serverSlots", 1, 1u << 24);
  options.engine.limits.service_slots = fields.u32("serviceSlots", 1, 1u << 16);
  const Napi::Value key = fields.get("hashKey");
  if (fields.ok() && !key.IsUndefined()) {
    std::vector<uint8_t> bytes;
    if (bytes_of(key, bytes) && bytes.size() == 16) {
      HashKey hash_key;
      std::memcpy(&hash_key.k0, bytes.data(), 8);
      std::memcpy(&hash_key.k1, bytes.data() + 8, 8);
      options.engine.hash_key = hash_key;
    } else {
      fields.complain("hashKey", "must be a Uint8Array of 16 bytes");
    }
  }
  if (!options.tun) return problem;
  options.device.name = fields.string("name");
  options.device.queues = fields.u32("queues", 1, 256);
  options.device.offload =
      fields.word("offload", {"auto", "off"}) == 0 ? io::Offload::automatic : io::Offload::off;
  constexpr engine::SteeringChoice kChoices[] = {engine::SteeringChoice::automatic,
                                                 engine::SteeringChoice::off, engine::SteeringChoice::random};
  options.device.steering = kChoices[fields.word("steering", {"auto", "off", "random"})];
  if (!fields.get("ingress").IsUndefined()) options.device.ingress = fields.boolean("ingress");
  if (!fields.get("shortcuts").IsUndefined()) options.device.shortcuts = fields.boolean("shortcuts");
  if (!fields.get("egress").IsUndefined()) options.device.egress = fields.boolean("egress");
  constexpr engine::IoChoice kIo[] = {engine::IoChoice::automatic, engine::IoChoice::uring,
                                      engine::IoChoice::poll};
  if (!fields.get("io").IsUndefined()) options.device.io = kIo[fields.word("io", {"auto", "uring", "poll"})];
  return problem;
}

std::string decode_process(Napi::Value value, ProcessCall& call) {
  std::string problem;
  Fields fields(value, problem);
  const Napi::Value packet = fields.get("packet");
  if (fields.ok() && !bytes_of(packet, call.packet.bytes)) fields.complain("packet", "must be a Uint8Array");
  const Napi::Value vnet = fields.get("vnet");
  if (fields.ok() && !vnet.IsUndefined()) {
    std::vector<uint8_t> bytes;
    if (bytes_of(vnet, bytes) && bytes.size() == sizeof(wire::vnet_hdr)) {
      std::memcpy(&call.packet.vnet, bytes.data(), sizeof(wire::vnet_hdr));
    } else {
      fields.complain("vnet", "must be a Uint8Array of 10 bytes");
    }
  }
  call.now.ms = uint64_t(fields.number("nowMs", 0, 9007199254740991.0));
  return problem;
}

}  // namespace vsnat::binding
