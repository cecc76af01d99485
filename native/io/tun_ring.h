// SPDX-License-Identifier: Apache-2.0
//
// A queue of a TUN device through io_uring: one system call for a burst of packets in, and for a burst out, instead of
// one for each. tun_ring.cc is the only file that knows <linux/io_uring.h>.
//
// One read that never ends ("multishot", Linux 6.7) fills buffers it takes from a ring we refill; an endless poll watches
// the descriptor that wakes the thread; writes are queued and issued by the call that waits for the next packets. The
// kernel works for us only inside that call (DEFER_TASKRUN, 6.1), in our thread: nothing here runs at the same time as the
// code that looks at it, and no other thread is woken.
//
// Buffers belong to the kernel until a packet comes in one, then to the caller until give_back(), or until the write it was
// queued for is reported. Containers and hardened hosts often refuse io_uring: open() says so, and the caller reads and
// writes the descriptor itself.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/mapping.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace vsnat::io {

struct RingEvent {
  enum class Kind : uint8_t { packet, written, woken, failed };
  Kind kind = Kind::packet;
  uint16_t buffer = 0;  // packet, written
  uint32_t length = 0;  // packet: bytes in the buffer
  int error = 0;        // written: 0 or an errno; failed: the errno of the read
};

/** Where the buffers lie: number i begins at first + i * stride. */
struct RingBuffers {
  uint8_t* first = nullptr;
  size_t stride = 0;
  uint32_t length = 0;
};

class TunRing {
 public:
  static constexpr unsigned kBuffers = 64;  // a power of two: a burst being looked at, and one under way

  /**
   * What one call may bring, by the size of late packets: a superpacket is copied out of the kernel and in again, and the
   * second copy should still find it in the core's own cache. Buffers used last are used first, for the same reason.
   */
  static constexpr uint32_t kBytesAtOnce = 512 * 1024;
  static constexpr uint32_t kFewestAtOnce = 2;

  /** Fails where the kernel is older than 6.7, or does not let this process have a ring. Any thread. */
  static Result<TunRing> open();

  TunRing(TunRing&&) = default;
  TunRing& operator=(TunRing&&) = default;

  /** The thread that will use it, once. `tun` must not be O_NONBLOCK: the endless read would end at the first lull. */
  Result<bool> begin(int tun, int wake, RingBuffers buffers);
  /** Ends all that is under way. The same thread; next() tells the fate of writes, and nothing but destruction may follow. */
  void end();

  /** What the last enter() brought, one by one; false when there is no more. No system call. */
  bool next(RingEvent& event);

  void give_back(uint16_t buffer);

  /** Queues a write of `length` bytes at `from`, which lie in `buffer`; false when there is no room: enter() makes some. */
  bool write(uint16_t buffer, const uint8_t* from, uint32_t length);
  bool has_queued_writes() const { return queued_writes_ > 0; }

  /** Issues what is queued and lets the kernel work. Without a wait: returns at once. One system call. */
  void enter() { enter_for(0, 0); }
  /** The same, and waits until there is an event, at most so long. */
  void enter_and_wait(unsigned milliseconds) { enter_for(1, milliseconds); }

 private:
  TunRing() = default;

  /** Queues an entry that `fill(io_uring_sqe&)` writes over zeroes; false when there is no room. */
  template <class Fill>
  bool queue(Fill&& fill);
  /** Hands the kernel as many buffers as are good for it. */
  void offer();
  void arm();
  void enter_for(unsigned events, unsigned milliseconds);

  UniqueFd fd_;
  Mapping rings_, entries_, buffer_ring_;
  uint32_t *sq_head_ = nullptr, *sq_tail_ = nullptr, *cq_head_ = nullptr, *cq_tail_ = nullptr;
  uint8_t* completions_ = nullptr;
  uint32_t sq_mask_ = 0, cq_mask_ = 0, to_submit_ = 0, queued_writes_ = 0;
  std::array<uint16_t, kBuffers> free_{};  // a stack
  uint32_t free_count_ = 0;
  uint32_t offered_ = 0;         // buffers the kernel has
  uint32_t average_length_ = 0;  // of late packets
  uint16_t buffer_tail_ = 0;
  bool reading_ = false, watching_ = false;
  int tun_ = -1, wake_ = -1;
  RingBuffers buffers_;
};

}  // namespace vsnat::io
