// SPDX-License-Identifier: Apache-2.0
//
// One thread, one TUN queue: wait, read a burst, run it, write, sweep a little, adopt a new snapshot between
// bursts. Packets come and go through io_uring where the kernel lets us (io/tun_ring.h), else by poll, read and write.
//
// Ownership: buffers, lane and queue belong to the worker thread while it runs. The control thread may call
// offer(), adopted(), wake(), request_stop(), failure() and read counters at any time; everything else before
// start() and after join(). The thread blocks all signals (libuv's threads want them) and holds no JavaScript
// handle.
#pragma once

#include <pthread.h>
#include <sys/eventfd.h>

#include <atomic>
#include <memory>
#include <optional>

#include "base/mapping.h"
#include "engine/culler.h"
#include "engine/egress.h"
#include "engine/ender.h"
#include "engine/lane.h"
#include "engine/ring_port.h"
#include "engine/shortcut_keeper.h"
#include "io/tun_queue.h"

namespace vsnat::engine {

class Worker {
 public:
  Worker(io::TunQueue queue, nat::FlowTables& tables, nat::Fragments& fragments, service::ServerLoad* loads,
         service::Limits limits, uint8_t index, uint16_t workers);
  ~Worker();

  /** Control thread, once, before start(). Without a ring the queue is polled. */
  Result<bool> prepare(std::optional<io::TunRing> ring);
  /** Fails where the process may have no more threads; then the worker stays as it was. */
  Result<bool> start();
  void request_stop();
  void join();

  /** Control thread, once, before start(): packets may leave as frames, once that is switched on. */
  Result<bool> open_egress(Resolver& resolver);
  void close_egress() { egress_.reset(); }
  /** Control thread, once, before start(), after open_egress(): flows may have shortcuts of this share. */
  void keep_shortcuts(const ShortcutSharing& sharing, ShortcutShare share, uint32_t check_slot) {
    keeper_ = std::make_unique<ShortcutKeeper>(sharing, share, check_slot);
  }
  uint32_t shortcuts() const { return keeper_ ? keeper_->in_use() : 0; }
  /** Asks for everything that went through shortcuts to be booked; booked() tells when. Control thread. */
  uint64_t ask_to_book();
  uint64_t booked() const { return booked_.load(std::memory_order_acquire); }
  void set_direct(bool on) { direct_.store(on, std::memory_order_relaxed); }
  /** null when it was not opened. */
  const EgressCounters* egress_counters() const { return egress_ ? &egress_->counters : nullptr; }

  /** The next snapshot to work with; it must live until adopted() says a later one is in use. */
  void offer(const service::Snapshot* snapshot);
  uint64_t adopted() const { return adopted_.load(std::memory_order_acquire); }
  bool running() const { return running_.load(std::memory_order_acquire); }

  /** Whose orders to end connections it obeys. Before start(). */
  void obey(EndOrder& order) { order_ = &order; }
  /** There is something new to look at. */
  void wake() {
    if (running()) ::eventfd_write(wake_.get(), 1);
  }

  /** 0, or the errno that ended the thread: EBADFD when the device was deleted. */
  int failure() const { return failure_.load(std::memory_order_acquire); }

  /** CPU time of the thread so far, the kernel's work for it included. Control thread, until join(). */
  uint64_t cpu_ns() const;

  Lane& lane() { return lane_; }
  io::TunQueue& queue() { return queue_; }

 private:
  static constexpr uint64_t kSweepEveryMs = 1000;  // a pass over the worker's shards
  // After this many refused superpackets within the window, the rest of it is segmented in software unasked.
  static constexpr unsigned kRefusalsBeforeSoftware = 8;
  static constexpr uint64_t kRefusalWindowMs = 10'000;
  static constexpr unsigned kReadErrorsBeforeFailure = 1000;
  // A burst ends early once it holds this much: a superpacket is copied in and out of the kernel, and the second copy
  // should still find it in the core's own cache, which 32 of them would not fit.
  static constexpr size_t kBurstBytes = 64 * 1024;

  void loop();
  void adopt();
  Burst read_burst();
  Burst reap_burst(Now now);
  /** Queues a write; false when it has to be made at once. */
  bool write_later(nat::Packet& packet, const wire::PacketView& view);
  void written(nat::Packet& packet, const wire::PacketView& view, int error, Now now);
  /** What is queued leaves now, so that nothing of a flow that takes another way overtakes it. */
  void issue_writes();
  void note_refusal(Now now);
  void note_failure(int error);
  Emitted emit(nat::Packet& packet, const nat::Pending& pending, nat::Verdict verdict, Now now);
  bool write(nat::Packet& packet, const wire::PacketView& view, Now now);
  bool write_segments(const nat::Packet& packet, const wire::PacketView& view);
  void flush_egress(Now now);
  void keep_books(Now now);
  bool owns(const nat::Packet& packet) const;
  /** True while a pass is under way. */
  bool sweep(Now now);
  void wait(bool sweeping, Now now);

  io::TunQueue queue_;
  Lane lane_;
  const uint8_t index_;
  const uint16_t workers_;
  UniqueFd wake_;
  pthread_t thread_{};
  bool joinable_ = false;
  std::atomic<const service::Snapshot*> offered_{nullptr};
  std::atomic<uint64_t> adopted_{0};
  std::atomic<bool> stop_{false}, running_{false}, direct_{false};
  std::atomic<int> failure_{0};
  std::atomic<uint64_t> cpu_ns_{0};  // of a thread that has ended
  std::atomic<uint64_t> asked_to_book_{0}, booked_{0};

  // Worker thread only, once it runs.
  std::unique_ptr<Egress> egress_;
  std::unique_ptr<ShortcutKeeper> keeper_;  // only with egress_
  const service::Snapshot* live_ = nullptr;
  PacketBuffers buffers_;
  std::unique_ptr<RingPort> ring_;  // null: the queue is polled
  Mapping scratch_;                 // one segment
  nat::Packet packets_[kBurst];
  uint64_t next_sweep_ms_ = 0;
  uint32_t sweep_shard_ = 0;
  Culler culler_;
  EndOrder* order_ = nullptr;
  Ender ender_;
  uint64_t first_refusal_ms_ = 0;
  unsigned gso_refusals_ = 0;  // since first_refusal_ms_
  unsigned read_errors_ = 0;   // in a row
};

}  // namespace vsnat::engine
