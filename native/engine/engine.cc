// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/check.h"

namespace vsnat::engine {
namespace {

/** Hosts whose next hop is kept, 4 MiB of them; those of more clients at once take the ordinary way by turns. */
constexpr uint32_t kHostsRemembered = 65536;

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

std::vector<std::array<uint8_t, 16>> vips_of(const service::Snapshot& snapshot) {
  std::vector<std::array<uint8_t, 16>> vips;
  for (const auto& service : snapshot.services) {
    for (const auto& listen : service->listen) vips.push_back(vip_key(listen.address));
  }
  for (const service::IpAddress& vip : snapshot.lingering_vips()) vips.push_back(vip_key(vip));
  std::sort(vips.begin(), vips.end());
  vips.erase(std::unique(vips.begin(), vips.end()), vips.end());
  return vips;
}

uint64_t monotonic_ns() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return uint64_t(t.tv_sec) * 1'000'000'000u + uint64_t(t.tv_nsec);
}

}  // namespace

Now Engine::monotonic_now() {
  return Now::from_ns(monotonic_ns());
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
  loads_ = std::make_unique<service::ServerLoad[]>(options.limits.counted_slots());
}

Result<bool> Engine::map_tables(flow::Sharing sharing) {
  const uint32_t capacity = options_.flow_capacity;
  auto four = Mapping::anonymous(flow::Table<wire::Addr4>::bytes_for(capacity), "the IPv4 flow table");
  if (!four) return four.error();
  auto six = Mapping::anonymous(flow::Table<wire::Addr6>::bytes_for(capacity), "the IPv6 flow table");
  if (!six) return six.error();
  memory4_ = std::move(four.value());
  memory6_ = std::move(six.value());
  constexpr uint16_t kFtpRecords = nat::FtpState::kMostRecords;
  auto ftp = Mapping::anonymous(nat::FtpState::bytes_for(kFtpRecords), "the FTP helper");
  if (!ftp) return ftp.error();
  ftp_memory_ = std::move(ftp.value());
  ftp_.format(ftp_memory_.bytes(), kFtpRecords);
  memory4_.prefer_huge_pages();
  memory6_.prefer_huge_pages();
  tables_.v4.format(memory4_.bytes(), capacity, key_, sharing);
  tables_.v6.format(memory6_.bytes(), capacity, key_, sharing);

  // As many networks as connections. Not in huge pages: what no template ever touched costs nothing.
  auto template4 = Mapping::anonymous(flow::Table<wire::Addr4>::bytes_for(capacity), "the IPv4 templates");
  if (!template4) return template4.error();
  auto template6 = Mapping::anonymous(flow::Table<wire::Addr6>::bytes_for(capacity), "the IPv6 templates");
  if (!template6) return template6.error();
  template_memory4_ = std::move(template4.value());
  template_memory6_ = std::move(template6.value());
  tables_.templates4.table().format(template_memory4_.bytes(), capacity, key_, sharing);
  tables_.templates6.table().format(template_memory6_.bytes(), capacity, key_, sharing);
  const nat::FragmentLimits limits;
  auto pieces = Mapping::anonymous(nat::Fragments::bytes_for(limits), "the pieces of datagrams");
  if (!pieces) return pieces.error();
  fragment_memory_ = std::move(pieces.value());
  fragments_.format(fragment_memory_.bytes(), limits, key_, sharing);
  return true;
}

/** 256 bytes for each template that may ever be are for those alone who have services by SIP call. */
Result<bool> Engine::keep_words_for(const service::Snapshot& next) {
  const bool wanted = std::any_of(next.services.begin(), next.services.end(), [](const auto& service) {
    return service->together == service::Together::sip_call;
  });
  if (!wanted || tables_.templates4.keeps_words()) return true;
  const uint32_t capacity = options_.flow_capacity;
  auto four = Mapping::anonymous(flow::Templates<wire::Addr4>::word_bytes_for(capacity), "the IPv4 Call-IDs");
  if (!four) return four.error();
  auto six = Mapping::anonymous(flow::Templates<wire::Addr6>::word_bytes_for(capacity), "the IPv6 Call-IDs");
  if (!six) return six.error();
  words4_ = std::move(four.value());
  words6_ = std::move(six.value());
  tables_.templates4.keep_words_in(words4_.bytes());
  tables_.templates6.keep_words_in(words6_.bytes());
  return true;
}

namespace {

std::string sentence(const SysError& error) {
  return error.operation + ": " + std::strerror(error.error);
}

/** A ring for each queue, or none at all. */
Result<std::vector<io::TunRing>> open_rings(size_t count) {
  std::vector<io::TunRing> rings;
  while (rings.size() < count) {
    Result<io::TunRing> ring = io::TunRing::open();
    if (!ring) return ring.error();
    rings.push_back(std::move(ring.value()));
  }
  return rings;
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::open_memory(const EngineOptions& options) {
  std::unique_ptr<Engine> engine(new Engine(options));
  if (auto mapped = engine->map_tables(flow::Sharing::exclusive); !mapped) return mapped.error();
  engine->facts_.name = "memory";
  engine->facts_.vnet_header = true;
  engine->memory_lane_ = std::make_unique<Lane>(engine->tables_, engine->fragments_, engine->loads_.get(),
                                                options.limits, uint8_t{0});
  engine->add_lane(*engine->memory_lane_);
  return engine;
}

Result<std::unique_ptr<Engine>> Engine::open_tun(const EngineOptions& options, const TunOptions& tun) {
  Result<io::OpenedTun> opened = io::open_tun(tun.name, tun.queues, tun.offload);
  if (!opened) return opened.error();
  auto engine = open_queues(options, std::move(opened.value()), tun.io);
  if (!engine) return engine;
  engine.value()->steer(tun);
  if (tun.egress) {
    if (const auto ready = engine.value()->open_egress(); !ready) {
      engine.value()->direct_refusal_ = sentence(ready.error());
      engine.value()->resolver_.reset();
    }
  }
  return engine;
}

Result<bool> Engine::open_egress() {
  auto resolver = Resolver::open(unsigned(workers_.size()), facts_.index, kHostsRemembered);
  if (!resolver) return resolver.error();
  resolver_ = std::move(resolver.value());
  for (auto& worker : workers_) {
    if (auto opened = worker->open_egress(*resolver_); !opened) {
      for (auto& other : workers_) other->close_egress();
      return opened;
    }
  }
  return true;
}

void Engine::set_direct(bool on) {
  for (auto& worker : workers_) worker->set_direct(on);
}

Result<std::unique_ptr<Engine>> Engine::open_queues(const EngineOptions& options, io::OpenedTun opened,
                                                    IoChoice io) {
  std::unique_ptr<Engine> engine(new Engine(options));
  if (auto mapped = engine->map_tables(flow::Sharing::shared); !mapped) return mapped.error();
  engine->facts_ = opened.facts;
  const auto workers = uint16_t(opened.queues.size());
  std::vector<io::TunRing> rings;
  if (io != IoChoice::poll) {
    if (auto wanted = open_rings(workers)) {
      rings = std::move(wanted.value());
      engine->uses_uring_ = true;
    } else if (io == IoChoice::uring) {
      return SysError{
          wanted.error().error,
          "tun.io: must be possible by io_uring, write auto where it is not: " + wanted.error().operation};
    } else {
      engine->uring_refusal_ = sentence(wanted.error());
    }
  }
  uint16_t index = 0;
  for (io::TunQueue& queue : opened.queues) {
    auto worker = std::make_unique<Worker>(std::move(queue), engine->tables_, engine->fragments_,
                                           engine->loads_.get(), options.limits, uint8_t(index++), workers);
    std::optional<io::TunRing> ring;
    if (!rings.empty()) ring.emplace(std::move(rings[index - 1u]));
    if (auto ready = worker->prepare(std::move(ring)); !ready) return ready.error();
    worker->obey(engine->end_order_);
    engine->add_lane(worker->lane());
    engine->workers_.push_back(std::move(worker));
  }
  return engine;
}

void Engine::add_lane(Lane& lane) {
  lane.core.ftp = &ftp_;
  lane.core.segments = facts_.vnet_header;
  lane.core.prng = Prng(hsiphash_u32(lane.core.queue, key_));
  lane.core.defence = &defence_;
  lane.core.check_ports = &check_ports_;
  lanes_.push_back(&lane);
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

void Engine::update_vips(const std::vector<VipBytes>& wanted) {
  std::vector<VipBytes> added;
  for (const auto& vip : wanted) {
    if (std::binary_search(steered_vips_.begin(), steered_vips_.end(), vip)) continue;
    // A VIP the map refuses is steered as if its packets were replies: slower, still correct, tried again next time.
    if (steering_->add_vip(map_key(vip)) == 0) added.push_back(vip);
  }
  steered_vips_.insert(steered_vips_.end(), added.begin(), added.end());
  std::sort(steered_vips_.begin(), steered_vips_.end());
}

void Engine::forget_vips_but(const std::vector<VipBytes>& wanted) {
  std::erase_if(steered_vips_, [&](const auto& vip) {
    if (std::binary_search(wanted.begin(), wanted.end(), vip)) return false;
    steering_->remove_vip(map_key(vip));
    return true;
  });
}

bool Engine::all_adopted(uint64_t generation) const {
  for (const auto& worker : workers_) {
    if (worker->running() && worker->adopted() < generation) return false;
  }
  return true;
}

std::string Engine::publish(const service::SnapshotSpec& spec) {
  return adopt(service::Snapshot::build(spec, options_.limits, next_generation_));
}

std::string Engine::update(const service::SnapshotSpec& changes) {
  if (!current_) return "update: needs something published before";
  return adopt(service::Snapshot::change(*current_, changes, options_.limits, next_generation_));
}

std::string Engine::adopt(service::Snapshot::Built built) {
  if (auto* wrong = std::get_if<std::string>(&built)) return std::move(*wrong);
  auto next = std::move(*std::get_if<0>(&built));
  if (auto kept = keep_words_for(*next); !kept) return kept.error().operation + " failed";
  ++next_generation_;
  for (const service::Service* service : next->fresh()) {
    for (const service::Server& server : service->servers)
      loads_[server.slot].reevaluate(server.upper_threshold, server.lower_threshold);
  }
  if (current_) next->inherit(*current_);
  next->watch(loads_.get(), current_.get());
  // Those the map refused are tried again with the next change of places.
  const bool vips_stay = current_ && next->shares_directory(*current_);
  std::vector<VipBytes> vips;
  if (steering_ && steering_->has_vips() && !vips_stay) update_vips(vips = vips_of(*next));
  const uint64_t told_ns = monotonic_ns();
  for (auto& worker : workers_) worker->offer(next.get());
  if (current_) retired_.push_back(std::move(current_));
  current_ = std::move(next);
  for (int waited_us = 0; waited_us < 1'000'000 && !all_adopted(current_->generation); waited_us += 50) {
    const timespec pause{0, 50'000};
    ::nanosleep(&pause, nullptr);
  }
  swap_ns_ = monotonic_ns() - told_ns;
  if (all_adopted(current_->generation)) retired_.clear();
  if (steering_ && steering_->has_vips() && !vips_stay) forget_vips_but(vips);
  if (memory_lane_ && current_->policy.expire_nodest) {
    memory_culler_.look_for_orphans();
    while (memory_culler_.end_orphans(memory_lane_->core, *current_, memory_now_.tick())) {
    }
  }
  return {};
}

bool Engine::end_flows(const nat::EndSpec& spec) {
  if (!current_) return true;
  const auto running = uint32_t(
      std::count_if(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->running(); }));
  if (!end_order_.give(spec, memory_lane_ ? 1 : running)) return false;
  for (const auto& worker : workers_) worker->wake();
  if (!memory_lane_) return true;
  const auto emit = [this](nat::Packet& leaving, const nat::Pending&, nat::Verdict) {
    memory_goodbyes_.push_back({{leaving.data, leaving.data + leaving.length}, leaving.vnet});
    return Emitted::sent;
  };
  while (memory_ender_.run(end_order_, *memory_lane_, *current_, memory_now_, emit)) {
  }
  return true;
}

void Engine::end_check(const nat::CheckEnds& ends) {
  nat::end_check(tables_, loads_.get(), options_.limits.check_slot(), ends);
  check_ports_.close(ends.source_port);
}

Result<bool> Engine::start() {
  if (resolver_) {
    if (auto started = resolver_->start(); !started) return started;
  }
  for (auto& worker : workers_) {
    if (auto started = worker->start(); !started) {
      stop();
      return started.error();
    }
  }
  return true;
}

void Engine::stop() {
  for (auto& worker : workers_) worker->request_stop();
  for (auto& worker : workers_) worker->join();
  if (resolver_) resolver_->stop();
}

nat::Outcome Engine::process(MemoryPacket& packet, Now now, std::vector<MemoryPacket>& out) {
  memory_now_ = now;
  nat::Outcome outcome;
  std::swap(out, memory_goodbyes_);  // what was said before this packet leaves before it
  memory_goodbyes_.clear();
  const size_t length = std::min<size_t>(packet.bytes.size(), io::TunQueue::kMaxPacket + 1);
  packet.bytes.resize(length + nat::kAnswerHeadroom);
  nat::Packet in{packet.bytes.data(), uint32_t(length), uint32_t(packet.bytes.size()), packet.vnet};
  memory_lane_->run(*current_, now, &in, 1, &outcome,
                    [&](nat::Packet& leaving, const nat::Pending&, nat::Verdict) {
                      out.push_back({{leaving.data, leaving.data + leaving.length}, leaving.vnet});
                      return Emitted::sent;
                    });
  return outcome;
}

void Engine::expire(Now now) {
  memory_now_ = now;
  if (!current_) return;
  memory_lane_->expire_fragments(now);
  const uint32_t shards = nat::expirable_shards(tables_);
  for (uint32_t shard = 0; shard < shards; ++shard) {
    while (nat::expire(memory_lane_->core, *current_, shard, now.tick(), 4096)) {
    }
  }
  while (memory_culler_.run(memory_lane_->core, *current_, now)) {
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

uint64_t Engine::template_count() const {
  return tables_.templates4.table().stats().flows + tables_.templates6.table().stats().flows;
}

namespace {

void set_address(service::IpAddress& to, const wire::Addr4& from) {
  to.family = 4;
  to.v4 = from;
}
void set_address(service::IpAddress& to, const wire::Addr6& from) {
  to.family = 6;
  to.v6 = from;
}

void set_call_id(FlowRow& row, std::string_view call_id) {
  row.call_id_length = uint8_t(call_id.size());
  std::copy(call_id.begin(), call_id.end(), row.call_id.begin());
}

template <class Addr>
FlowRow row_of(const flow::Flow<Addr>& flow, Now now, bool is_template) {
  FlowRow row{};
  row.protocol = flow.protocol;
  row.state = flow.state;
  row.is_template = is_template;
  row.is_assured = is_template && flow::Templates<Addr>::is_assured(flow);
  row.expires_in_ticks = std::max(0, flow.expires_at.since(now.tick()));
  set_address(row.client, flow.client);
  set_address(row.virt, flow.virt);
  set_address(row.real, flow.real);
  row.client_port = is_template ? 0 : flow.client_port.host();
  row.virtual_port = flow.virtual_port.host();
  row.real_port = flow.real_port.host();
  row.service_slot = flow.service_slot;
  row.server_slot = flow.server_slot;
  row.queue = flow.queue;
  return row;
}

}  // namespace

uint64_t Engine::walk(uint64_t cursor, uint32_t limit, Now now, std::vector<FlowRow>& rows) {
  rows.reserve(rows.size() + limit);  // not while a shard is locked
  // The upper half of a cursor numbers the table, the lower the record.
  const uint64_t table = cursor >> 32;
  const auto walk_flows = [&](auto& records) {
    return records.walk(uint32_t(cursor), limit,
                        [&](const auto& flow) { rows.push_back(row_of(flow, now, false)); });
  };
  const auto walk_templates = [&](auto& templates) {
    return templates.table().walk(uint32_t(cursor), limit, [&](const auto& record) {
      rows.push_back(row_of(record, now, true));
      set_call_id(rows.back(), templates.word_of(record));
    });
  };
  uint32_t next = flow::kNoFlow;
  if (table == 0) next = walk_flows(tables_.v4);
  if (table == 1) next = walk_flows(tables_.v6);
  if (table == 2) next = walk_templates(tables_.templates4);
  if (table == 3) next = walk_templates(tables_.templates6);
  if (next != flow::kNoFlow) return table << 32 | next;
  return table < 3 ? (table + 1) << 32 : kWalkEnd;
}

}  // namespace vsnat::engine
