// SPDX-License-Identifier: Apache-2.0
//
// What one packet costs between read(2) and write(2): bursts of 64-byte TCP segments through the lane of a memory
// device, as a queue's thread would run them, over a flow table that fits no cache. Every packet goes to a flow drawn by
// chance; requests and replies take turns. Only Lane::run is timed: making the packets is not.
//
//   step [--flows 1000000] [--rounds 15] [--packets 1000000]
//
// Then what the table costs when nobody speaks: a round of sweeping it, which is made once a second, and the slices in
// which all flows expire at once, since a burst waits for the slice before it.
//
// Prints nanoseconds per packet: first of the opening of all flows (SYN, SYN-ACK, ACK of each), then of every round of
// data, and the median, which is the figure to compare. One process, one thread; pin it (taskset -c 1) and leave the
// other processor alone.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "engine/engine.h"

namespace {

using namespace vsnat;

constexpr uint32_t kPacketBytes = 64, kHeaderBytes = 40, kPayload = kPacketBytes - kHeaderBytes;
constexpr uint32_t kServers = 8;
constexpr uint16_t kVirtualPort = 80, kRealPort = 8080;
constexpr uint32_t kClientBegin = 1000, kServerBegin = 5000;
constexpr uint8_t kSyn = wire::tcp_hdr::kSyn, kAck = wire::tcp_hdr::kAck;

wire::Addr4 address(uint32_t host) {
  return {wire::be32::from_host(host)};
}
const wire::Addr4 kVip = address(0xc000020a);  // 192.0.2.10
wire::Addr4 real(uint32_t server) {
  return address(0x0a000001 + server);
}

struct Connection {
  uint32_t client_next, server_next;
  uint32_t server;
};

/** The client of flow `i`: 60,000 ports of each address of 198.18.0.0/15. */
wire::Addr4 client_address(uint32_t i) {
  return address(0xc6120000 + i / 60000);
}
uint16_t client_port(uint32_t i) {
  return uint16_t(1024 + i % 60000);
}

void write_segment(nat::Packet& packet, wire::Addr4 from, uint16_t sport, wire::Addr4 to, uint16_t dport,
                   uint32_t seq, uint32_t ack, uint8_t flags, uint32_t payload) {
  packet.length = kHeaderBytes + payload;
  packet.vnet = wire::vnet_hdr{};
  auto& ip = *reinterpret_cast<wire::ipv4_hdr*>(packet.data);
  auto& tcp = *reinterpret_cast<wire::tcp_hdr*>(packet.data + sizeof(ip));
  ip = {};
  ip.version_ihl = 0x45;
  ip.total_len = wire::be16::from_host(uint16_t(packet.length));
  ip.ttl = 64;
  ip.protocol = wire::kProtoTcp;
  ip.saddr = from;
  ip.daddr = to;
  ip.check = wire::be16::from_host(wire::checksum(packet.data, sizeof(ip)));
  tcp = {};
  tcp.sport = wire::be16::from_host(sport);
  tcp.dport = wire::be16::from_host(dport);
  tcp.seq = wire::be32::from_host(seq);
  tcp.ack_seq = wire::be32::from_host(ack);
  tcp.doff_reserved = 0x50;
  tcp.flags = flags;
  tcp.window = wire::be16::from_host(0xffff);
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "step: %s\n", what);
  std::exit(1);
}

uint64_t nanoseconds(clockid_t clock = CLOCK_MONOTONIC) {
  timespec t;
  ::clock_gettime(clock, &t);
  return uint64_t(t.tv_sec) * 1'000'000'000u + uint64_t(t.tv_nsec);
}

service::IpAddress ip_address(wire::Addr4 v4) {
  service::IpAddress ip;
  ip.family = 4;
  ip.v4 = v4;
  return ip;
}

service::SnapshotSpec one_service() {
  service::ServiceSpec web;
  web.listen.push_back({wire::kProtoTcp, ip_address(kVip), kVirtualPort});
  for (uint32_t i = 0; i < kServers; ++i) {
    web.servers.push_back({i, ip_address(real(i)), kRealPort, 1, 0, 0});
    web.plan.steps.push_back(int32_t(i));
  }
  service::SnapshotSpec spec;
  spec.services.push_back(std::move(web));
  return spec;
}

class Bench {
 public:
  Bench(uint32_t flows, std::unique_ptr<engine::Engine> engine)
      : engine_(std::move(engine)), connections_(flows), buffers_(engine::kBurst * kStride) {
    for (unsigned i = 0; i < engine::kBurst; ++i) {
      packets_[i].data = buffers_.data() + i * kStride;
      packets_[i].capacity = kStride;
    }
  }

  /** Nanoseconds per packet of the three segments that open each flow. */
  double open() {
    const auto flows = uint32_t(connections_.size());
    run(
        flows,
        [&](uint32_t i, nat::Packet& p) {
          connections_[i] = {kClientBegin + 1, kServerBegin + 1, 0};
          from_client(p, i, kClientBegin, 0, kSyn, 0);
        },
        [&](uint32_t i, const nat::Packet& p) {
          const auto& ip = *reinterpret_cast<const wire::ipv4_hdr*>(p.data);
          connections_[i].server = ip.daddr.value.host() - real(0).value.host();
        });
    run(flows, [&](uint32_t i, nat::Packet& p) {
      from_server(p, i, kServerBegin, kClientBegin + 1, kSyn | kAck, 0);
    });
    run(flows,
        [&](uint32_t i, nat::Packet& p) { from_client(p, i, kClientBegin + 1, kServerBegin + 1, kAck, 0); });
    return taken(uint64_t(flows) * 3);
  }

  /** The same of data, to and fro, of flows drawn by chance. */
  double data(uint32_t packets) {
    run(packets, [&](uint32_t n, nat::Packet& p) {
      const auto i = uint32_t(prng_.below(uint32_t(connections_.size())));
      Connection& c = connections_[i];
      if (n % 2 == 0) {
        from_client(p, i, c.client_next, c.server_next, kAck, kPayload);
        c.client_next += kPayload;
      } else {
        from_server(p, i, c.server_next, c.client_next, kAck, kPayload);
        c.server_next += kPayload;
      }
    });
    return taken(packets);
  }

  struct Sweep {
    uint32_t slices = 0;
    double total_ms = 0, worst_us = 0, high_us = 0;  // high: one in a hundred slices takes longer
  };

  /** One round over all flows, `seconds` after now. In processor time: on a busy machine a slice is interrupted. */
  Sweep sweep(uint32_t seconds) {
    std::vector<uint64_t> taken;
    const Tick now = Now{nanoseconds() / 1'000'000 + uint64_t(seconds) * 1000}.tick();
    nat::Core& core = engine_->lane(0).core;
    for (uint32_t shard = 0; shard < core.tables.v4.shard_count(); ++shard) {
      for (bool more = true; more;) {
        const uint64_t began = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
        more = nat::expire(core, *engine_->current(), shard, now, engine::kSweepSlice);
        taken.push_back(nanoseconds(CLOCK_THREAD_CPUTIME_ID) - began);
      }
    }
    std::sort(taken.begin(), taken.end());
    Sweep result{uint32_t(taken.size()), 0, double(taken.back()) / 1e3,
                 double(taken[taken.size() * 99 / 100]) / 1e3};
    for (const uint64_t ns : taken) result.total_ms += double(ns) / 1e6;
    return result;
  }

  /** Of the engine's memory for IPv4. */
  double bytes_per_flow() {
    const auto stats = engine_->lane(0).core.tables.v4.stats();
    return double(stats.bytes) / double(stats.capacity);
  }
  uint64_t flows() { return engine_->lane(0).core.tables.v4.stats().flows; }

 private:
  static constexpr uint32_t kStride = kPacketBytes + nat::kAnswerHeadroom;

  void from_client(nat::Packet& p, uint32_t i, uint32_t seq, uint32_t ack, uint8_t flags, uint32_t payload) {
    write_segment(p, client_address(i), client_port(i), kVip, kVirtualPort, seq, ack, flags, payload);
  }
  void from_server(nat::Packet& p, uint32_t i, uint32_t seq, uint32_t ack, uint8_t flags, uint32_t payload) {
    write_segment(p, real(connections_[i].server), kRealPort, client_address(i), client_port(i), seq, ack,
                  flags, payload);
  }

  struct Ignore {
    void operator()(uint32_t, const nat::Packet&) const {}
  };
  template <class Make, class Seen = Ignore>
  void run(uint32_t count, Make&& make, Seen&& seen = {}) {
    for (uint32_t first = 0; first < count; first += engine::kBurst) {
      const unsigned size = std::min(engine::kBurst, count - first);
      for (unsigned i = 0; i < size; ++i) make(first + i, packets_[i]);
      unsigned left = 0;
      const uint64_t began = nanoseconds();
      const Now now{began / 1'000'000};
      engine_->lane(0).run(*engine_->current(), now, packets_, size, nullptr,
                           [&left](nat::Packet&, const nat::Pending&, nat::Verdict) {
                             ++left;
                             return engine::Emitted::sent;
                           });
      spent_ += nanoseconds() - began;
      if (left != size) fail("a packet was not forwarded");
      for (unsigned i = 0; i < size; ++i) seen(first + i, packets_[i]);
    }
  }

  double taken(uint64_t packets) { return double(std::exchange(spent_, 0)) / double(packets); }

  std::unique_ptr<engine::Engine> engine_;
  std::vector<Connection> connections_;
  std::vector<uint8_t> buffers_;
  nat::Packet packets_[engine::kBurst];
  Prng prng_{1};
  uint64_t spent_ = 0;
};

uint32_t number_after(int argc, char** argv, std::string_view name, uint32_t otherwise) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (argv[i] == name) return uint32_t(std::strtoul(argv[i + 1], nullptr, 10));
  }
  return otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const uint32_t flows = number_after(argc, argv, "--flows", 1'000'000);
  const uint32_t rounds = number_after(argc, argv, "--rounds", 15);
  const uint32_t packets = number_after(argc, argv, "--packets", 1'000'000);
  if (flows == 0 || rounds == 0 || packets == 0)
    fail("--flows, --rounds and --packets must be numbers above 0");
  engine::EngineOptions options;
  options.flow_capacity = flows + flows / 8;  // shards fill unevenly
  options.limits = {kServers, 1};
  options.hash_key = HashKey{1, 2};
  auto engine = engine::Engine::open_memory(options);
  if (!engine) fail("no memory for that many flows");
  if (const std::string wrong = engine.value()->publish(one_service()); !wrong.empty()) fail(wrong.c_str());

  Bench bench(flows, std::move(engine.value()));
  std::printf("open    %7.1f ns per packet (%u flows, 3 packets each)\n", bench.open(), flows);
  std::vector<double> results;
  for (uint32_t round = 0; round < rounds; ++round) results.push_back(bench.data(packets));
  std::sort(results.begin(), results.end());
  std::printf("data    %7.1f ns per packet, median of %u rounds of %u (least %.1f, most %.1f)\n",
              results[rounds / 2], rounds, packets, results.front(), results.back());
  const auto idle = bench.sweep(0);
  std::printf("idle    %7.3f %% of a core, to look at %llu flows once a second\n", idle.total_ms / 10,
              static_cast<unsigned long long>(bench.flows()));
  const auto end = bench.sweep(100'000);
  std::printf("expire  %7.1f us the longest slice, 99 of 100 within %.1f us (%u slices, %.0f ns a flow)\n",
              end.worst_us, end.high_us, end.slices, end.total_ms * 1e6 / flows);
  if (bench.flows() != 0) fail("a flow did not expire");
  std::printf("memory  %7.1f bytes per IPv4 flow that fits\n", bench.bytes_per_flow());
  return 0;
}
