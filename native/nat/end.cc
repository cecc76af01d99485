// SPDX-License-Identifier: Apache-2.0
#include "nat/end.h"

#include <cstring>

#include "nat/answer.h"
#include "nat/lifetime.h"
#include "wire/checksum.h"

namespace vsnat::nat {

using namespace wire;
using flow::State;

namespace {

bool fits(const service::IpAddress& wanted, const Addr4& address) {
  return wanted.family == 4 && wanted.v4 == address;
}
bool fits(const service::IpAddress& wanted, const Addr6& address) {
  return wanted.family == 6 && wanted.v6 == address;
}

template <class Addr>
bool fits(const EndSpec& spec, const flow::Flow<Addr>& flow) {
  const auto port = [](const std::optional<uint16_t>& wanted, be16 is) {
    return !wanted || *wanted == is.host();
  };
  const auto slot = [](const std::optional<uint32_t>& wanted, uint32_t is) {
    return !wanted || *wanted == is;
  };
  const auto address = [](const std::optional<service::IpAddress>& wanted, const Addr& is) {
    return !wanted || fits(*wanted, is);
  };
  return (spec.protocol == 0 || spec.protocol == flow.protocol) && slot(spec.server_slot, flow.server_slot) &&
         slot(spec.service_slot, flow.service_slot) && port(spec.client_port, flow.client_port) &&
         port(spec.virtual_port, flow.virtual_port) && port(spec.real_port, flow.real_port) &&
         address(spec.client, flow.client) && address(spec.virt, flow.virt) && address(spec.real, flow.real);
}

template <class Addr>
struct Segment {
  Addr from, to;
  be16 from_port, to_port;
  uint32_t seq = 0;
  std::optional<uint32_t> ack;
};

/** A bare RST, all of its checksums made. Returns its length. */
template <class Addr>
size_t write_reset(std::span<uint8_t, Goodbyes::kLongest> out, const Segment<Addr>& segment) {
  tcp_hdr tcp{};
  tcp.sport = segment.from_port;
  tcp.dport = segment.to_port;
  tcp.seq = be32::from_host(segment.seq);
  tcp.doff_reserved = 5 << 4;
  tcp.flags = tcp_hdr::kRst;
  if (segment.ack) {
    tcp.ack_seq = be32::from_host(*segment.ack);
    tcp.flags |= tcp_hdr::kAck;
  }
  uint64_t pseudo = uint64_t{kProtoTcp} + sizeof(tcp);
  pseudo = sum_bytes(reinterpret_cast<const uint8_t*>(&segment.from), sizeof(Addr), pseudo);
  pseudo = sum_bytes(reinterpret_cast<const uint8_t*>(&segment.to), sizeof(Addr), pseudo);
  tcp.check = be16::from_host(checksum(reinterpret_cast<const uint8_t*>(&tcp), sizeof(tcp), pseudo));
  size_t header;
  if constexpr (Addr::kFamily == 4) {
    ipv4_hdr ip{};
    ip.version_ihl = 0x45;
    ip.total_len = be16::from_host(uint16_t(sizeof(ip) + sizeof(tcp)));
    ip.frag_off = be16::from_host(ipv4_hdr::kDontFragment);
    ip.ttl = kAnswerTtl;
    ip.protocol = kProtoTcp;
    ip.saddr = segment.from;
    ip.daddr = segment.to;
    ip.check = be16::from_host(checksum(reinterpret_cast<const uint8_t*>(&ip), sizeof(ip)));
    header = sizeof(ip);
    std::memcpy(out.data(), &ip, header);
  } else {
    ipv6_hdr ip{};
    ip.version_class_label = be32::from_host(6u << 28);
    ip.payload_len = be16::from_host(uint16_t(sizeof(tcp)));
    ip.next_header = kProtoTcp;
    ip.hop_limit = kAnswerTtl;
    ip.saddr = segment.from;
    ip.daddr = segment.to;
    header = sizeof(ip);
    std::memcpy(out.data(), &ip, header);
  }
  std::memcpy(out.data() + header, &tcp, sizeof(tcp));
  return header + sizeof(tcp);
}
static_assert(sizeof(ipv6_hdr) + sizeof(tcp_hdr) <= Goodbyes::kLongest, "the longest RST fits");

/** The next number of the client's own numbering: an FTP helper may have moved the server's. */
template <class Addr>
uint32_t as_the_client_counts(Core& core, const flow::Flow<Addr>& flow, uint32_t seq) {
  if (core.ftp == nullptr || !FtpState::is_control(flow.helper)) return seq;
  return core.ftp->record(flow.helper).replies.given(seq);
}

template <class Addr>
void say_goodbye(Core& core, const flow::Flow<Addr>& flow, Goodbyes& goodbyes) {
  using FlowT = flow::Flow<Addr>;
  if (flow.protocol != kProtoTcp || flow::is_closed(flow.state) || flow.state == State::none) return;
  const bool request_seen = flow.flags & FlowT::kRequestSeen, reply_seen = flow.flags & FlowT::kReplySeen;
  Segment<Addr> to_client{flow.virt, flow.client, flow.virtual_port, flow.client_port, 0, {}};
  if (reply_seen || (flow.flags & FlowT::kRequestAcked)) {
    to_client.seq = as_the_client_counts(core, flow, reply_seen ? flow.seq_end[1] : flow.acked[0]);
  } else if (request_seen) {
    to_client.ack = flow.seq_end[0];  // of a SYN without an answer: as a closed port refuses it
  }
  if (reply_seen || request_seen) goodbyes.keep(write_reset(goodbyes.add(), to_client));
  if (!request_seen) return;
  const Segment<Addr> to_server{flow.client,    flow.real,       flow.client_port,
                                flow.real_port, flow.seq_end[0], {}};
  goodbyes.keep(write_reset(goodbyes.add(), to_server));
}

/** Keep the flow only so that its packets can be told from a stranger's. */
template <class Addr>
void silence(Core& core, flow::Table<Addr>& table, flow::Flow<Addr>& flow, Tick now) {
  if (flow::is_active(flow.state)) core.loads[flow.server_slot].moved(false);
  flow.state = flow.protocol == kProtoTcp ? State::close : State::sctp_closed;
  flow.flags |= flow::Flow<Addr>::kSilenced;
  table.touch(&flow, now.plus(ticks_from_seconds(kSilentSeconds)));
}

template <class Addr>
bool end_in(Core& core, const service::Snapshot& snapshot, const EndSpec& spec, flow::Table<Addr>& table,
            uint32_t shard, Tick now, uint32_t first, Goodbyes& goodbyes, uint32_t& ended) {
  return table.comb(shard, first, Goodbyes::kMostFlows, [&](flow::Flow<Addr>* flow) {
    if ((flow->flags & flow::Flow<Addr>::kSilenced) != 0 || !fits(spec, *flow)) return;
    ++ended;
    take_back(core, *flow);
    core.tally.flows_ended.add(1);
    const bool has_a_word = flow->protocol == kProtoTcp || flow->protocol == kProtoSctp;
    if (spec.silence && has_a_word) return silence(core, table, *flow, now);
    if (!spec.silence) say_goodbye(core, *flow, goodbyes);
    end_flow(core, snapshot, flow, now);
  });
}

}  // namespace

bool end_flows(Core& core, const service::Snapshot& snapshot, const EndSpec& spec, uint32_t shard, Tick now,
               uint32_t first, Goodbyes& goodbyes, uint32_t& ended) {
  FlowTables& tables = core.tables;
  if (shard < tables.v4.shard_count())
    return end_in(core, snapshot, spec, tables.v4, shard, now, first, goodbyes, ended);
  return end_in(core, snapshot, spec, tables.v6, shard - tables.v4.shard_count(), now, first, goodbyes,
                ended);
}

}  // namespace vsnat::nat
