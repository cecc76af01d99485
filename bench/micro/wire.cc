// SPDX-License-Identifier: Apache-2.0
//
// The parse door and the rewrite, on packets that lie in the first cache: what the processor has to do for each.
#include <string>
#include <vector>

#include "bench/micro/case.h"
#include "bench/micro/clients.h"
#include "bench/micro/director.h"
#include "bench/micro/groups.h"
#include "bench/micro/segments.h"
#include "nat/rewrite.h"

namespace vsnat::bench {
namespace {

/** As many as the first cache has room for: the clock should be little beside them. */
constexpr uint32_t kPackets = 128, kStride = 128, kPayload = 24;

template <class Addr>
std::string family() {
  return Addr::kFamily == 4 ? "ipv4" : "ipv6";
}

/** Requests of different clients, in one block. */
template <class Addr>
class Packets {
 public:
  explicit Packets(uint8_t protocol) : room_(kPackets * kStride), packets_(kPackets), views_(kPackets) {
    for (uint32_t i = 0; i < kPackets; ++i) {
      packets_[i].data = room_.data() + i * kStride;
      packets_[i].capacity = kStride;
    }
    write(protocol);
  }

  void write(uint8_t protocol) {
    const End<Addr> service{virtual_address<Addr>(0), kVirtualPort};
    for (uint32_t i = 0; i < kPackets; ++i) {
      const End<Addr> client{client_address<Addr>(i * 1000), client_port(i * 1000)};
      if (protocol == wire::kProtoTcp) {
        write_tcp<Addr>(packets_[i], client, service, {1, 1, wire::tcp_hdr::kAck, kPayload});
      } else {
        write_udp<Addr>(packets_[i], client, service, kPayload);
      }
    }
  }
  void parse() {
    for (uint32_t i = 0; i < kPackets; ++i) {
      nat::Packet& packet = packets_[i];
      const DropReason wrong = wire::parse({packet.data, packet.length}, packet.vnet, views_[i] = {});
      if (wrong != wire::kNoDrop) fail("a packet did not parse");
    }
    benchmark::ClobberMemory();
  }
  const std::vector<wire::PacketView>& views() const { return views_; }

 private:
  std::vector<uint8_t> room_;
  std::vector<nat::Packet> packets_;
  std::vector<wire::PacketView> views_;
};

template <class Addr>
flow::Flow<Addr> translated(uint8_t protocol) {
  flow::Flow<Addr> flow{};
  flow.protocol = protocol;
  flow.virt = virtual_address<Addr>(0);
  flow.real = real_address<Addr>(0);
  flow.virtual_port = wire::be16::from_host(kVirtualPort);
  flow.real_port = wire::be16::from_host(kRealPort);
  nat::compute_deltas(flow);
  return flow;
}

template <class Addr>
void add_protocol(uint8_t protocol) {
  const std::string what = family<Addr>() + (protocol == wire::kProtoTcp ? "-tcp" : "-udp");
  const std::string parse = "wire/parse/" + what;
  add(parse, [=](State& state) {
    Packets<Addr> packets(protocol);
    measure(state, parse, kPackets, [&] { packets.parse(); });
  });
  const std::string rewrite = "wire/rewrite/" + what;
  add_prepared(rewrite, [=](State& state) {
    Packets<Addr> packets(protocol);
    const flow::Flow<Addr> flow = translated<Addr>(protocol);
    measure_prepared(state, rewrite, kPackets, [&](auto&& measured) {
      packets.write(protocol);  // a packet that was rewritten is another, with another hop limit
      packets.parse();
      measured([&] {
        for (const wire::PacketView& view : packets.views()) nat::rewrite_request(view, flow);
        benchmark::ClobberMemory();
      });
    });
  });
}

/** What a packet would cost whose checksum were made anew; for comparison with the rewrite. */
void add_checksum(uint32_t bytes) {
  const std::string name = "wire/checksum/" + std::to_string(bytes) + "-bytes";
  add(name, [=](State& state) {
    const std::vector<uint8_t> payload(bytes, 0x5a);
    measure(state, name, 1, [&] {
      benchmark::DoNotOptimize(payload.data());
      uint16_t sum = wire::checksum(payload.data(), payload.size());
      benchmark::DoNotOptimize(sum);
    });
  });
}

}  // namespace

void add_wire() {
  for (const uint8_t protocol : {wire::kProtoTcp, wire::kProtoUdp}) {
    add_protocol<wire::Addr4>(protocol);
    add_protocol<wire::Addr6>(protocol);
  }
  add_checksum(64);
  add_checksum(1480);
}

}  // namespace vsnat::bench
