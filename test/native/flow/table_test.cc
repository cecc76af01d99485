// SPDX-License-Identifier: Apache-2.0
//
// The flow table by its rules, one by one. flow/table_model_test.cc has the random walk against a std::map.
#include "flow/table.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <new>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "test/native/check.h"
#include "test/native/flow/table_lab.h"

namespace vsnat::test {
namespace {

using flow::Sharing;
using flow::State;
using flow::Table;
using wire::Addr4;
using wire::Addr6;

constexpr uint8_t kTcp = 6, kUdp = 17;
constexpr uint32_t kGroup = Table<Addr4>::kGroup;

template <class Addr>
void check_both_directions() {
  Lab<Addr> lab(8);
  auto* flow = lab.open(kTcp, 1, 40000, 1, 80, 1, 8080, Tick{100});
  if (!CHECK(flow != nullptr)) return;
  CHECK(lab.request(kTcp, 1, 40000, 1, 80) == flow);
  CHECK(lab.reply(kTcp, 1, 40000, 1, 8080) == flow);
  ROW("one part of the tuple differs");
  CHECK(lab.request(kUdp, 1, 40000, 1, 80) == nullptr);
  CHECK(lab.request(kTcp, 2, 40000, 1, 80) == nullptr);
  CHECK(lab.request(kTcp, 1, 40001, 1, 80) == nullptr);
  CHECK(lab.request(kTcp, 1, 40000, 2, 80) == nullptr);
  CHECK(lab.request(kTcp, 1, 40000, 1, 81) == nullptr);
  CHECK(lab.reply(kUdp, 1, 40000, 1, 8080) == nullptr);
  CHECK(lab.reply(kTcp, 1, 40000, 2, 8080) == nullptr);
  CHECK(lab.reply(kTcp, 1, 40000, 1, 8081) == nullptr);
  lab.table.erase(flow);
  CHECK(lab.request(kTcp, 1, 40000, 1, 80) == nullptr);
  CHECK(lab.reply(kTcp, 1, 40000, 1, 8080) == nullptr);
  CHECK_EQ(lab.table.stats().flows, uint64_t{0});
}

TEST("a flow is found from both directions, by its whole tuple and by nothing less") {
  check_both_directions<Addr4>();
  check_both_directions<Addr6>();
}

TEST("two VIPs that share a real server keep their flows of one client port apart") {
  Lab<Addr4> lab(8);
  auto* first = lab.open(kTcp, 1, 40000, 1, 80, 1, 8080, Tick{100});
  auto* second = lab.open(kTcp, 1, 40000, 2, 80, 2, 8080, Tick{100});
  CHECK(first != second);
  CHECK(lab.request(kTcp, 1, 40000, 1, 80) == first);
  CHECK(lab.request(kTcp, 1, 40000, 2, 80) == second);
  CHECK(lab.reply(kTcp, 1, 40000, 1, 8080) == first);
  CHECK(lab.reply(kTcp, 1, 40000, 2, 8080) == second);
  lab.table.erase(first);
  CHECK(lab.request(kTcp, 1, 40000, 2, 80) == second);
  CHECK(lab.request(kTcp, 1, 40000, 1, 80) == nullptr);
}

TEST("whichever record is thought likely, the same flow is found, and none where there is none") {
  constexpr uint32_t kCapacity = 8;
  Lab<Addr4> lab(kCapacity);
  auto* first = lab.open(kTcp, 1, 40000, 1, 80, 1, 8080, Tick{100});
  auto* second = lab.open(kTcp, 1, 40000, 2, 80, 2, 8080, Tick{100});
  lab.table.erase(lab.open(kTcp, 1, 40000, 3, 80, 3, 8080, Tick{100}));
  const auto found = [&](uint32_t virt, uint32_t likely) {
    return lab.table.find_request(lab.hash(kTcp, 1, 40000), kTcp, numbered<Addr4>(1),
                                  wire::be16::from_host(40000), virtual_numbered<Addr4>(virt),
                                  wire::be16::from_host(80), likely);
  };
  for (uint32_t likely = 0; likely < kCapacity; ++likely) {
    CHECK(found(1, likely) == first);
    CHECK(found(2, likely) == second);
    CHECK(found(3, likely) == nullptr);
  }
  CHECK_EQ(lab.table.prefetch_flow(lab.hash(kTcp, 1, 40000)), lab.table.index_of(first));
  CHECK_EQ(lab.table.prefetch_flow(lab.hash(kTcp, 2, 40000)), flow::kNoFlow);
}

template <class Addr>
void check_capacity(uint32_t capacity) {
  ROW("capacity " + std::to_string(capacity));
  Lab<Addr> lab(capacity);
  uint32_t fitted = 0;
  while (fitted < 2 * capacity + 16) {
    if (lab.open(kTcp, fitted, uint16_t(fitted % 60000 + 1), 1, 80, fitted, 8080, Tick{8000}) == nullptr)
      break;
    ++fitted;
  }
  CHECK(fitted >= capacity);
  CHECK_EQ(lab.table.stats().flows, uint64_t(fitted));
  CHECK_EQ(lab.table.stats().evicted, uint64_t{0});
  for (uint32_t i = 0; i < fitted; ++i) {
    if (!CHECK(lab.request(kTcp, i, uint16_t(i % 60000 + 1), 1, 80) != nullptr)) return;
    if (!CHECK(lab.reply(kTcp, i, uint16_t(i % 60000 + 1), i, 8080) != nullptr)) return;
  }
}

TEST("at least as many flows as the capacity fit before the first refusal, and none of them is lost") {
  for (const uint32_t capacity : {1u, 2u, 3u, 9u, 10u, 11u, 64u, 100u, 159u, 160u, 161u, 1000u, 4096u}) {
    check_capacity<Addr4>(capacity);
    check_capacity<Addr6>(capacity);
  }
  check_capacity<Addr4>(65535);
  check_capacity<Addr4>(65536);  // the first of sixteen shards
  check_capacity<Addr6>(65536);
  check_capacity<Addr4>(100000);
}

TEST("when the last flow is gone no bucket remembers that somebody spilled over it") {
  constexpr uint32_t kCapacity = 1000, kBuckets = kCapacity / 6 + 1;
  constexpr size_t kHeaders = 64 + 64, kBucket = 64, kTagsAndSpilled = 2 * Table<Addr4>::kSlots + 2;
  Lab<Addr4> lab(kCapacity);
  const auto marked = [&] {
    uint32_t count = 0;
    for (size_t b = 0; b < kBuckets; ++b) {
      const auto tags = lab.memory().subspan(kHeaders + b * kBucket, kTagsAndSpilled);
      count += std::any_of(tags.begin(), tags.end(), [](std::byte byte) { return byte != std::byte{0}; });
    }
    return count;
  };
  std::vector<flow::Flow<Addr4>*> flows;
  for (uint32_t i = 0; i < kCapacity; ++i) flows.push_back(lab.open(kTcp, i, 1000, 1, 80, i, 80, Tick{8000}));
  CHECK(marked() > kBuckets * 9 / 10);
  for (auto* flow : flows) lab.table.erase(flow);
  CHECK_EQ(marked(), 0u);
}

template <class Addr>
void check_memory_per_flow(double limit) {
  for (const uint32_t capacity : {1024u, 4096u, 65535u, 65536u, 262144u, 1048576u}) {
    ROW("capacity " + std::to_string(capacity));
    const double per_flow = double(Table<Addr>::bytes_for(capacity)) / capacity;
    if (!CHECK(per_flow <= limit))
      report_failure(__FILE__, __LINE__, std::to_string(per_flow) + " bytes a flow");
  }
}

TEST("an IPv4 flow costs at most 96 bytes and an IPv6 flow at most 144, everything included") {
  check_memory_per_flow<Addr4>(96);
  check_memory_per_flow<Addr6>(144);
}

TEST("a full table gives up a half-open flow for a new one, and never an established one") {
  Lab<Addr4> lab(4);
  for (uint32_t i = 0; i < 4; ++i) lab.open(kTcp, i, 1000, 1, 80, i, 80, Tick{8000});
  CHECK(lab.open(kTcp, 9, 1000, 1, 80, 9, 80, Tick{8000}) == nullptr);
  CHECK(lab.evicted.empty());

  for (const State state :
       {State::syn_recv, State::syn_sent, State::synack, State::none, State::time_wait, State::close}) {
    ROW(flow::state_name(state));
    auto* victim = lab.request(kTcp, 2, 1000, 1, 80);
    if (!CHECK(victim != nullptr)) return;
    victim->state = state;
    lab.evicted.clear();
    auto* fresh = lab.open(kTcp, 9, 1000, 1, 80, 9, 80, Tick{8000});
    CHECK(fresh != nullptr);
    CHECK_EQ(lab.evicted.size(), size_t{1});
    CHECK(lab.request(kTcp, 2, 1000, 1, 80) == nullptr);
    for (const uint32_t other : {0u, 1u, 3u}) CHECK(lab.request(kTcp, other, 1000, 1, 80) != nullptr);
    if (fresh) lab.table.erase(fresh);
    lab.open(kTcp, 2, 1000, 1, 80, 2, 80, Tick{8000});
  }
  for (const State state : {State::established, State::fin_wait, State::close_wait, State::last_ack}) {
    ROW(flow::state_name(state));
    lab.request(kTcp, 2, 1000, 1, 80)->state = state;
    CHECK(lab.open(kTcp, 9, 1000, 1, 80, 9, 80, Tick{8000}) == nullptr);
  }
}

TEST("a full table gives up an established flow whose handshake nobody confirmed") {
  Lab<Addr4> lab(2);
  for (uint32_t i = 0; i < 2; ++i) lab.open(kTcp, i, 1000, 1, 80, i, 80, Tick{8000});
  CHECK(lab.open(kTcp, 9, 1000, 1, 80, 9, 80, Tick{8000}) == nullptr);
  lab.request(kTcp, 1, 1000, 1, 80)->flags = 0;
  CHECK(lab.open(kTcp, 9, 1000, 1, 80, 9, 80, Tick{8000}) != nullptr);
  CHECK(lab.request(kTcp, 0, 1000, 1, 80) != nullptr);
  CHECK(lab.request(kTcp, 1, 1000, 1, 80) == nullptr);
}

TEST("a full table gives up a UDP flow that never saw a reply, but not one that did") {
  Lab<Addr4> lab(2);
  for (uint32_t i = 0; i < 2; ++i) {
    auto* flow = lab.open(kUdp, i, 1000, 1, 53, i, 53, Tick{8000});
    flow->state = State::udp;
    flow->flags = flow::Flow<Addr4>::kReplied;
  }
  CHECK(lab.open(kUdp, 9, 1000, 1, 53, 9, 53, Tick{8000}) == nullptr);
  lab.request(kUdp, 1, 1000, 1, 53)->flags = 0;
  CHECK(lab.open(kUdp, 9, 1000, 1, 53, 9, 53, Tick{8000}) != nullptr);
  CHECK(lab.request(kUdp, 0, 1000, 1, 53) != nullptr);
  CHECK(lab.request(kUdp, 1, 1000, 1, 53) == nullptr);
}

TEST("a full table gives up an established flow only when its time is over") {
  Lab<Addr4> lab(1);
  lab.open(kTcp, 1, 1000, 1, 80, 1, 80, Tick{100});
  lab.now = Tick{100};
  CHECK(lab.open(kTcp, 2, 1000, 1, 80, 2, 80, Tick{900}) == nullptr);
  lab.now = Tick{101};
  CHECK(lab.open(kTcp, 2, 1000, 1, 80, 2, 80, Tick{900}) != nullptr);
}

TEST("the search for something to give up looks at no more than sixteen flows per insert") {
  Lab<Addr4> lab(256);
  for (uint32_t i = 0; i < 256; ++i) lab.open(kTcp, i, 1000, 1, 80, i, 80, Tick{8000});
  lab.request(kTcp, 200, 1000, 1, 80)->state = State::syn_recv;
  uint32_t refusals = 0;
  while (refusals < 100 && lab.open(kTcp, 999, 1000, 1, 80, 1, 80, Tick{8000}) == nullptr) ++refusals;
  CHECK_EQ(refusals, 200u / Table<Addr4>::kEvictProbes);
}

template <class Addr>
void check_expiry(uint32_t start) {
  ROW("ticks from " + std::to_string(start));
  Lab<Addr> lab(512);
  lab.now = Tick{start};
  for (uint32_t i = 0; i < 512; ++i) {
    lab.open(kTcp, i, 1000, 1, 80, i, 80, lab.now.plus(1 + i));
  }
  for (uint32_t elapsed = 1; elapsed <= 513; ++elapsed) {
    lab.sweep_all(Tick{start + elapsed}, 7);
    if (!CHECK_EQ(lab.table.stats().flows, uint64_t(elapsed > 512 ? 0 : 512 - elapsed))) return;
    if (elapsed < 512 && !CHECK(lab.request(kTcp, elapsed, 1000, 1, 80) != nullptr)) return;
  }
  CHECK_EQ(lab.table.stats().expired, uint64_t{512});
}

TEST("a flow is removed at exactly its tick, also when the tick counter wraps") {
  check_expiry<Addr4>(1000);
  check_expiry<Addr6>(1000);
  check_expiry<Addr4>(0xffffff00);
  check_expiry<Addr6>(0xffffffff);
  check_expiry<Addr4>(0x7fffff00);
}

TEST("a packet puts the end off, a change of state may bring it forward") {
  Lab<Addr4> lab(8);
  auto* flow = lab.open(kTcp, 1, 1000, 1, 80, 1, 80, Tick{100});
  lab.table.touch(flow, Tick{5000});
  lab.sweep_all(Tick{4999}, 100);
  CHECK(lab.request(kTcp, 1, 1000, 1, 80) == flow);
  lab.table.touch(flow, Tick{5080});
  lab.sweep_all(Tick{5079}, 100);
  CHECK(lab.request(kTcp, 1, 1000, 1, 80) == flow);
  lab.table.touch(flow, Tick{9000});
  lab.sweep_all(Tick{5080}, 100);  // the sweep now believes in 9000
  lab.table.touch(flow, Tick{5100});
  lab.sweep_all(Tick{5100}, 100);
  CHECK(lab.request(kTcp, 1, 1000, 1, 80) == nullptr);
}

TEST(
    "one sweep spends no more than its budget, of which a removal costs more than a look, and a round sees "
    "all") {
  Lab<Addr4> lab(1000);
  constexpr uint32_t kRemovals = 64 / flow::Table<Addr4>::kRemovalCost;
  for (uint32_t i = 0; i < 1000; ++i) lab.open(kTcp, i, 1000, 1, 80, i, 80, Tick{10});
  uint32_t removed = 0, rounds = 0;
  while (removed < 1000 && rounds < 100) {
    uint32_t now_removed = 0;
    const uint32_t spent = lab.table.sweep(0, Tick{10}, 64, [&](const auto&) { ++now_removed; });
    CHECK(spent <= 64);
    CHECK(now_removed <= kRemovals);
    removed += now_removed;
    ++rounds;
  }
  CHECK_EQ(removed, 1000u);
  CHECK_EQ(rounds, (1000 + kRemovals - 1) / kRemovals);
}

TEST("a round of sweeping ends, also when the flows are an exact multiple of the budget") {
  for (const uint32_t flows : {0u, 1u, 63u, 64u, 65u, 128u, 192u}) {
    ROW(std::to_string(flows) + " flows");
    Lab<Addr4> lab(200);
    for (uint32_t i = 0; i < flows; ++i) lab.open(kTcp, i, 1000, 1, 80, i, 80, Tick{8000});
    for (int round = 0; round < 3; ++round) {
      uint32_t looked = 0, calls = 0, last;
      do {
        last = lab.table.sweep(0, Tick{10}, 64, [](const auto&) {});
        looked += last;
      } while (last == 64 && ++calls < 10);
      // Of new flows each; then, while nothing is due, groups alone.
      CHECK_EQ(looked, round == 0 ? flows : (flows + kGroup - 1) / kGroup);
      CHECK(calls < 10);
    }
  }
}

template <class Addr>
void check_walk(uint32_t capacity, uint32_t limit) {
  ROW("capacity " + std::to_string(capacity) + ", steps of " + std::to_string(limit));
  Lab<Addr> lab(capacity);
  std::vector<flow::Flow<Addr>*> flows;
  for (uint32_t i = 0; i < capacity; ++i) flows.push_back(lab.open(kTcp, i, 1000, 1, 80, i, 80, Tick{8000}));
  size_t left = capacity;
  for (uint32_t i = 0; i < capacity; i += 3, --left) lab.table.erase(flows[i]);
  std::set<uint32_t> seen;
  uint32_t cursor = 0, calls = 0;
  do {
    cursor =
        lab.table.walk(cursor, limit, [&](const flow::Flow<Addr>& f) { seen.insert(number_of(f.client)); });
  } while (cursor != flow::kNoFlow && ++calls < 10 * capacity);
  CHECK_EQ(cursor, flow::kNoFlow);
  CHECK_EQ(seen.size(), left);
  CHECK(seen.count(0) == 0 && seen.count(1) == 1);
}

TEST("a walk sees every flow once, in steps of any size") {
  for (const uint32_t limit : {1u, 63u, 64u, 65u, 1000u, 0x7fffffffu, 0xffffffffu}) {
    check_walk<Addr4>(500, limit);
    check_walk<Addr6>(500, limit);
  }
  check_walk<Addr4>(70000, 4096);
  check_walk<Addr4>(70000, 0xffffffff);
}

// ---- memory that outlives the process ----

TEST("a table attached to formatted memory finds every flow and goes on expiring them") {
  Lab<Addr6> lab(100);
  for (uint32_t i = 0; i < 100; ++i) lab.open(kTcp, i, 1000, 1, 80, i, 80, Tick{100 + i});
  Table<Addr6> again;
  if (!CHECK(again.attach(lab.memory(), Sharing::exclusive))) return;
  for (uint32_t i = 0; i < 100; ++i) {
    const auto client = numbered<Addr6>(i);
    const uint64_t hash = again.hash(kTcp, client, wire::be16::from_host(1000));
    if (!CHECK(again.find_request(hash, kTcp, client, wire::be16::from_host(1000), virtual_numbered<Addr6>(1),
                                  wire::be16::from_host(80)) != nullptr)) {
      return;
    }
  }
  CHECK_EQ(again.stats().capacity, uint64_t{100});
  uint32_t expired = 0;
  again.sweep(0, Tick{149}, 1000, [&](const auto&) { ++expired; });
  CHECK_EQ(expired, 50u);
}

/** Every flow of `table` is found where its tuple says, and free and used records are all there are. */
void check_whole(Table<Addr4>& table, uint32_t capacity) {
  std::vector<flow::Flow<Addr4>> flows;
  table.walk(0, flow::kNoFlow, [&](const auto& f) { flows.push_back(f); });
  CHECK_EQ(table.stats().flows, uint64_t(flows.size()));
  for (const auto& f : flows) {
    const uint64_t hash = table.hash(f.protocol, f.client, f.client_port);
    if (!CHECK(table.find_request(hash, f.protocol, f.client, f.client_port, f.virt, f.virtual_port))) return;
  }
  for (auto& f : flows) {
    const uint64_t hash = table.hash(f.protocol, f.client, f.client_port);
    table.erase(table.find_request(hash, f.protocol, f.client, f.client_port, f.virt, f.virtual_port));
  }
  uint32_t fit = 0;
  for (; fit < 2 * capacity; ++fit) {
    const auto client = numbered<Addr4>(fit);
    const auto port = wire::be16::from_host(7);
    auto* f = table.insert(table.hash(kUdp, client, port), kUdp, client, port, Tick{}, [](const auto&) {});
    if (f == nullptr) break;
    f->state = State::established;
    f->flags = flow::Flow<Addr4>::kConfirmed;
    table.touch(f, Tick{1000});
  }
  CHECK(fit >= capacity);
  CHECK_EQ(table.stats().flows, uint64_t{fit});
}

TEST("a lock that nobody holds any more is opened by who attaches, and the flows behind it are found") {
  Lab<Addr4> lab(500, {1, 2}, Sharing::shared);
  for (uint32_t i = 0; i < 500; ++i) lab.open(kTcp, i, 1000, 1, 80, i, 80, Tick{100 + i});
  for (uint32_t i = 0; i < 500; i += 3) lab.table.erase(lab.request(kTcp, i, 1000, 1, 80));
  using Guard = Table<Addr4>::Guard;
  alignas(Guard) std::byte for_ever[sizeof(Guard)];
  new (for_ever) Guard(lab.table, uint32_t{0});
  Table<Addr4> again;
  if (!CHECK(again.attach(lab.memory(), Sharing::shared))) return;
  CHECK_EQ(again.stats().flows, uint64_t{333});
  for (uint32_t i = 0; i < 500; ++i) CHECK_EQ(lab.request(kTcp, i, 1000, 1, 80) != nullptr, i % 3 != 0);
  uint32_t expired = 0;
  again.sweep(0, Tick{349}, 1000, [&](const auto&) { ++expired; });
  CHECK_EQ(expired, 166u);
  check_whole(again, 500);
}

TEST("a table whose process was killed in the middle of anything is whole again for who attaches") {
  constexpr uint32_t kCapacity = 400;
  const size_t bytes = Table<Addr4>::bytes_for(kCapacity);
  int held = 0;
  // Some must die inside the lock, or nothing was shown: later ones are given longer to get there.
  for (int round = 0; round < scaled(60) || (held == 0 && round < 500); ++round) {
    ROW("round " + std::to_string(round));
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!CHECK(memory != MAP_FAILED)) return;
    const std::span<std::byte> span{static_cast<std::byte*>(memory), bytes};
    Table<Addr4> table;
    table.format(span, kCapacity, {5, uint64_t(round)}, Sharing::shared);
    const pid_t child = ::fork();
    if (child == 0) {
      const auto port = wire::be16::from_host(9);
      for (uint32_t n = 0;; n = n * 1664525 + 1013904223) {
        const auto client = numbered<Addr4>(n >> 22);
        const uint64_t hash = table.hash(kTcp, client, port);
        const Table<Addr4>::Guard guard(table, hash);
        auto* f = table.find_request(hash, kTcp, client, port, virtual_numbered<Addr4>(1), port);
        if (f != nullptr) {
          table.erase(f);
        } else if ((f = table.insert(hash, kTcp, client, port, Tick{1}, [](const auto&) {})) != nullptr) {
          f->virt = virtual_numbered<Addr4>(1);
          f->virtual_port = port;
          f->state = State::established;
          table.touch(f, Tick{1000});
        }
      }
    }
    if (!CHECK(child > 0)) return;
    ::usleep(useconds_t(500 + 37 * round));
    ::kill(child, SIGKILL);
    int status = 0;
    CHECK_EQ(::waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status));
    // The lock is the first byte of the shard behind the header.
    held += span[64] != std::byte{0};
    Table<Addr4> again;
    if (CHECK(again.attach(span, Sharing::shared))) check_whole(again, kCapacity);
    ::munmap(memory, bytes);
  }
  CHECK(held > 0);
}

TEST("memory that is too short, never formatted, or another family's is not attached") {
  Lab<Addr4> lab(100);
  Table<Addr4> table;
  const std::span<std::byte> memory = lab.memory();
  CHECK(table.attach(memory, Sharing::exclusive));
  CHECK(!table.attach(memory.first(63), Sharing::exclusive));
  CHECK(!table.attach(memory.first(memory.size() - 1), Sharing::exclusive));
  CHECK(!table.attach({}, Sharing::exclusive));
  Table<Addr6> other_family;
  CHECK(!other_family.attach(memory, Sharing::exclusive));
  Lab<Addr4> blank(100);
  std::fill(blank.memory().begin(), blank.memory().end(), std::byte{0});
  CHECK(!table.attach(blank.memory(), Sharing::exclusive));
}

TEST("a header with any one bit flipped is not attached") {
  Lab<Addr4> lab(100);
  for (size_t bit = 0; bit < 64 * 8; ++bit) {
    lab.memory()[bit / 8] ^= std::byte(1 << bit % 8);
    Table<Addr4> table;
    if (!CHECK(!table.attach(lab.memory(), Sharing::exclusive)))
      report_failure(__FILE__, __LINE__, "bit " + std::to_string(bit));
    lab.memory()[bit / 8] ^= std::byte(1 << bit % 8);
  }
}

// ---- hostile keys ----

template <class Addr, class Choose>
void check_chosen_tuples(const char* name, Choose&& choose) {
  ROW(name);
  Lab<Addr> lab(16000);
  for (uint32_t i = 0; i < 16000; ++i) {
    const auto [client, port] = choose(i);
    auto* flow = lab.open(kTcp, client, port, 1, 80, i, 8080, Tick{8000});
    if (!CHECK(flow != nullptr)) return;  // a bucket and the seven behind it were full
    if (!CHECK(lab.request(kTcp, client, port, 1, 80) == flow)) return;
  }
}

TEST("tuples in patterns that collide under linear hashes fill the table without a refusal") {
  check_chosen_tuples<Addr4>("one client, every port",
                             [](uint32_t i) { return std::tuple(7u, uint16_t(i + 1)); });
  check_chosen_tuples<Addr4>("one port, clients in a row",
                             [](uint32_t i) { return std::tuple(i, uint16_t(4242)); });
  check_chosen_tuples<Addr4>("clients a power of two apart",
                             [](uint32_t i) { return std::tuple(i << 16, uint16_t(1)); });
  check_chosen_tuples<Addr4>("port cancels address under xor",
                             [](uint32_t i) { return std::tuple(i, uint16_t(i ^ 0xaaaa)); });
  check_chosen_tuples<Addr6>("one client, every port",
                             [](uint32_t i) { return std::tuple(7u, uint16_t(i + 1)); });
  check_chosen_tuples<Addr6>("one port, clients in a row",
                             [](uint32_t i) { return std::tuple(i, uint16_t(4242)); });
}

TEST("another key puts the same clients elsewhere") {
  Lab<Addr4> one(64, HashKey{1, 2}), other(64, HashKey{1, 3});
  uint32_t equal = 0;
  for (uint32_t i = 0; i < 1000; ++i) {
    const auto client = numbered<Addr4>(i);
    const auto port = wire::be16::from_host(uint16_t(i));
    equal += one.table.hash(kTcp, client, port) == other.table.hash(kTcp, client, port);
  }
  CHECK_EQ(equal, 0u);
}

}  // namespace
}  // namespace vsnat::test
