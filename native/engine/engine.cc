// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace vsnat::engine {
namespace {

std::array<uint8_t, 16> vip_key(const service::IpAddress& address) {
  std::array<uint8_t, 16> key{};
  if (address.family == 6) {
    std::memcpy(key.data(), &address.v6, 16);
  } else {
    key[10] = key[11] = 0xff;
    std::memcpy(key.data() + 12, &address.v4, 4);
  }
  return key;
}

io::VipKey map_key(const std::array<uint8_t, 16>& bytes) {
  io::VipKey key;
  std::memcpy(key.bytes, bytes.data(), 16);
  return key;
}

std::vector<std::array<uint8_t, 16>> vips_of(const service::SnapshotSpec& spec) {
  std::vector<std::array<uint8_t, 16>> vips;
  for (const auto& service : spec.services) {
    for (const auto& listen : service.listen) vips.push_back(vip_key(listen.address));
  }
  std::sort(vips.begin(), vips.end());
  vips.erase(std::unique(vips.begin(), vips.end()), vips.end());
  return vips;
}

}  // namespace

Now Engine::monotonic_now() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return Now{uint64_t(t.tv_sec) * 1000 + uint64_t(t.tv_nsec) / 1'000'000};
}

Engine::Mapping::~Mapping() {
  if (address) ::munmap(address, length);
}

Engine::Engine(const EngineOptions& options) : options_(options) {
  if (options.hash_key) {
    key_ = *options.hash_key;
  } else {
    uint64_t words[2];
    const bool filled = ::getrandom(words, sizeof(words), 0) == sizeof(words);
    VSNAT_CHECK(filled, "getrandom(2) cannot fail for 16 bytes once the pool is initialised");
    key_ = HashKey{words[0], words[1]};
  }
  loads_ = std::make_unique<service::ServerLoad[]>(options.limits.server_slots);
}

Result<bool> Engine::map_tables(flow::Sharing sharing) {
  const auto map = [](Mapping& mapping, size_t length) {
    void* address =
        ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED) return false;
    ::madvise(address, length, MADV_HUGEPAGE);
    mapping.address = address;
    mapping.length = length;
    return true;
  };
  const auto span = [](const Mapping& m) { return std::span(static_cast<std::byte*>(m.address), m.length); };
  const uint32_t capacity = options_.flow_capacity;
  if (!map(memory4_, flow::Table<wire::Addr4>::bytes_for(capacity)) ||
      !map(memory6_, flow::Table<wire::Addr6>::bytes_for(capacity))) {
    return SysError{errno, "mmap of the flow table"};
  }
  tables_.v4.format(span(memory4_), capacity, key_, sharing);
  tables_.v6.format(span(memory6_), capacity, key_, sharing);
  return true;
}

Result<std::unique_ptr<Engine>> Engine::open_memory(const EngineOptions& options) {
  std::unique_ptr<Engine> engine(new Engine(options));
  if (auto mapped = engine->map_tables(flow::Sharing::exclusive); !mapped) return mapped.error();
  engine->facts_.name = "memory";
  engine->facts_.vnet_header = true;
  engine->memory_lane_ =
      std::make_unique<Lane>(engine->tables_, engine->loads_.get(), options.limits, uint8_t{0});
  engine->lanes_.push_back(engine->memory_lane_.get());
  return engine;
}

Result<std::unique_ptr<Engine>> Engine::open_tun(const EngineOptions& options, const TunOptions& tun) {
  std::unique_ptr<Engine> engine(new Engine(options));
  if (auto mapped = engine->map_tables(flow::Sharing::shared); !mapped) return mapped.error();
  Result<io::OpenedTun> opened = io::open_tun(tun.name, tun.queues, tun.offload);
  if (!opened) return opened.error();
  engine->facts_ = opened.value().facts;
  const auto workers = uint8_t(opened.value().queues.size());
  uint8_t index = 0;
  for (io::TunQueue& queue : opened.value().queues) {
    auto worker = std::make_unique<Worker>(std::move(queue), engine->tables_, engine->loads_.get(),
                                           options.limits, index++, workers);
    if (auto ready = worker->prepare(); !ready) return ready.error();
    engine->lanes_.push_back(&worker->lane());
    engine->workers_.push_back(std::move(worker));
  }
  engine->steer(tun);
  return engine;
}

Engine::~Engine() {
  stop();
}

void Engine::steer(const TunOptions& tun) {
  if (tun.steering == SteeringChoice::off || workers_.size() < 2) return;
  const bool random = tun.steering == SteeringChoice::random;
  Result<io::Steering> steering = random ? io::Steering::random() : io::Steering::by_client_endpoint();
  if (!steering) return;  // bpf() refused: any queue sees any packet, which the shared table allows
  if (workers_[0]->queue().set_steering(steering.value().program()) != 0) return;
  steering_.emplace(std::move(steering.value()));
  steering_in_use_ = random ? SteeringInUse::random : SteeringInUse::client_endpoint;
}

void Engine::update_vips(const service::SnapshotSpec& spec) {
  if (!steering_ || !steering_->has_vips()) return;
  for (const auto& vip : vips_of(spec)) {
    if (std::binary_search(steered_vips_.begin(), steered_vips_.end(), vip)) continue;
    // A VIP that does not fit the map is steered as if its packets were replies: slower, still correct.
    steering_->add_vip(map_key(vip));
  }
}

void Engine::forget_vips_but(const service::SnapshotSpec& spec) {
  if (!steering_ || !steering_->has_vips()) return;
  auto wanted = vips_of(spec);
  for (const auto& vip : steered_vips_) {
    if (!std::binary_search(wanted.begin(), wanted.end(), vip)) steering_->remove_vip(map_key(vip));
  }
  steered_vips_ = std::move(wanted);
}

bool Engine::all_adopted(uint64_t generation) const {
  for (const auto& worker : workers_) {
    if (worker->running() && worker->adopted() < generation) return false;
  }
  return true;
}

std::string Engine::publish(const service::SnapshotSpec& spec) {
  auto built = service::Snapshot::build(spec, options_.limits, next_generation_);
  if (auto* wrong = std::get_if<std::string>(&built)) return *wrong;
  auto next = std::move(*std::get_if<0>(&built));
  ++next_generation_;
  for (const service::Server& server : next->servers) {
    loads_[server.slot].reevaluate(server.upper_threshold, server.lower_threshold);
  }
  update_vips(spec);
  for (auto& worker : workers_) worker->offer(next.get());
  if (current_) retired_.push_back(std::move(current_));
  current_ = std::move(next);
  for (int waited_us = 0; waited_us < 1'000'000 && !all_adopted(current_->generation); waited_us += 50) {
    const timespec pause{0, 50'000};
    ::nanosleep(&pause, nullptr);
  }
  if (all_adopted(current_->generation)) retired_.clear();
  forget_vips_but(spec);
  return {};
}

void Engine::start() {
  for (auto& worker : workers_) worker->start();
}

void Engine::stop() {
  for (auto& worker : workers_) worker->request_stop();
  for (auto& worker : workers_) worker->join();
}

nat::Outcome Engine::process(MemoryPacket& packet, Now now, bool& leaves) {
  leaves = false;
  nat::Outcome outcome;
  const size_t length = std::min<size_t>(packet.bytes.size(), io::TunQueue::kMaxPacket + 1);
  packet.bytes.resize(length + nat::kAnswerHeadroom);
  nat::Packet in{packet.bytes.data(), uint32_t(length), uint32_t(packet.bytes.size()), packet.vnet};
  memory_lane_->run(*current_, now, &in, 1, &outcome, [&](nat::Packet& out, const nat::Pending&) {
    packet.bytes.resize(out.length);
    packet.vnet = out.vnet;
    return leaves = true;
  });
  return outcome;
}

void Engine::expire(Now now) {
  if (!current_) return;
  const uint32_t shards = nat::expirable_shards(tables_);
  for (uint32_t shard = 0; shard < shards; ++shard) {
    while (nat::expire(memory_lane_->core, *current_, shard, now.tick(), 4096)) {
    }
  }
}

int Engine::failure() const {
  for (const auto& worker : workers_) {
    if (const int failure = worker->failure(); failure != 0) return failure;
  }
  return 0;
}

uint64_t Engine::adopted_generation(size_t queue) const {
  return queue < workers_.size() ? workers_[queue]->adopted() : generation();
}

flow::TableStats Engine::table_stats() const {
  flow::TableStats sum = tables_.v4.stats();
  const flow::TableStats six = tables_.v6.stats();
  sum.flows += six.flows;
  sum.expired += six.expired;
  sum.evicted += six.evicted;
  sum.bytes += six.bytes;
  return sum;
}

uint64_t Engine::walk(uint64_t cursor, uint32_t limit, Now now, std::vector<FlowRow>& rows) {
  constexpr uint64_t kSixes = uint64_t{1} << 32;
  const auto visit = [&](const auto& flow) {
    FlowRow row{};
    row.protocol = flow.protocol;
    row.state = flow.state;
    row.expires_in_ticks = std::max(0, flow.expires_at.since(now.tick()));
    const auto set = [](service::IpAddress& to, const auto& from) {
      to.family = uint8_t(std::remove_reference_t<decltype(from)>::kFamily);
      if constexpr (std::remove_reference_t<decltype(from)>::kFamily == 4) {
        to.v4 = from;
      } else {
        to.v6 = from;
      }
    };
    set(row.client, flow.client);
    set(row.virt, flow.virt);
    set(row.real, flow.real);
    row.client_port = flow.client_port.host();
    row.virtual_port = flow.virtual_port.host();
    row.real_port = flow.real_port.host();
    row.service_slot = flow.service_slot;
    row.server_slot = flow.server_slot;
    row.queue = flow.queue;
    rows.push_back(row);
  };
  if (cursor < kSixes) {
    const uint32_t next = tables_.v4.walk(uint32_t(cursor), limit, visit);
    return next == flow::kNoFlow ? kSixes : next;
  }
  const uint32_t next = tables_.v6.walk(uint32_t(cursor - kSixes), limit, visit);
  return next == flow::kNoFlow ? kWalkEnd : kSixes + next;
}

}  // namespace vsnat::engine
