// SPDX-License-Identifier: Apache-2.0
//
// Connections through the lane of a memory device, as a queue's thread would run them: a director with as many services,
// servers and flows as is asked for, and their packets in bursts. Making packets is not what is measured, so whoever runs
// some hands in `measure(batch)`, which calls batch() and sees to the rest.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "bench/micro/clients.h"
#include "bench/micro/director.h"
#include "bench/micro/segments.h"
#include "engine/engine.h"

namespace vsnat::bench {

/** Of one batch: long enough for a clock that is a system call, short enough for the packets to lie in the caches. */
inline constexpr uint32_t kBatch = 4 * engine::kBurst;

template <class Addr>
class Traffic {
 public:
  static constexpr uint32_t kPayload = 24;  // with IPv4 the 64 bytes a frame of Ethernet has at least

  explicit Traffic(const Layout& layout)
      : layout_(layout),
        engine_(open_director<Addr>(layout)),
        connections_(layout.flows),
        room_(kBatch * kStride) {
    for (uint32_t i = 0; i < kBatch; ++i) {
      packets_[i].data = room_.data() + i * kStride;
      packets_[i].capacity = kStride;
    }
  }

  /** Beside the director's. */
  static constexpr uint32_t kOwnBytesPerFlow = 3 * sizeof(uint32_t);

  uint32_t flows() const { return layout_.flows; }
  engine::Lane& lane() { return engine_->lane(0); }
  const service::Snapshot& snapshot() const { return *engine_->current(); }
  flow::Table<Addr>& table() { return lane().core.tables.template of<Addr>(); }
  Now now() const { return now_; }

  /** The client's first segment of each of these flows. */
  template <class Measure>
  void syn(uint32_t first, uint32_t count, Measure&& measure) {
    run(
        count, measure,
        [&](uint32_t n, nat::Packet& packet) {
          connections_[first + n] = {kClientBegin + 1, kServerBegin + 1, 0};
          write_tcp<Addr>(packet, client(first + n), service(first + n), {kClientBegin, 0, tcp::kSyn, 0});
        },
        [&](uint32_t n, const nat::Packet& packet) {
          connections_[first + n].server = server_number(packet);
        });
  }
  template <class Measure>
  void syn_ack(uint32_t first, uint32_t count, Measure&& measure) {
    run(count, measure, [&](uint32_t n, nat::Packet& packet) {
      write_tcp<Addr>(packet, server(first + n), client(first + n),
                      {kServerBegin, kClientBegin + 1, tcp::kSyn | tcp::kAck, 0});
    });
  }
  template <class Measure>
  void ack(uint32_t first, uint32_t count, Measure&& measure) {
    run(count, measure, [&](uint32_t n, nat::Packet& packet) {
      write_tcp<Addr>(packet, client(first + n), service(first + n),
                      {kClientBegin + 1, kServerBegin + 1, tcp::kAck, 0});
    });
  }

  void open_all() {
    const auto unmeasured = [](auto&& batch) { batch(); };
    syn(0, layout_.flows, unmeasured);
    syn_ack(0, layout_.flows, unmeasured);
    ack(0, layout_.flows, unmeasured);
  }
  /** The first request of each of these flows and then its answer, which are timed (nat/measure.h); what follows is not. */
  template <class Measure>
  void exchange(uint32_t first, uint32_t count, Measure&& measure) {
    run(count, measure, [&](uint32_t n, nat::Packet& packet) { write_request(first + n, packet); });
    run(count, measure, [&](uint32_t n, nat::Packet& packet) { write_reply(first + n, packet); });
  }
  void open_and_exchange_all() {
    open_all();
    exchange(0, layout_.flows, [](auto&& batch) { batch(); });
  }

  /** A data segment of each of these flows, which are open; to and fro in turn. */
  template <class Measure>
  void data(std::span<const uint32_t> flows, Measure&& measure) {
    run(uint32_t(flows.size()), measure, [&](uint32_t n, nat::Packet& packet) {
      if (n % 2 == 0) {
        write_request(flows[n], packet);
      } else {
        write_reply(flows[n], packet);
      }
    });
  }

  /** Look at every flow, `seconds` from now, in slices as between two bursts; `measure(slice)` runs each. */
  template <class Measure>
  void sweep(uint32_t seconds, Measure&& measure) {
    const Tick then = Now{now_.ms + uint64_t(seconds) * 1000}.tick();
    nat::Core& core = lane().core;
    for (uint32_t shard = 0; shard < nat::expirable_shards(core.tables); ++shard) {
      for (bool more = true; more;) {
        measure([&] { more = nat::expire(core, snapshot(), shard, then, engine::kSweepSlice); });
      }
    }
  }
  /** Long after: no flow is left. */
  void forget_all() {
    sweep(kLong, [](auto&& slice) { slice(); });
    if (table().stats().flows != 0) fail("a flow did not expire");
  }
  static constexpr uint32_t kLong = 100'000;

 private:
  using tcp = wire::tcp_hdr;
  static constexpr uint32_t kRoom = kIpHeader<Addr> + sizeof(tcp) + kPayload + nat::kAnswerHeadroom;
  static constexpr uint32_t kStride = (kRoom + 63) / 64 * 64;
  static constexpr uint32_t kClientBegin = 1000, kServerBegin = 5000;

  struct Connection {
    uint32_t client_next, server_next;
    uint32_t server;  // by its number among all
  };
  static_assert(sizeof(Connection) == kOwnBytesPerFlow);
  struct Nothing {
    void operator()(uint32_t, const nat::Packet&) const {}
  };

  static End<Addr> client(uint32_t i) { return {client_address<Addr>(i), client_port(i)}; }
  End<Addr> service(uint32_t i) const { return {virtual_address<Addr>(i % layout_.services), kVirtualPort}; }
  End<Addr> server(uint32_t i) const { return {real_address<Addr>(connections_[i].server), kRealPort}; }
  static uint32_t server_number(const nat::Packet& packet) {
    if constexpr (Addr::kFamily == 4) {
      return real_number(reinterpret_cast<const wire::ipv4_hdr*>(packet.data)->daddr);
    } else {
      return real_number(reinterpret_cast<const wire::ipv6_hdr*>(packet.data)->daddr);
    }
  }

  void write_request(uint32_t i, nat::Packet& packet) {
    Connection& c = connections_[i];
    write_tcp<Addr>(packet, client(i), service(i), {c.client_next, c.server_next, tcp::kAck, kPayload});
    c.client_next += kPayload;
  }
  void write_reply(uint32_t i, nat::Packet& packet) {
    Connection& c = connections_[i];
    write_tcp<Addr>(packet, server(i), client(i), {c.server_next, c.client_next, tcp::kAck, kPayload});
    c.server_next += kPayload;
  }

  template <class Measure, class Make, class Seen = Nothing>
  void run(uint32_t count, Measure&& measure, Make&& make, Seen&& seen = {}) {
    for (uint32_t first = 0; first < count; first += kBatch) {
      const uint32_t size = std::min(kBatch, count - first);
      for (uint32_t i = 0; i < size; ++i) make(first + i, packets_[i]);
      uint32_t left = 0;
      measure([&] {
        for (uint32_t begin = 0; begin < size; begin += engine::kBurst) {
          lane().run(snapshot(), now_, packets_ + begin, std::min(engine::kBurst, size - begin), nullptr,
                     [&left](nat::Packet&, const nat::Pending&, nat::Verdict verdict) {
                       left += verdict == nat::Verdict::forward;
                       return engine::Emitted::sent;
                     });
        }
      });
      if (left != size) fail("a packet was not forwarded");
      for (uint32_t i = 0; i < size; ++i) seen(first + i, packets_[i]);
    }
  }

  Layout layout_;
  std::unique_ptr<engine::Engine> engine_;
  std::vector<Connection> connections_;
  std::vector<uint8_t> room_;
  nat::Packet packets_[kBatch];
  Now now_{1'000'000};
};

}  // namespace vsnat::bench
