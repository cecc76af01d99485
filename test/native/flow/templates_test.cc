// SPDX-License-Identifier: Apache-2.0
//
// Templates against a model that does what the kernel does, slowly: a timer per template that runs out at its moment,
// one event after the other (ip_vs_conn.c ip_vs_conn_expire). The table runs no timers, is swept late and in
// pieces, and must not be told apart.
#include "flow/templates.h"

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "test/native/check.h"
#include "test/native/flow/table_lab.h"

namespace vsnat::test {
namespace {

using flow::Ended;
using wire::Addr4;
using wire::Addr6;

constexpr auto kNobody = [](const auto&) {};

template <class Addr>
class Model {
 public:
  using Templates = flow::Templates<Addr>;
  using Key = typename Templates::Key;

  Model(uint32_t start, Random& random) : now_{start}, memory_(4096), random_(random) {
    templates_.table().attach(memory_.memory(), flow::Sharing::exclusive);
    templates_.keep_words_in(words_);
  }

  bool run(int operations) {
    for (int i = 0; i < operations && good_; ++i) {
      const uint32_t dice = random_.below(100);
      if (dice < 30) {
        connect();
      } else if (dice < 60) {
        end_one();
      } else if (dice < 65) {
        invalidate();
      } else if (dice < 75) {
        sweep(1 + random_.below(6));
      } else if (dice < 90) {
        pass_time(random_.below(3));
      } else {
        pass_time(random_.below(kTimeoutTicks + 10));
      }
      if (i % 64 == 0) compare();
    }
    return good_;
  }

 private:
  static constexpr uint32_t kNetworks = 5, kServices = 3;
  static constexpr uint32_t kTimeoutTicks = ticks_from_seconds(90);

  /** What the kernel has: a timer that is always right. */
  struct Known {
    uint32_t number;
    uint32_t children = 0, timeout = kTimeoutTicks;
    Tick timer;
    bool stale = false;
  };
  struct Child {
    uint32_t parent;  // index in the table
    uint32_t number;  // of the Known
  };

  /** The last service knows one client alone, by its words. */
  Key key(uint32_t network, uint32_t service) const {
    static const std::string words[kNetworks] = {"", "a", "b", std::string(255, 'x'),
                                                 std::string(254, 'x') + "y"};
    const bool by_word = service == kServices - 1;
    Key k;
    k.protocol = 6;
    k.client = numbered<Addr>(by_word ? 0 : network);
    if (by_word) k.word = words[network];
    k.virt = virtual_numbered<Addr>(service);
    k.virtual_port = wire::be16::from_host(uint16_t(service == 0 ? 0xffff : 80 + service));
    k.service_slot = service;
    return k;
  }

  void expect(bool condition, const char* what) {
    if (good_ && !condition) good_ = CHECK_EQ(std::string(what), std::string());
  }

  void connect() {
    const auto place = std::pair(random_.below(kNetworks), random_.below(kServices));
    const Key k = key(place.first, place.second);
    const uint64_t hash = templates_.hash(k);
    auto* record = templates_.find(hash, k, now_, kNobody);
    const auto current = current_.find(place);
    expect((record != nullptr) == (current != current_.end()), "one has a template and the other has not");
    if (!good_) return;
    if (record != nullptr) {
      expect(record->server_slot == current->second, "another template was found");
    } else {
      record = templates_.create(hash, k, now_, kTimeoutTicks, kNobody);
      expect(record != nullptr, "no room for a template");
      if (!good_) return;
      record->server_slot = next_++;
      current_[place] = record->server_slot;
      known_[record->server_slot] = Known{record->server_slot};
    }
    Known& known = known_.at(record->server_slot);
    ++known.children;
    known.timer = now_.plus(known.timeout);
    children_.push_back({templates_.adopt(*record, now_), known.number});
  }

  void end_one() {
    if (children_.empty()) return;
    const uint32_t i = random_.below(uint32_t(children_.size()));
    const Child child = children_[i];
    children_[i] = children_.back();
    children_.pop_back();
    const bool given_up = random_.one_in(4);
    templates_.release(child.parent, now_, given_up ? Ended::given_up : Ended::in_time, kNobody);
    Known& known = known_.at(child.number);
    if (--known.children == 0 && given_up) forget(child.number);
  }

  void invalidate() {
    if (current_.empty()) return;
    auto at = current_.begin();
    std::advance(at, random_.below(uint32_t(current_.size())));
    const Key k = key(at->first.first, at->first.second);
    auto* record = templates_.find(templates_.hash(k), k, now_, kNobody);
    expect(record != nullptr, "a known template is not found");
    if (!good_) return;
    Templates::invalidate(*record);
    known_.at(at->second).stale = true;
    current_.erase(at);
  }

  void forget(uint32_t number) {
    known_.erase(number);
    std::erase_if(current_, [&](const auto& entry) { return entry.second == number; });
  }

  /** Every timer at its moment, one tick after the other. */
  void pass_time(uint32_t ticks) {
    for (; ticks > 0; --ticks) {
      now_ = now_.plus(1);
      std::vector<uint32_t> over;
      for (auto& [number, known] : known_) {
        if (!(known.timer == now_)) continue;
        if (known.children == 0) {
          over.push_back(number);
        } else {
          known.timeout = ticks_from_seconds(60);
          known.timer = now_.plus(known.timeout);
        }
      }
      for (const uint32_t number : over) forget(number);
    }
  }

  void sweep(uint32_t budget) {
    templates_.sweep(0, now_, budget, [&](const flow::Flow<Addr>& record) {
      expect(known_.count(record.server_slot) == 0, "the sweep ended a template before its time");
    });
  }

  /** After two whole rounds nothing is there that should not be, and every timer stands where the kernel's does. */
  void compare() {
    for (int round = 0; round < 2; ++round) {
      while (templates_.sweep(0, now_, 4, kNobody) == 4) {
      }
    }
    size_t seen = 0;
    templates_.table().walk(0, flow::kNoFlow, [&](const flow::Flow<Addr>& record) {
      ++seen;
      const auto at = known_.find(record.server_slot);
      expect(at != known_.end(), "a template outlived its time");
      if (!good_) return;
      expect(Templates::children(record) == at->second.children, "the children are miscounted");
      expect(Templates::is_stale(record) == at->second.stale, "one is stale and the other is not");
      expect(record.expires_at == at->second.timer, "the timer stands elsewhere");
      expect(Templates::timeout_ticks(record) == at->second.timeout, "the timeout is another");
    });
    expect(seen == known_.size(), "a template is missing");
  }

  Tick now_;
  Lab<Addr> memory_;
  std::vector<std::byte> words_ = std::vector<std::byte>(Templates::word_bytes_for(4096));
  Templates templates_;
  Random& random_;
  std::map<uint32_t, Known> known_;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> current_;
  std::vector<Child> children_;
  uint32_t next_ = 1;
  bool good_ = true;
};

TEST("templates and a kernel with real timers agree over hundreds of thousands of random operations") {
  Random random("templates");
  for (const uint32_t start : {0u, 0xffffff00u, 0x7fffff00u}) {
    ROW("from tick " + std::to_string(start));
    if (!CHECK(Model<Addr4>(start, random).run(scaled(100'000)))) return;
    if (!CHECK(Model<Addr6>(start, random).run(scaled(50'000)))) return;
  }
}

/** Room for `capacity` templates, and one key per number. */
struct Few {
  explicit Few(uint32_t capacity) : memory(capacity) {
    templates.table().attach(memory.memory(), flow::Sharing::exclusive);
  }
  flow::Flow<Addr4>* create(uint32_t number) {
    flow::Templates<Addr4>::Key key;
    key.protocol = 6;
    key.client = numbered<Addr4>(number);
    return templates.create(templates.hash(key), key, now, ticks_from_seconds(300),
                            [&](const auto& record) { gone.push_back(number_of(record.client)); });
  }
  Lab<Addr4> memory;
  flow::Templates<Addr4> templates;
  Tick now{100};
  std::vector<uint32_t> gone;
};

TEST("when the table is full, only a template without children and without proof of a client gives way") {
  Few few(2);
  auto* first = few.create(1);
  const uint32_t parent = few.templates.adopt(*first, few.now);
  auto* second = few.create(2);
  few.templates.assure(few.templates.table().index_of(second));
  CHECK(few.create(3) == nullptr);
  few.templates.release(parent, few.now, Ended::in_time, kNobody);
  CHECK(few.create(3) != nullptr);
  CHECK_EQ(few.gone.size(), size_t{1});
  CHECK_EQ(few.gone[0], 1u);
  // The assured one gives way when its time is over, though nobody has swept.
  few.templates.adopt(*few.create(3), few.now);
  few.now = few.now.plus(ticks_from_seconds(301));
  CHECK(few.create(4) != nullptr);
  CHECK_EQ(few.gone.back(), 2u);
}

TEST("a template goes with a child that was given up, unless it is assured or has another") {
  Few few(4);
  auto* record = few.create(1);
  const uint32_t parent = few.templates.adopt(*record, few.now);
  few.templates.adopt(*record, few.now);
  few.templates.release(parent, few.now, Ended::given_up, kNobody);
  CHECK_EQ(few.templates.table().stats().flows, uint64_t{1});
  few.templates.release(parent, few.now, Ended::given_up, kNobody);
  CHECK_EQ(few.templates.table().stats().flows, uint64_t{0});
  const uint32_t assured = few.templates.adopt(*few.create(2), few.now);
  few.templates.assure(assured);
  few.templates.release(assured, few.now, Ended::given_up, kNobody);
  CHECK_EQ(few.templates.table().stats().flows, uint64_t{1});
}

TEST("one network's templates for hundreds of services all find room") {
  Lab<Addr6> memory(1000);
  flow::Templates<Addr6> templates;
  templates.table().attach(memory.memory(), flow::Sharing::exclusive);
  for (uint32_t service = 0; service < 500; ++service) {
    flow::Templates<Addr6>::Key key;
    key.protocol = 17;
    key.client = numbered<Addr6>(1);
    key.virt = virtual_numbered<Addr6>(service / 100);
    key.virtual_port = wire::be16::from_host(uint16_t(service));
    key.service_slot = service;
    if (!CHECK(templates.create(templates.hash(key), key, Tick{1}, 80, kNobody) != nullptr)) return;
  }
}

TEST("threads that create, join, end and sweep at once lose no child") {
  Lab<Addr4> memory(66'000, {1, 2}, flow::Sharing::shared);
  flow::Templates<Addr4> templates;
  templates.table().attach(memory.memory(), flow::Sharing::shared);
  std::atomic<int> created{0}, gone{0};
  const auto count = [&](const auto&) { gone.fetch_add(1, std::memory_order_relaxed); };
  const auto work = [&](int thread) {
    Random random{uint64_t(thread) * 7919};
    std::vector<uint32_t> mine;
    for (int i = 0; i < scaled(100'000); ++i) {
      const Tick now{uint32_t(i / 64)};
      if (mine.size() < 20 && random.one_in(2)) {
        flow::Templates<Addr4>::Key key;
        key.protocol = 6;
        key.client = numbered<Addr4>(random.below(50));
        const uint64_t hash = templates.hash(key);
        flow::Table<Addr4>::Guard guard(templates.table(), hash);
        auto* record = templates.find(hash, key, now, count);
        if (record == nullptr) {
          record = templates.create(hash, key, now, 8, count);
          if (record == nullptr) continue;
          created.fetch_add(1, std::memory_order_relaxed);
        }
        mine.push_back(templates.adopt(*record, now));
      } else if (!mine.empty()) {
        templates.release(mine.back(), now, random.one_in(3) ? Ended::given_up : Ended::in_time, count);
        mine.pop_back();
      }
      if (random.one_in(16)) templates.sweep(random.below(templates.table().shard_count()), now, 64, count);
    }
    for (const uint32_t parent : mine) templates.release(parent, Tick{0}, Ended::in_time, count);
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) threads.emplace_back(work, t);
  for (std::thread& t : threads) t.join();
  int left = 0;
  templates.table().walk(0, flow::kNoFlow, [&](const auto& record) {
    ++left;
    CHECK_EQ(flow::Templates<Addr4>::children(record), 0u);
  });
  CHECK_EQ(created.load() - gone.load(), left);
}

}  // namespace
}  // namespace vsnat::test
