// SPDX-License-Identifier: Apache-2.0
//
// A long random walk of the flow table beside a std::map that does the same things slowly, and four threads at once.
// The stress test proves little alone; it is there for ThreadSanitizer.
#include <algorithm>
#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "test/native/check.h"
#include "test/native/flow/table_lab.h"

namespace vsnat::test {
namespace {

using flow::State;
using wire::Addr4;
using wire::Addr6;

struct Tuple {
  uint8_t protocol;
  uint32_t client;
  uint16_t client_port;
  uint32_t other;  // the VIP or the real server
  uint16_t other_port;
  auto operator<=>(const Tuple&) const = default;
};

struct Known {
  Tuple request, reply;
  Tick expires_at;
  State state;
};

template <class Addr>
class Model {
 public:
  Model(uint32_t capacity, uint32_t start, Random& random)
      : capacity_(capacity), lab_(capacity), random_(random) {
    lab_.now = Tick{start};
  }

  bool run(int operations) {
    for (int i = 0; i < operations && good_; ++i) {
      const uint32_t dice = random_.below(100);
      if (dice < 40)
        insert();
      else if (dice < 60)
        look_up(some_request(), some_reply());
      else if (dice < 72)
        touch();
      else if (dice < 80)
        erase();
      else if (dice < 97)
        sweep(1 + random_.below(9));
      else
        pass_time();
      if (i % 4096 == 0) check_all();
    }
    check_all();
    return good_;
  }

 private:
  uint8_t some_protocol() { return random_.one_in(3) ? 17 : 6; }
  Tuple some_request() {
    return {some_protocol(), random_.below(2 + capacity_ / 4), uint16_t(1 + random_.below(4)),
            random_.below(3), uint16_t(80 + random_.below(2))};
  }
  Tuple some_reply() {
    return {some_protocol(), random_.below(2 + capacity_ / 4), uint16_t(1 + random_.below(4)),
            random_.below(4), uint16_t(8080 + random_.below(2))};
  }

  flow::Flow<Addr>* request(const Tuple& t) {
    return lab_.request(t.protocol, t.client, t.client_port, t.other, t.other_port);
  }
  flow::Flow<Addr>* reply(const Tuple& t) {
    return lab_.reply(t.protocol, t.client, t.client_port, t.other, t.other_port);
  }

  void expect(bool holds, const char* what) {
    if (holds || !good_) return;
    report_failure(__FILE__, __LINE__, what);
    good_ = false;
  }

  void forget(uint32_t id) {
    expect(known_.count(id) == 1, "the table removed a flow nobody knows");
    if (!good_) return;
    by_request_.erase(known_[id].request);
    by_reply_.erase(known_[id].reply);
    known_.erase(id);
  }

  void insert() {
    const Tuple request = some_request();
    Tuple reply = some_reply();
    reply.protocol = request.protocol;
    reply.client = request.client;
    reply.client_port = request.client_port;
    if (by_request_.count(request) || by_reply_.count(reply)) return look_up(request, reply);
    const size_t before = known_.size();
    lab_.evicted.clear();
    const Tick end = lab_.now.plus(1 + random_.below(400));
    auto* flow = lab_.open(request.protocol, request.client, request.client_port, request.other,
                           request.other_port, reply.other, reply.other_port, end);
    for (const auto& evicted : lab_.evicted) {
      const Known& victim = known_[evicted.server_slot];
      const bool dispensable = lab_.now.after(victim.expires_at) || flow::is_half_open(victim.state) ||
                               flow::is_closed(victim.state) || victim.state == State::udp;
      expect(dispensable, "an established flow was given up");
      forget(evicted.server_slot);
    }
    expect(lab_.evicted.size() <= 1, "more than one flow was given up for one");
    expect(lab_.evicted.empty() || before >= capacity_, "a flow was given up although there was room");
    if (flow == nullptr) return expect(before >= capacity_, "a flow was refused although there was room");
    constexpr State kStates[] = {State::established, State::syn_recv, State::fin_wait, State::time_wait};
    flow->state = request.protocol == 17 ? State::udp : kStates[random_.below(4)];
    flow->server_slot = next_id_;
    known_[next_id_] = {request, reply, end, flow->state};
    by_request_[request] = by_reply_[reply] = next_id_++;
  }

  void look_up(const Tuple& by_request, const Tuple& by_reply) {
    const auto r = by_request_.find(by_request);
    const auto* found = request(by_request);
    expect((found != nullptr) == (r != by_request_.end()), "request lookup and map disagree");
    if (found && good_) expect(found->server_slot == r->second, "request lookup found another flow");
    const auto p = by_reply_.find(by_reply);
    found = reply(by_reply);
    expect((found != nullptr) == (p != by_reply_.end()), "reply lookup and map disagree");
    if (found && good_) expect(found->server_slot == p->second, "reply lookup found another flow");
  }

  /** A flow by chance; null when there is none. */
  Known* any(uint32_t* id) {
    if (known_.empty()) return nullptr;
    auto at = known_.lower_bound(random_.below(next_id_));
    if (at == known_.end()) at = known_.begin();
    *id = at->first;
    return &at->second;
  }

  void touch() {
    uint32_t id;
    Known* known = any(&id);
    if (known == nullptr) return;
    auto* flow = request(known->request);
    expect(flow != nullptr, "a known flow is not found");
    if (!good_) return;
    known->expires_at = lab_.now.plus(1 + random_.below(random_.one_in(2) ? 10 : 500));
    lab_.table.touch(flow, known->expires_at);
  }

  void erase() {
    uint32_t id;
    const Known* known = any(&id);
    if (known == nullptr) return;
    auto* flow = random_.one_in(2) ? request(known->request) : reply(known->reply);
    expect(flow != nullptr, "a known flow is not found");
    if (!good_) return;
    lab_.table.erase(flow);
    forget(id);
  }

  void sweep(uint32_t budget) {
    lab_.table.sweep(
        random_.below(lab_.table.shard_count()), lab_.now, budget, [&](const flow::Flow<Addr>& gone) {
          const auto known = known_.find(gone.server_slot);
          expect(known != known_.end(), "the sweep removed a flow nobody knows");
          if (!good_) return;
          expect(!known->second.expires_at.after(lab_.now), "the sweep removed a flow before its time");
          forget(gone.server_slot);
        });
  }

  void pass_time() {
    lab_.now = lab_.now.plus(random_.below(40));
    if (!random_.one_in(3)) return;
    for (uint32_t s = 0; s < lab_.table.shard_count(); ++s) {
      // From wherever the cursor stands: to the end, and once around.
      for (int round = 0; round < 2; ++round) {
        while (lab_.table.sweep(s, lab_.now, 32,
                                [&](const flow::Flow<Addr>& gone) { forget(gone.server_slot); }) == 32) {
        }
      }
    }
    for (const auto& [id, known] : known_)
      expect(known.expires_at.after(lab_.now), "two rounds left an expired flow");
  }

  void check_all() {
    expect(lab_.table.stats().flows == known_.size(), "the count is not the number of flows");
    for (const auto& [id, known] : known_) {
      const auto* a = request(known.request);
      const auto* b = reply(known.reply);
      expect(a != nullptr && a == b && a->server_slot == id, "a known flow is not found in both directions");
      if (a && good_) expect(a->expires_at == known.expires_at, "a flow's end is not the one it was given");
    }
    size_t walked = 0;
    for (uint32_t cursor = 0; cursor != flow::kNoFlow;) {
      cursor = lab_.table.walk(cursor, 1 + random_.below(200), [&](const flow::Flow<Addr>&) { ++walked; });
    }
    expect(walked == known_.size(), "a walk sees another number of flows");
  }

  uint32_t capacity_;
  Lab<Addr> lab_;
  Random& random_;
  std::map<uint32_t, Known> known_;
  std::map<Tuple, uint32_t> by_request_, by_reply_;
  uint32_t next_id_ = 1;
  bool good_ = true;
};

TEST("the table and a map agree over millions of random operations, both families, tiny and large") {
  Random random("model");
  for (const uint32_t capacity : {1u, 2u, 7u, 64u, 500u}) {
    for (const uint32_t start : {0u, 0xffffff80u, 0x7fffff80u}) {
      ROW("capacity " + std::to_string(capacity) + " from tick " + std::to_string(start));
      if (!CHECK((Model<Addr4>(capacity, start, random).run(scaled(200'000))))) return;
      if (!CHECK((Model<Addr6>(capacity, start, random).run(scaled(100'000))))) return;
    }
  }
}

TEST("the table of sixteen shards and a map agree over random operations") {
  Random random("sharded model");
  CHECK((Model<Addr4>(65536, 0xfffffff0, random).run(scaled(60'000))));
  CHECK((Model<Addr6>(65536, 5, random).run(scaled(60'000))));
}

template <class Addr>
void stress(uint32_t capacity) {
  ROW("capacity " + std::to_string(capacity));
  constexpr int kThreads = 4;
  const int operations = scaled(200'000);
  Lab<Addr> lab(capacity, {1, 2}, flow::Sharing::shared);
  auto& table = lab.table;
  std::atomic<uint32_t> wrong{0}, removed{0}, created{0};
  const auto work = [&](int thread) {
    Random random(uint64_t(thread) * 7919 + capacity);
    const auto count = [&](const flow::Flow<Addr>&) { removed.fetch_add(1, std::memory_order_relaxed); };
    for (int i = 0; i < operations; ++i) {
      const Tick now{uint32_t(i / 64)};
      const uint32_t number = random.below(capacity * 2);
      const auto client = numbered<Addr>(number);
      const auto port = wire::be16::from_host(uint16_t(number * 31));
      const uint64_t hash = table.hash(6, client, port);
      const auto virt = virtual_numbered<Addr>(1), real = real_numbered<Addr>(number % 5);
      const auto virtual_port = wire::be16::from_host(80), real_port = wire::be16::from_host(8080);
      table.prefetch(hash);
      const uint32_t likely = table.prefetch_flow(hash);  // gone, or another's, when it is asked for
      const uint32_t dice = random.below(100);
      if (dice < 85) {
        typename flow::Table<Addr>::Guard guard(table, hash);
        auto* flow = table.find_request(hash, 6, client, port, virt, virtual_port, likely);
        if (flow == nullptr && dice < 50) {
          flow = table.insert(hash, 6, client, port, now, count);
          if (flow == nullptr) continue;
          created.fetch_add(1, std::memory_order_relaxed);
          flow->virt = virt;
          flow->virtual_port = virtual_port;
          flow->real = real;
          flow->real_port = real_port;
          flow->state = random.one_in(4) ? State::syn_recv : State::established;
          flow->server_slot = number;
        }
        if (flow == nullptr) continue;
        if (flow->server_slot != number) wrong.fetch_add(1);
        if (table.find_reply(hash, 6, client, port, real, real_port) != flow) wrong.fetch_add(1);
        table.touch(flow, now.plus(1 + random.below(100)));
        if (dice < 5) {
          table.erase(flow);
          removed.fetch_add(1, std::memory_order_relaxed);
        }
      } else if (dice < 98) {
        table.sweep(random.below(table.shard_count()), now, 64, count);
      } else {
        table.walk(random.below(capacity), 128, [&](const flow::Flow<Addr>& f) {
          if (!(f.client == numbered<Addr>(f.server_slot))) wrong.fetch_add(1);
        });
      }
    }
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) threads.emplace_back(work, t);
  for (std::thread& t : threads) t.join();
  CHECK_EQ(wrong.load(), 0u);
  uint32_t walked = 0;
  for (uint32_t cursor = 0; cursor != flow::kNoFlow;) {
    cursor = table.walk(cursor, 1000, [&](const flow::Flow<Addr>&) { ++walked; });
  }
  CHECK_EQ(table.stats().flows, uint64_t(walked));
  CHECK_EQ(created.load() - removed.load(), walked);
}

TEST("four threads insert, find, touch, erase, sweep and walk at once, and every flow is accounted for") {
  stress<Addr4>(300);
  stress<Addr6>(300);
  stress<Addr4>(66000);
}

}  // namespace
}  // namespace vsnat::test
