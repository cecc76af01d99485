// SPDX-License-Identifier: Apache-2.0
//
// The engine with its threads, on sockets that keep packet boundaries instead of a TUN: publishing, listing, sweeping
// and stopping under traffic. Meant for ThreadSanitizer; correct books are checked in every build.
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <atomic>
#include <thread>

#include "engine/engine.h"
#include "test/native/check.h"
#include "test/native/support/packets.h"

namespace vsnat::test {
namespace {

constexpr unsigned kQueues = 3;

/** An engine whose queues' other ends are ours. */
struct Wire {
  std::vector<UniqueFd> ends;
  std::unique_ptr<engine::Engine> engine;

  explicit Wire(engine::IoChoice io) {
    io::OpenedTun opened;
    opened.facts.name = "sockets";
    for (unsigned i = 0; i < kQueues; ++i) {
      int pair[2];
      if (!CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0)) return;
      ends.emplace_back(pair[0]);
      opened.queues.emplace_back(UniqueFd{pair[1]}, true);
    }
    engine::EngineOptions options;
    options.flow_capacity = 100'000;
    options.limits = {16, 4};
    options.hash_key = HashKey{1, 2};
    auto result = engine::Engine::open_queues(options, std::move(opened), io);
    if (CHECK(bool(result))) engine = std::move(result.value());
  }
};

service::IpAddress v4_address(uint32_t value) {
  service::IpAddress address;
  address.family = 4;
  address.v4.value = wire::be32::from_host(value);
  return address;
}

service::SnapshotSpec spec(uint32_t weight) {
  service::ServiceSpec service;
  service.listen = {{6, v4_address(0xc000020a), 80}};  // 192.0.2.10:80
  for (uint32_t i = 0; i < 3; ++i) {
    service.servers.push_back({i, v4_address(0x0a000001 + i), 8080, weight, 0, 0});
    service.plan.steps.push_back(int32_t(i));
  }
  service::SnapshotSpec all;
  all.services = {service};
  return all;
}

uint64_t accounted(const engine::QueueCounters& c) {
  uint64_t sum = c.forwarded.read() + c.passed.read();
  for (const Counter& dropped : c.dropped) sum += dropped.read();
  return sum;
}

/** Both ways packets cross a device; where io_uring is refused, the second is the first again, and says so. */
template <class Body>
void both_ways(Body&& body) {
  for (const auto io : {engine::IoChoice::poll, engine::IoChoice::automatic}) {
    ROW(io == engine::IoChoice::poll ? "poll" : "io_uring");
    body(io);
  }
}

void books_agree(engine::IoChoice io) {
  Wire w(io);
  if (!w.engine || !CHECK_EQ(w.engine->publish(spec(1)), std::string{})) return;
  if (!CHECK(bool(w.engine->start()))) return;
  const uint64_t per_queue = scaled(20'000);
  std::atomic<uint64_t> came_out{0};
  std::atomic<bool> done{false};

  std::vector<std::thread> senders;
  for (unsigned q = 0; q < kQueues; ++q) {
    senders.emplace_back([&, q] {
      wire::vnet_hdr none;
      for (uint64_t i = 0; i < per_queue; ++i) {
        // The same clients on every queue: whoever comes first makes the flow, the others find it.
        const auto port = uint16_t(1024 + i % 5000);
        const Packet packet = tcp4().from({ip4(198, 51, 100, 7), port}).flags(i < 5000 ? 0x02 : 0x10).build();
        iovec parts[2] = {{&none, sizeof(none)},
                          {const_cast<uint8_t*>(packet.bytes.data()), packet.bytes.size()}};
        while (::writev(w.ends[q].get(), parts, 2) < 0) {
          pollfd writable{w.ends[q].get(), POLLOUT, 0};
          ::poll(&writable, 1, 100);
        }
      }
    });
  }
  std::thread receiver([&] {
    uint8_t buffer[2048];
    while (!done.load()) {
      for (const UniqueFd& end : w.ends) {
        while (::read(end.get(), buffer, sizeof(buffer)) > 0) came_out.fetch_add(1);
      }
    }
  });
  size_t published = 0, listed = 0;
  const auto all_read = [&] {
    uint64_t rx = 0;
    for (size_t q = 0; q < kQueues; ++q) rx += w.engine->lane(q).counters.rx_packets.read();
    return rx == per_queue * kQueues;
  };
  while (!all_read()) {
    if (w.engine->publish(spec(1 + published % 2)).empty()) ++published;
    std::vector<engine::FlowRow> rows;
    w.engine->walk(0, 1000, engine::Engine::monotonic_now(), rows);
    listed += rows.size();
  }
  for (std::thread& sender : senders) sender.join();
  w.engine->stop();
  done = true;
  receiver.join();
  CHECK(published > 0);
  CHECK(listed > 0);
  uint64_t connections = 0;
  for (size_t q = 0; q < kQueues; ++q) {
    engine::Lane& lane = w.engine->lane(q);
    CHECK_EQ(accounted(lane.counters), lane.counters.rx_packets.read());
    for (uint32_t slot = 0; slot < 3; ++slot) connections += lane.tally.connections(slot).read();
  }
  uint64_t load = 0;
  for (uint32_t slot = 0; slot < 3; ++slot) load += w.engine->load(slot).total();
  CHECK_EQ(connections, uint64_t{5000} < per_queue ? uint64_t{5000} : per_queue);
  CHECK_EQ(load, w.engine->table_stats().flows);
}

TEST("queues move packets while snapshots are published and flows are listed, and the books agree") {
  both_ways(books_agree);
}

TEST("an engine starts and stops a hundred times, and stopping twice is stopping once") {
  both_ways([](engine::IoChoice io) {
    for (int i = 0; i < 100; ++i) {
      Wire w(io);
      if (!w.engine) return;
      w.engine->publish(spec(1));
      CHECK(bool(w.engine->start()));
      w.engine->stop();
      w.engine->stop();
    }
  });
}

TEST("a queue whose other end is gone ends its worker and says so") {
  both_ways([](engine::IoChoice io) {
    Wire w(io);
    if (!w.engine) return;
    w.engine->publish(spec(1));
    CHECK(bool(w.engine->start()));
    CHECK_EQ(w.engine->failure(), 0);
    w.ends.clear();
    for (int waited = 0; waited < 5000 && w.engine->failure() == 0; ++waited) {
      ::poll(nullptr, 0, 1);
    }
    CHECK(w.engine->failure() != 0);
  });
}

}  // namespace
}  // namespace vsnat::test
