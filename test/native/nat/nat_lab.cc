// SPDX-License-Identifier: Apache-2.0
#include "test/native/nat/nat_lab.h"

#include <cstring>

#include "base/check.h"

#include "test/native/support/views.h"

namespace vsnat::test {

using nat::Verdict;

namespace {

constexpr HashKey kKey{0x0123456789abcdef, 0xfedcba9876543210};

service::ServiceSpec three_servers(int family, uint32_t slot, uint8_t protocol, const Endpoint& listen,
                                   uint32_t first_server_slot, Endpoint (*server)(int, int)) {
  std::vector<service::ServerSpec> servers;
  for (int n = 0; n < 3; ++n)
    servers.push_back(server_spec(first_server_slot + uint32_t(n), server(family, n)));
  return service_spec(slot, protocol, listen, std::move(servers));
}

Endpoint server_endpoint(int family, int n, uint16_t port) {
  Endpoint e = real_endpoint(family);
  e.address.bytes[family == 4 ? 3 : 15] = uint8_t(1 + n);
  e.port = port;
  return e;
}

}  // namespace

Endpoint other_virtual_endpoint(int family) {
  Endpoint e = virtual_endpoint(family);
  ++e.address.bytes[family == 4 ? 3 : 15];
  return e;
}
Endpoint dns_endpoint(int family) {
  return {virtual_endpoint(family).address, 53};
}
Endpoint web_server(int family, int n) {
  return server_endpoint(family, n, 8080);
}
Endpoint dns_server(int family, int n) {
  return server_endpoint(family, n, 5353);
}

Endpoint sctp_endpoint(int family) {
  return {virtual_endpoint(family).address, 2905};
}
Endpoint sctp_server(int family, int n) {
  return server_endpoint(family, n, 12905);
}

Endpoint endpoint_of(const Packet& packet, bool destination) {
  const Anatomy a = *dissect(packet.bytes);
  return {destination ? a.destination : a.source,
          a.has_ports() ? get16(packet.bytes, a.l4 + (destination ? 2 : 0)) : uint16_t{0}};
}

NatLab::NatLab(uint32_t capacity)
    : v4_(capacity, kKey),
      templates4_(capacity, kKey),
      v6_(capacity, kKey),
      templates6_(capacity, kKey),
      words4_(flow::Templates<wire::Addr4>::word_bytes_for(capacity)),
      words6_(flow::Templates<wire::Addr6>::word_bytes_for(capacity)) {
  tables->v4.attach(v4_.memory(), flow::Sharing::exclusive);
  tables->v6.attach(v6_.memory(), flow::Sharing::exclusive);
  tables->templates4.table().attach(templates4_.memory(), flow::Sharing::exclusive);
  tables->templates6.table().attach(templates6_.memory(), flow::Sharing::exclusive);
  tables->templates4.keep_words_in(words4_);
  tables->templates6.keep_words_in(words6_);
  const nat::FragmentLimits limits;
  auto pieces = Mapping::anonymous(nat::Fragments::bytes_for(limits), "test");
  VSNAT_CHECK(bool(pieces), "a test has the memory it needs");
  fragment_memory = std::move(pieces.value());
  fragments.format(fragment_memory.bytes(), limits, kKey, flow::Sharing::exclusive);
  ftp.format(ftp_memory_, kFtpRecords);
  for (const int family : {4, 6}) {
    const uint32_t base = family == 4 ? 0 : 16, slot = family == 4 ? 0 : 4;
    spec.services.push_back(three_servers(family, slot, kTcp, virtual_endpoint(family), base, web_server));
    spec.services.push_back(
        three_servers(family, slot + 1, kUdp, dns_endpoint(family), base + 4, dns_server));
    spec.services.push_back(
        three_servers(family, slot + 2, kTcp, other_virtual_endpoint(family), base + 8, web_server));
  }
  for (const int family : {4, 6}) {
    const uint32_t first = family == 4 ? 12 : 28, slot = family == 4 ? 3 : 7;
    spec.services.push_back(three_servers(family, slot, kSctp, sctp_endpoint(family), first, sctp_server));
  }
  publish();
}

void NatLab::publish() {
  snapshot = built(spec, ++generation_);
}

nat::Core NatLab::core() {
  nat::Core core{*tables, loads.data(), tally, budget, fragments, 0};
  core.defence = &defence;
  core.ftp = &ftp;
  core.check_ports = &check_ports;
  core.shortcuts = shortcuts;
  return core;
}

Result NatLab::send(const Packet& packet) {
  // A buffer of exactly what the contract asks for, in the heap, so that a write behind it is seen.
  const size_t capacity = packet.bytes.size() + nat::kAnswerHeadroom;
  ExactBytes buffer(Bytes(capacity, 0xee));
  if (!packet.bytes.empty()) std::memcpy(buffer.span().data(), packet.bytes.data(), packet.bytes.size());
  nat::Packet native{buffer.span().data(), uint32_t(packet.bytes.size()), uint32_t(capacity), packet.vnet};

  nat::Core core = this->core();
  Result result;
  result.outcome = nat::step(core, *snapshot, now, native);
  ++rx;
  enter(result.outcome);
  if (result.outcome.verdict == Verdict::held) {
    CHECK_EQ(result.outcome.reason, wire::kNoDrop);
  } else if (result.outcome.verdict == Verdict::drop) {
    CHECK(result.outcome.reason != wire::kNoDrop);
  } else {
    if (!CHECK(native.length <= capacity)) native.length = uint32_t(capacity);
    result.packet = leaving(native);
  }
  nat::drain(core, *snapshot, now, [&](nat::Released& piece) {
    ++released;
    enter(piece.outcome);
    Result& one = result.released.emplace_back();
    one.outcome = piece.outcome;
    if (piece.outcome.verdict != Verdict::drop) one.packet = leaving(piece.packet);
  });
  check_books();
  return result;
}

void NatLab::enter(const nat::Outcome& outcome) {
  switch (outcome.verdict) {
    case Verdict::forward:
      ++forwarded;
      break;
    case Verdict::pass:
      ++passed;
      break;
    case Verdict::held:
      ++held;
      break;
    case Verdict::answer:
      ++generated[size_t(outcome.generated)];
      [[fallthrough]];
    case Verdict::drop:
      ++dropped[size_t(outcome.reason)];
      break;
  }
}

std::vector<Packet> NatLab::end(const nat::EndSpec& end_spec) {
  nat::Core core = this->core();
  std::vector<Packet> said;
  const uint64_t before = tally.flows_ended.read();
  uint32_t total = 0;
  for (uint32_t shard = 0; shard < nat::flow_shards(*tables); ++shard) {
    for (uint32_t first = 0, more = 1; more != 0; first += nat::Goodbyes::kMostFlows) {
      nat::Goodbyes goodbyes;
      uint32_t ended = 0;
      more = nat::end_flows(core, *snapshot, end_spec, shard, now.tick(), first, goodbyes, ended);
      total += ended;
      for (uint32_t i = 0; i < goodbyes.count(); ++i) {
        const auto bytes = goodbyes.at(i);
        ++generated[size_t(Generated::connection_reset)];
        said.push_back(leaving({bytes.data(), uint32_t(bytes.size()), uint32_t(bytes.size()), {}}));
      }
    }
  }
  CHECK_EQ(tally.flows_ended.read() - before, uint64_t(total));
  check_books();
  return said;
}

Packet NatLab::leaving(const nat::Packet& native) {
  ++tx;
  Packet packet;
  packet.bytes.assign(native.data, native.data + native.length);
  packet.vnet = native.vnet;
  // What leaves must be a packet again, by the code's own door as by the reference.
  CHECK_EQ(parsed(packet).reason, wire::kNoDrop);
  return packet;
}

Result NatLab::refused(const PacketBuilder& builder, DropReason reason) {
  const uint64_t before = flows();
  const Result result = send(builder);
  CHECK(!result.forwarded() && !result.passed());
  CHECK_EQ(result.outcome.reason, reason);
  CHECK(flows() <= before);
  return result;
}

Result NatLab::given_to_host(const PacketBuilder& builder) {
  const uint64_t before = flows();
  const Packet packet = builder.build();
  const Result result = send(packet);
  CHECK(result.passed());
  const int hops = packet.bytes[packet.bytes[0] >> 4 == 4 ? 8 : 7];
  if (result.passed()) CHECK(result.packet.bytes == reference_nat(packet, {{}, {}, 1 - hops}).bytes);
  CHECK(flows() <= before);
  return result;
}

void NatLab::expire() {
  nat::Core core = this->core();
  for (uint32_t shard = 0; shard < nat::expirable_shards(*tables); ++shard) {
    while (nat::expire(core, *snapshot, shard, now.tick(), 16)) {
    }
  }
  const uint32_t gone = fragments.expire(now.tick());
  released += gone;
  dropped[size_t(DropReason::fragment_timeout)] += gone;
  check_books();
}

std::string NatLab::state(int family, uint8_t protocol) {
  const Endpoint virt = protocol == kUdp    ? dns_endpoint(family)
                        : protocol == kSctp ? sctp_endpoint(family)
                                            : virtual_endpoint(family);
  if (family == 4) {
    const auto* flow = flow_of<wire::Addr4>(protocol, client_endpoint(4), virt);
    return flow ? flow::state_name(flow->state) : "-";
  }
  const auto* flow = flow_of<wire::Addr6>(protocol, client_endpoint(6), virt);
  return flow ? flow::state_name(flow->state) : "-";
}

std::array<std::span<const std::byte>, 4> NatLab::table_memory() {
  return {v4_.memory(), v6_.memory(), templates4_.memory(), templates6_.memory()};
}

void NatLab::check_books() {
  uint64_t all_dropped = 0, all_generated = 0, carried = 0, for_servers = 0;
  for (const uint64_t n : dropped) all_dropped += n;
  for (const uint64_t n : generated) all_generated += n;
  CHECK_EQ(rx + released, forwarded + passed + all_dropped + held);
  CHECK_EQ(held - released, uint64_t(fragments.waiting()));
  CHECK_EQ(tx, forwarded + passed + all_generated);
  for (uint32_t slot = 0; slot < loads.size(); ++slot) {
    for (const auto direction : {flow::Direction::request, flow::Direction::reply})
      for_servers += tally.volume(slot, direction).packets;
    const nat::ServerSignals& signals = tally.signals(slot);
    uint64_t handshakes = signals.handshakes_ambiguous.read() + signals.handshakes_refused.read() +
                          signals.syn_unanswered.read();
    for (const Counter& count : signals.handshake.counts) handshakes += count.read();
    CHECK(handshakes <= tally.connections(slot).read());
  }
  CHECK_EQ(for_servers, forwarded);  // each belongs to one server, or to a check
  uint64_t remembered = 0;
  for (const service::ServerLoad& load : loads) {
    carried += uint64_t(load.active) + load.inactive;
    remembered += load.persistent;
  }
  CHECK_EQ(carried, tables->v4.stats().flows + tables->v6.stats().flows);
  CHECK_EQ(remembered, templates());
  uint64_t with_parent = 0, children = 0;
  const auto count = [&](const auto& flow) { with_parent += flow.parent != flow::kNoFlow; };
  const auto count_children = [&](const auto& record) {
    children += flow::Templates<std::remove_cvref_t<decltype(record.client)>>::children(record);
  };
  tables->v4.walk(0, flow::kNoFlow, count);
  tables->v6.walk(0, flow::kNoFlow, count);
  tables->templates4.table().walk(0, flow::kNoFlow, count_children);
  tables->templates6.table().walk(0, flow::kNoFlow, count_children);
  CHECK_EQ(children, with_parent);
}

std::string NatLab::template_of(uint32_t slot) {
  std::string found = "-";
  const auto look = [&](const auto& record) {
    using Of = flow::Templates<std::remove_cvref_t<decltype(record.client)>>;
    if (record.server_slot != slot) return;
    found = std::string(Of::is_stale(record)     ? "STALE "
                        : Of::is_assured(record) ? "ASSURED "
                                                 : "NONE ") +
            std::to_string(record.expires_at.since(now.tick()) / int(kTicksPerSecond)) + " " +
            std::to_string(Of::children(record));
  };
  tables->templates4.table().walk(0, flow::kNoFlow, look);
  tables->templates6.table().walk(0, flow::kNoFlow, look);
  return found;
}

int Handshake::open(NatLab& lab, int family, Endpoint client, Endpoint virt) {
  const Result syn = lab.send(tcp(family).from(client).to(virt).flags(kSyn).seq(kClientNext - 1));
  if (!CHECK(syn.forwarded())) return 0;
  const Endpoint server = endpoint_of(syn.packet, true);
  const Result syn_ack =
      lab.send(tcp(family).from(server).to(client).flags(kSyn | kAck).seq(kServerNext - 1).ack(kClientNext));
  CHECK(syn_ack.forwarded());
  CHECK(endpoint_of(syn_ack.packet, false) == virt);
  CHECK(
      lab.send(tcp(family).from(client).to(virt).flags(kAck).seq(kClientNext).ack(kServerNext)).forwarded());
  return server.address.bytes[family == 4 ? 3 : 15] - 1;
}

}  // namespace vsnat::test
