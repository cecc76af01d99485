// SPDX-License-Identifier: Apache-2.0
#include "engine/worker.h"

#include <poll.h>
#include <time.h>

#include <algorithm>

#include "engine/native_thread.h"
#include "io/segment.h"

namespace vsnat::engine {
namespace {

/** 0 where there is no such clock, as that of a thread that has ended. */
uint64_t clock_ns(clockid_t clock) {
  timespec t;
  if (::clock_gettime(clock, &t) != 0) return 0;
  return uint64_t(t.tv_sec) * 1'000'000'000u + uint64_t(t.tv_nsec);
}

uint64_t monotonic_ns() {
  return clock_ns(CLOCK_MONOTONIC);
}

}  // namespace

Worker::Worker(io::TunQueue queue, nat::FlowTables& tables, nat::Fragments& fragments,
               service::ServerLoad* loads, service::Limits limits, uint8_t index, uint16_t workers)
    : queue_(std::move(queue)),
      lane_(tables, fragments, loads, limits, index),
      index_(index),
      workers_(workers),
      culler_(index, workers),
      ender_(index, workers) {}

Worker::~Worker() {
  request_stop();
  join();
}

Result<bool> Worker::prepare(std::optional<io::TunRing> ring) {
  wake_ = UniqueFd{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  if (!wake_) return SysError{errno, "eventfd"};
  Result<PacketBuffers> buffers = PacketBuffers::open(ring ? io::TunRing::kBuffers : kBurst);
  if (!buffers) return buffers.error();
  buffers_ = std::move(buffers.value());
  Result<Mapping> scratch = Mapping::anonymous(kFront + io::TunQueue::kMaxPacket + 1, "a segment buffer");
  if (!scratch) return scratch.error();
  scratch_ = std::move(scratch.value());
  for (unsigned i = 0; i < kBurst; ++i) {
    packets_[i].data = buffers_.at(i);
    packets_[i].capacity = PacketBuffers::kBytes;
  }
  if (ring) ring_ = std::make_unique<RingPort>(std::move(*ring), queue_, wake_.get(), buffers_);
  return true;
}

Result<bool> Worker::start() {
  running_.store(true, std::memory_order_release);
  char name[16];
  std::snprintf(name, sizeof(name), "vsnat-q%u", index_);
  const auto started = start_thread(thread_, name, this, [](void* self) -> void* {
    auto* worker = static_cast<Worker*>(self);
    worker->loop();
    worker->running_.store(false, std::memory_order_release);
    return nullptr;
  });
  joinable_ = bool(started);
  if (!started) running_.store(false, std::memory_order_release);
  return started;
}

uint64_t Worker::cpu_ns() const {
  clockid_t clock;
  if (running() && ::pthread_getcpuclockid(thread_, &clock) == 0) {
    if (const uint64_t ns = clock_ns(clock); ns > 0) return ns;
  }
  return cpu_ns_.load(std::memory_order_relaxed);
}

void Worker::request_stop() {
  stop_.store(true, std::memory_order_release);
  if (wake_) ::eventfd_write(wake_.get(), 1);
}

void Worker::join() {
  if (joinable_) ::pthread_join(thread_, nullptr);
  joinable_ = false;
}

void Worker::offer(const service::Snapshot* snapshot) {
  offered_.store(snapshot, std::memory_order_release);
  if (running()) {
    ::eventfd_write(wake_.get(), 1);
  } else {
    adopt();
  }
}

void Worker::adopt() {
  const service::Snapshot* offered = offered_.load(std::memory_order_acquire);
  if (offered == live_) return;
  live_ = offered;
  if (offered->policy.expire_nodest) culler_.look_for_orphans();
  if (keeper_) keeper_->hurry();  // servers may have left
  adopted_.store(offered->generation, std::memory_order_release);
}

void Worker::note_failure(int error) {
  // A device that only ever fails to read must not cost a whole core in silence.
  if (error == EBADFD || error == EFAULT) {
    failure_.store(EBADFD, std::memory_order_release);
  } else if (++read_errors_ == kReadErrorsBeforeFailure) {
    failure_.store(EIO, std::memory_order_release);
  }
}

bool Worker::write_later(nat::Packet& packet, const wire::PacketView& view) {
  // Frames of direct egress leave at the end of the burst: a write must not wait for longer than they do.
  const bool has_to_leave_now = (egress_ && direct_.load(std::memory_order_relaxed)) || gso_refusals_ > 0;
  return ring_ && owns(packet) && !has_to_leave_now &&
         ring_->write(packet, unsigned(&packet - packets_), view);
}

void Worker::written(nat::Packet& packet, const wire::PacketView& view, int error, Now now) {
  bool sent = error == 0;
  if (error == EINVAL && packet.vnet.is_gso()) {
    note_refusal(now);
    sent = write_segments(packet, view);
  }
  lane_.left(sent, packet.length);
}

Burst Worker::reap_burst(Now now) {
  return ring_->reap(
      packets_,
      [this, now](nat::Packet& packet, const wire::PacketView& view, int error) {
        written(packet, view, error, now);
      },
      [this](int error) { note_failure(error); });
}

Burst Worker::read_burst() {
  Burst burst;
  for (size_t bytes = 0; burst.count < kBurst && bytes < kBurstBytes;) {
    nat::Packet& packet = packets_[burst.count];
    lane_.counters.reads.add(1);
    const auto status = queue_.read(packet.vnet, {packet.data, io::TunQueue::kMaxPacket + 1}, packet.length);
    if (status == io::ReadStatus::packet) {
      ++burst.count;
      bytes += packet.length;
      continue;
    }
    burst.drained = true;
    if (status == io::ReadStatus::gone) note_failure(EBADFD);
    if (status == io::ReadStatus::error) note_failure(EIO);
    break;
  }
  return burst;
}

Result<bool> Worker::open_egress(Resolver& resolver) {
  Result<io::PacketSocket> socket = io::PacketSocket::open();
  if (!socket) return socket.error();
  egress_ = std::make_unique<Egress>(resolver, std::move(socket.value()), index_);
  return true;
}

Emitted Worker::emit(nat::Packet& packet, const nat::Pending& pending, nat::Verdict verdict, Now now) {
  if (egress_) {
    const bool may_leave_directly =
        verdict == nat::Verdict::forward && direct_.load(std::memory_order_relaxed) && owns(packet);
    if (may_leave_directly) {
      issue_writes();  // direct egress may just have been switched on
      if (egress_->take(packet, pending, now)) {
        if (pending.is_of_steady && keeper_) keeper_->note(pending);
        return Emitted::later;
      }
    }
    flush_egress(now);
  }
  if (write_later(packet, pending.view)) return Emitted::later;
  issue_writes();
  return write(packet, pending.view, now) ? Emitted::sent : Emitted::refused;
}

void Worker::issue_writes() {
  if (!ring_ || !ring_->has_queued_writes()) return;
  lane_.counters.writes.add(1);
  ring_->enter();
}

/** What waits must lie still until the burst is over; a piece that is set free lies in the hold, and does not. */
bool Worker::owns(const nat::Packet& packet) const {
  return &packet >= packets_ && &packet < packets_ + kBurst;
}

void Worker::flush_egress(Now now) {
  if (egress_->is_empty()) return;
  egress_->flush(
      lane_.counters.writes,
      [this, now](nat::Packet& packet, const wire::PacketView& view) { return write(packet, view, now); },
      [this](bool sent, uint32_t length) { lane_.left(sent, length); });
}

bool Worker::write(nat::Packet& packet, const wire::PacketView& view, Now now) {
  const bool gso = packet.vnet.is_gso();
  if (gso && gso_refusals_ >= kRefusalsBeforeSoftware) return write_segments(packet, view);
  lane_.counters.writes.add(1);
  const int error = queue_.write(packet.vnet, {packet.data, packet.length});
  if (error == EINVAL && gso) {
    note_refusal(now);
    return write_segments(packet, view);
  }
  return error == 0;
}

void Worker::note_refusal(Now now) {
  if (gso_refusals_++ == 0) first_refusal_ms_ = now.ms;
}

bool Worker::write_segments(const nat::Packet& packet, const wire::PacketView& view) {
  lane_.counters.gso_resegmented.add(1);
  bool all = true;
  const std::span memory(reinterpret_cast<uint8_t*>(scratch_.bytes().data()), scratch_.bytes().size());
  io::segment(view, packet.vnet, memory.subspan(kFront),
              [&](const wire::vnet_hdr& vnet, std::span<uint8_t> bytes) {
                lane_.counters.writes.add(1);
                all = queue_.write(vnet, bytes) == 0 && all;
              });
  return all;
}

bool Worker::sweep(Now now) {
  const uint32_t shards = nat::expirable_shards(lane_.core.tables);
  if (sweep_shard_ >= shards) {
    if (now.ms < next_sweep_ms_) return false;
    next_sweep_ms_ = now.ms + kSweepEveryMs;
    sweep_shard_ = index_;
    lane_.expire_fragments(now);
  }
  if (sweep_shard_ < shards && !nat::expire(lane_.core, *live_, sweep_shard_, now.tick(), kSweepSlice)) {
    sweep_shard_ += workers_;
  }
  return sweep_shard_ < shards;
}

uint64_t Worker::ask_to_book() {
  const uint64_t number = asked_to_book_.fetch_add(1, std::memory_order_release) + 1;
  wake();
  return number;
}

void Worker::keep_books(Now now) {
  const uint64_t asked = asked_to_book_.load(std::memory_order_acquire);
  const bool is_asked = asked != booked_.load(std::memory_order_relaxed);
  if (!is_asked && now.ms < keeper_->next_tick_ms()) return;
  keeper_->tick(lane_, egress_->counters, *live_, now);
  booked_.store(asked, std::memory_order_release);
}

void Worker::wait(bool sweeping, Now now) {
  const uint64_t next_ms = keeper_ ? std::min(next_sweep_ms_, keeper_->next_tick_ms()) : next_sweep_ms_;
  const auto until_sweep = int(next_ms > now.ms ? next_ms - now.ms : 0);
  if (ring_) {
    lane_.counters.polls.add(1);
    return sweeping || until_sweep == 0 ? ring_->enter() : ring_->enter_and_wait(unsigned(until_sweep));
  }
  pollfd fds[2] = {{queue_.fd(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
  lane_.counters.polls.add(1);
  if (::poll(fds, 2, sweeping ? 0 : until_sweep) <= 0) return;
  if (fds[1].revents & POLLIN) {
    eventfd_t ignored;
    ::eventfd_read(wake_.get(), &ignored);
  }
  if (fds[0].revents & (POLLERR | POLLNVAL)) failure_.store(EBADFD, std::memory_order_release);
}

void Worker::loop() {
  if (ring_ && !ring_->begin()) ring_.reset();
  // The first snapshot is offered before start(): a worker always has one.
  while (!stop_.load(std::memory_order_acquire) && failure_.load(std::memory_order_relaxed) == 0) {
    adopt();
    const Now now = Now::from_ns(monotonic_ns());
    if (gso_refusals_ > 0 && now.ms - first_refusal_ms_ > kRefusalWindowMs) gso_refusals_ = 0;
    const Burst burst = ring_ ? reap_burst(now) : read_burst();
    if (burst.count > 0) {
      read_errors_ = 0;
      lane_.run(*live_, now, packets_, burst.count, nullptr,
                [this, now](nat::Packet& packet, const nat::Pending& pending, nat::Verdict verdict) {
                  return emit(packet, pending, verdict, now);
                });
      if (egress_) flush_egress(now);
      if (keeper_) keeper_->settle(lane_.core, *live_, now, burst.drained ? Backlog::none : Backlog::some);
      if (ring_) ring_->give_back(burst.count);
    }
    if (keeper_) keep_books(now);
    const bool culling = culler_.run(lane_.core, *live_, now);
    const bool ending =
        order_ != nullptr &&
        ender_.run(*order_, lane_, *live_, now,
                   [this, now](nat::Packet& packet, const nat::Pending& pending, nat::Verdict verdict) {
                     return emit(packet, pending, verdict, now);
                   });
    const bool sweeping = sweep(now) || culling || ending;
    if (burst.drained) wait(sweeping, now);
  }
  cpu_ns_.store(clock_ns(CLOCK_THREAD_CPUTIME_ID), std::memory_order_relaxed);
  const Now now = Now::from_ns(monotonic_ns());
  if (keeper_) keeper_->tick(lane_, egress_->counters, *live_, now);
  if (!ring_) return;
  ring_->end([this, now](nat::Packet& packet, const wire::PacketView& view, int error) {
    written(packet, view, error, now);
  });
  ring_.reset();  // and with it what it holds of the device
}

}  // namespace vsnat::engine
