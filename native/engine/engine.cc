// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace vsnat::engine {
namespace {

/** Connections that may have a shortcut at once: 4 MiB of the kernel's memory. */
constexpr uint32_t kShortcuts = 16384;
/** Hosts whose next hop is kept, 4 MiB of them; those of more clients at once take the ordinary way by turns. */
constexpr uint32_t kHostsRemembered = 65536;

uint64_t monotonic_ns() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return uint64_t(t.tv_sec) * 1'000'000'000u + uint64_t(t.tv_nsec);
}

/** What workers do between two bursts is waited for, but not for ever: one may be stopped. */
template <class Done>
void wait_until(int longest_us, Done&& is_done) {
  for (int waited_us = 0; waited_us < longest_us && !is_done(); waited_us += 50) {
    const timespec pause{0, 50'000};
    ::nanosleep(&pause, nullptr);
  }
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
  if (tun.ingress) engine.value()->open_ingress(tun.shortcuts && tun.egress ? kShortcuts : 0);
  if (tun.egress) {
    if (const auto ready = engine.value()->open_egress(); !ready) {
      engine.value()->direct_refusal_ = sentence(ready.error());
      engine.value()->resolver_.reset();
    }
  }
  engine.value()->open_shortcuts();
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

void Engine::open_ingress(uint32_t shortcuts) {
  const service::Limits& limits = options_.limits;
  auto ingress = io::DirectIngress::open(unsigned(facts_.index),
                                         2 * (limits.server_slots + limits.service_slots), shortcuts);
  if (ingress) {
    kernel_maps_.use(std::move(ingress.value()));
  } else {
    ingress_refusal_ = sentence(ingress.error());
  }
}

size_t Engine::take_directly(std::span<const unsigned> interfaces) {
  io::DirectIngress* const ingress = kernel_maps_.ingress();
  return ingress == nullptr ? interfaces.size() : ingress->attach(interfaces);
}

void Engine::open_shortcuts() {
  io::ShortcutMaps* const maps = can_take_directly() ? kernel_maps_.ingress()->shortcuts() : nullptr;
  if (maps == nullptr || !resolver_) return;
  shortcuts_ = std::make_unique<flow::Shortcuts>(maps->shortcuts());
  resolver_->next_hops().announce_editions_at(maps->the_switch().edition);
  const ShortcutSharing sharing{*maps, *shortcuts_, resolver_->next_hops()};
  const auto share = uint32_t(shortcuts_->count() / workers_.size());
  for (uint32_t i = 0; i < workers_.size(); ++i) {
    workers_[i]->lane().core.shortcuts = shortcuts_.get();
    workers_[i]->keep_shortcuts(sharing, {i * share, share}, options_.limits.check_slot());
  }
}

void Engine::set_direct(bool on) {
  if (shortcuts_) kernel_maps_.ingress()->shortcuts()->the_switch().on.store(on);
  for (auto& worker : workers_) worker->set_direct(on);
}

uint32_t Engine::shortcut_count() const {
  uint32_t count = 0;
  for (const auto& worker : workers_) count += worker->shortcuts();
  return count;
}

void Engine::book_shortcuts() {
  std::vector<std::pair<Worker*, uint64_t>> asked;
  for (auto& worker : workers_)
    if (worker->running() && worker->shortcuts() > 0) asked.emplace_back(worker.get(), worker->ask_to_book());
  wait_until(20'000, [&asked] {
    return std::ranges::all_of(asked, [](const auto& one) { return one.first->booked() >= one.second; });
  });
}

uint64_t Engine::taken_directly() {
  uint64_t taken = can_take_directly() ? kernel_maps_.ingress()->taken() : 0;
  for (const Lane* lane : lanes_) taken += lane->counters.shortcut_packets.read();
  return taken;
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
  kernel_maps_.use(std::move(steering.value()));
  steering_in_use_ = random ? SteeringInUse::random : SteeringInUse::client_endpoint;
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
  // What a map refused is tried again with the next change of places.
  const bool places_stay = current_ && next->shares_directory(*current_);
  if (!places_stay) kernel_maps_.learn(*next);
  const uint64_t told_ns = monotonic_ns();
  for (auto& worker : workers_) worker->offer(next.get());
  if (current_) retired_.push_back(std::move(current_));
  current_ = std::move(next);
  wait_until(1'000'000, [this] { return all_adopted(current_->generation); });
  swap_ns_ = monotonic_ns() - told_ns;
  if (all_adopted(current_->generation)) retired_.clear();
  if (!places_stay) kernel_maps_.forget();
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
  take_directly({});  // from now on the kernel has what nobody reads any more
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

}  // namespace vsnat::engine
