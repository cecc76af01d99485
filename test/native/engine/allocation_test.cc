// SPDX-License-Identifier: Apache-2.0
//
// The packet path asks nobody for memory. Here malloc and its kin are the test's own, and abort while a lane is at work;
// operator new comes by malloc. The sanitizers want the allocator for themselves, so these tests are not in their builds.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "engine/engine.h"
#include "test/native/engine/shortcut_lab.h"
#include "test/native/support/services.h"

namespace {
thread_local bool forbidden = false;

void check_allowed() {
  if (!forbidden) return;
  constexpr char kSaid[] = "the packet path asked for memory\n";
  if (::write(STDERR_FILENO, kSaid, sizeof(kSaid) - 1) < 0) std::abort();
  std::abort();
}
}  // namespace

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

[[gnu::visibility("default")]] void* malloc(size_t bytes) {
  check_allowed();
  return __libc_malloc(bytes);
}
[[gnu::visibility("default")]] void* calloc(size_t count, size_t bytes) {
  check_allowed();
  return __libc_calloc(count, bytes);
}
[[gnu::visibility("default")]] void* realloc(void* old, size_t bytes) {
  check_allowed();
  return __libc_realloc(old, bytes);
}
[[gnu::visibility("default")]] void* aligned_alloc(size_t alignment, size_t bytes) {
  check_allowed();
  return __libc_memalign(alignment, bytes);
}
[[gnu::visibility("default")]] int posix_memalign(void** memory, size_t alignment, size_t bytes) {
  check_allowed();
  *memory = __libc_memalign(alignment, bytes);
  return *memory == nullptr ? ENOMEM : 0;
}
}

namespace vsnat::test {
namespace {

/** Kills the process that allocates while it lives. */
struct NoMemory {
  NoMemory() { forbidden = true; }
  ~NoMemory() { forbidden = false; }
};

/** How a child ends that does this. */
template <class Body>
int status_of_child(Body&& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(STDERR_FILENO);  // what it says is expected
    body();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

constexpr unsigned kClients = 500;

/** A memory device, and packets that were made beforehand. */
class Traffic {
 public:
  Traffic() {
    engine::EngineOptions options;
    options.flow_capacity = 256;  // fewer than the clients: flows are given up, and refused
    options.limits = kTestLimits;
    options.hash_key = HashKey{1, 2};
    auto opened = engine::Engine::open_memory(options);
    if (!CHECK(bool(opened))) return;
    engine = std::move(opened.value());
    service::SnapshotSpec spec;
    auto web = service_spec(0, 6, virtual_endpoint(4), {server_spec(0, real_endpoint(4))});
    web.helper = service::Helper::ftp;
    web.persistence.seconds = 300;
    web.persistence.prefix_bits = 32;
    auto dns = service_spec(1, 17, virtual_endpoint(4), {server_spec(1, real_endpoint(4))});
    spec.services = {web, dns, service_spec(2, 6, virtual_endpoint(6), {server_spec(2, real_endpoint(6))})};
    CHECK_EQ(engine->publish(spec), std::string());
    buffers.resize(engine::kBurst * kRoom);
    make();
  }

  /** All of them in bursts, in the order they were made. */
  void run() {
    for (size_t first = 0; first < packets.size(); first += engine::kBurst) {
      const auto count = unsigned(std::min<size_t>(engine::kBurst, packets.size() - first));
      nat::Packet burst[engine::kBurst];
      for (unsigned i = 0; i < count; ++i) {
        const Packet& packet = packets[first + i];
        uint8_t* const room = buffers.data() + i * kRoom;
        std::memcpy(room, packet.bytes.data(), packet.bytes.size());
        burst[i] = {room, uint32_t(packet.bytes.size()), kRoom, packet.vnet};
      }
      engine::Lane& lane = engine->lane(0);
      lane.run(*engine->current(), now, burst, count, nullptr,
               [](nat::Packet&, const nat::Pending&, nat::Verdict) { return engine::Emitted::sent; });
      now.ms += 1;
    }
  }

  /** A round of expiry over everything, after so long. */
  void expire_after(uint64_t seconds) {
    now.ms += seconds * 1000;
    engine::Lane& lane = engine->lane(0);
    for (uint32_t shard = 0; shard < nat::expirable_shards(lane.core.tables); ++shard) {
      while (nat::expire(lane.core, *engine->current(), shard, now.tick(), 64)) {
      }
    }
    lane.expire_fragments(now);
  }

  std::unique_ptr<engine::Engine> engine;

 private:
  static constexpr uint32_t kRoom = 2048;

  void make() {
    for (unsigned i = 0; i < kClients; ++i) {
      Endpoint client = client_endpoint(4), client6 = client_endpoint(6);
      client.port = client6.port = uint16_t(20'000 + i);
      client.address.bytes[3] = uint8_t(i);
      const Endpoint virt = virtual_endpoint(4), real = real_endpoint(4);
      add(tcp4().from(client).to(virt).flags(2).seq(100));
      add(tcp4().from(real).to(client).flags(0x12).seq(500).ack(101));
      add(tcp4().from(client).to(virt).flags(0x10).seq(101).ack(501));
      add(tcp4().from(client).to(virt).flags(0x18).seq(101).ack(501).payload(text("PASV\r\n")));
      add(tcp4().from(real).to(client).flags(0x18).seq(501).ack(107).payload(
          text("227 Entering Passive Mode (10,0,0,1,200,1).\r\n")));
      add(tcp4().from(client).to(virt).flags(0x11).seq(107).ack(546));
      add(tcp6().from(client6).to(virtual_endpoint(6)).flags(2));
      add(udp4().from(client).to(virt).payload_bytes(40));
      add(udp4().from(real).to(client).payload_bytes(40));
      // The second piece comes first, and waits.
      add(protocol(4, 17).from(client).to(virt).ip_id(uint16_t(i)).fragment_field(3).payload_bytes(16));
      add(udp4()
              .from(client)
              .to(virt)
              .ip_id(uint16_t(i))
              .fragment_field(0x2000)
              .payload_bytes(16)
              .udp_length(40));
      add(icmp4().from(client).to(virt));
      const Bytes quote = udp4().from(virt).to(client).payload_bytes(20).bytes();
      add(icmp4().icmp(3, 3).from(client).to(virt).payload(quote));
      add(tcp4().from(client).to({virt.address, 9}).flags(2));
      add(udp4().from(client).to({virt.address, 9}));
      add(tcp4().from(client).to(virt).truncate(30));
    }
  }
  void add(const PacketBuilder& builder) { packets.push_back(builder.build()); }
  static Bytes text(const char* words) { return Bytes(words, words + std::strlen(words)); }

  std::vector<Packet> packets;
  Bytes buffers;
  Now now{1'000'000};
};

TEST("who allocates where it is forbidden does not live on") {
  const int plain = status_of_child([] { std::free(std::malloc(1)); });
  CHECK(WIFEXITED(plain) && WEXITSTATUS(plain) == 0);
  const int guarded = status_of_child([] {
    const NoMemory none;
    static void* volatile kept;
    kept = ::operator new(1);
  });
  CHECK(WIFSIGNALED(guarded) && WTERMSIG(guarded) == SIGABRT);
}

TEST(
    "the packet path asks for no memory: openings, hits, FTP, pieces, ICMP, refusals, a full table and "
    "expiry") {
  Traffic traffic;
  if (!traffic.engine) return;
  for (int round = 0; round < 3; ++round) {
    const NoMemory none;
    traffic.run();
    traffic.expire_after(1000);
  }
  const engine::QueueCounters& counters = traffic.engine->lane(0).counters;
  const auto dropped = [&](DropReason reason) { return counters.dropped[size_t(reason)].read(); };
  CHECK(counters.forwarded.read() > 3000);
  CHECK(counters.held.read() > 0 && counters.released.read() > 0);
  CHECK(counters.generated[size_t(Generated::echo_reply)].read() > 0);
  CHECK(counters.generated[size_t(Generated::tcp_reset)].read() > 0);
  CHECK(dropped(DropReason::truncated) > 0);
  CHECK(dropped(DropReason::table_full) > 0);
  CHECK(traffic.engine->lane(0).tally.ftp_announced.read() > 0);
}

TEST("shortcuts are given, opened again, booked and ended without asking for memory") {
  ShortcutLab lab(4);
  if (!lab) return;
  std::vector<std::unique_ptr<Talk>> talks;
  std::vector<std::unique_ptr<Upward>> burst;
  for (uint16_t i = 0; i < 6; ++i) {
    talks.push_back(std::make_unique<Talk>(lab, i % 2 ? 4 : 6, uint16_t(2000 + i)));
    burst.push_back(lab.comes_up(talks.back()->says(flow::Direction::request, 10).build()));
  }
  uint32_t most = 0;
  for (int round = 0; round < 3; ++round) {
    const NoMemory none;
    for (const auto& up : burst) lab.settle(*up);
    most = std::max(most, lab.keeper().in_use());
    lab.wait_seconds(12);
  }
  CHECK_EQ(most, 4u);
  CHECK_EQ(lab.keeper().in_use(), 0u);
}

}  // namespace
}  // namespace vsnat::test

#endif
