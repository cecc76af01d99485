// SPDX-License-Identifier: Apache-2.0
//
// A worker's packets through io_uring: which buffer each packet of a burst lies in, and which are still being written.
// The worker thread's alone from begin() to end().
#pragma once

#include <sys/eventfd.h>

#include <memory>

#include "engine/lane.h"
#include "engine/packet_buffers.h"
#include "io/tun_ring.h"

namespace vsnat::engine {

struct Burst {
  unsigned count = 0;    // packets read
  bool drained = false;  // the queue had no more
};

class RingPort {
 public:
  /** `buffers` are io::TunRing::kBuffers; `wake` is an eventfd. All of them outlive the port. */
  RingPort(io::TunRing ring, io::TunQueue& queue, int wake, const PacketBuffers& buffers)
      : ring_(std::move(ring)), queue_(queue), wake_(wake), buffers_(buffers) {}

  /** false, and the queue as it was, where the kernel lets this thread have no ring after all. */
  bool begin();

  /**
   * Takes what the last enter() brought: at most kBurst packets, whose places `packets` are. `written(packet, view, error)`
   * is told of every write() that is over, `failed(errno)` of reads that did not come to anything.
   */
  template <class Written, class Failed>
  Burst reap(nat::Packet* packets, Written&& written, Failed&& failed) {
    Burst burst;
    io::RingEvent event;
    while (burst.count < kBurst) {
      if (!ring_.next(event)) {
        burst.drained = true;
        break;
      }
      switch (event.kind) {
        case io::RingEvent::Kind::packet:
          accept(packets[burst.count], event);
          buffer_of_[burst.count++] = event.buffer;
          break;
        case io::RingEvent::Kind::written:
          finish(event, written);
          break;
        case io::RingEvent::Kind::woken:
          eventfd_t ignored;
          ::eventfd_read(wake_, &ignored);
          break;
        case io::RingEvent::Kind::failed:
          failed(event.error);
          break;
      }
    }
    return burst;
  }

  /** Queues a write of the packet at `place` of the burst; false when there is no room. */
  bool write(const nat::Packet& packet, unsigned place, const wire::PacketView& view);

  /** The burst of `count` packets is over: what is not being written may be read into again. */
  void give_back(unsigned count);

  bool has_queued_writes() const { return ring_.has_queued_writes(); }
  void enter() { ring_.enter(); }
  void enter_and_wait(unsigned milliseconds) { ring_.enter_and_wait(milliseconds); }

  /** Ends all that is under way; `written` is told what became of writes. */
  template <class Written>
  void end(Written&& written) {
    ring_.end();
    for (io::RingEvent event; ring_.next(event);)
      if (event.kind == io::RingEvent::Kind::written) finish(event, written);
  }

 private:
  struct Writing {
    bool is_under_way = false;
    nat::Packet packet;
    wire::PacketView view;
  };

  void accept(nat::Packet& packet, const io::RingEvent& event);

  template <class Written>
  void finish(const io::RingEvent& event, Written&& written) {
    Writing& was = writing_[event.buffer];
    was.is_under_way = false;
    written(was.packet, was.view, event.error);
    ring_.give_back(event.buffer);
  }

  io::TunRing ring_;
  io::TunQueue& queue_;
  const int wake_;
  const PacketBuffers& buffers_;
  uint16_t buffer_of_[kBurst] = {};
  std::unique_ptr<Writing[]> writing_ = std::make_unique<Writing[]>(io::TunRing::kBuffers);
};

}  // namespace vsnat::engine
