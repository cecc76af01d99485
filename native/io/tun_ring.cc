// SPDX-License-Identifier: Apache-2.0
#include "io/tun_ring.h"

#include <linux/io_uring.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

namespace vsnat::io {
namespace {

constexpr uint8_t kReadMultishot = 49;  // IORING_OP_READ_MULTISHOT, linux/io_uring.h of 6.7
constexpr unsigned kEntries = 128;
constexpr uint16_t kBufferGroup = 0;
// What a completion belongs to; a number below kBuffers is a write from that buffer.
constexpr uint64_t kRead = 1u << 16;
constexpr uint64_t kWake = 2u << 16;

int setup(unsigned entries, io_uring_params& params) {
  return int(::syscall(__NR_io_uring_setup, entries, &params));
}
int register_with(int ring, unsigned operation, const void* argument, unsigned count) {
  return int(::syscall(__NR_io_uring_register, ring, operation, argument, count));
}

uint32_t load_acquire(uint32_t* shared) {
  return std::atomic_ref(*shared).load(std::memory_order_acquire);
}
template <class T>
void store_release(T* shared, T value) {
  std::atomic_ref(*shared).store(value, std::memory_order_release);
}

Result<bool> can_read_without_end(int ring) {
  constexpr size_t kBytes = sizeof(io_uring_probe) + (kReadMultishot + 1) * sizeof(io_uring_probe_op);
  alignas(io_uring_probe) std::array<uint8_t, kBytes> known{};
  if (register_with(ring, IORING_REGISTER_PROBE, known.data(), kReadMultishot + 1) < 0)
    return SysError{errno, "IORING_REGISTER_PROBE"};
  io_uring_probe_op read;
  std::memcpy(&read, known.data() + sizeof(io_uring_probe) + kReadMultishot * sizeof(read), sizeof(read));
  if (read.op == kReadMultishot && (read.flags & IO_URING_OP_SUPPORTED)) return true;
  return SysError{EOPNOTSUPP, "io_uring's multishot read, of Linux 6.7"};
}

}  // namespace

Result<TunRing> TunRing::open() {
  io_uring_params params{};
  // Disabled until begin(), which makes the thread that calls it the only one.
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
                 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  params.cq_entries = 4 * kEntries;
  TunRing ring;
  ring.fd_ = UniqueFd{setup(kEntries, params)};
  if (!ring.fd_) return SysError{errno, "io_uring_setup"};
  if (!(params.features & IORING_FEAT_SINGLE_MMAP) || !(params.features & IORING_FEAT_EXT_ARG))
    return SysError{EOPNOTSUPP, "io_uring_setup"};
  if (const auto known = can_read_without_end(ring.fd_.get()); !known) return known.error();

  const size_t sq_bytes = params.sq_off.array + params.sq_entries * sizeof(uint32_t);
  const size_t cq_bytes = params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe);
  auto rings = Mapping::shared(ring.fd_.get(), IORING_OFF_SQ_RING, std::max(sq_bytes, cq_bytes), "a ring");
  if (!rings) return rings.error();
  auto entries = Mapping::shared(ring.fd_.get(), IORING_OFF_SQES, params.sq_entries * sizeof(io_uring_sqe),
                                 "a ring's entries");
  if (!entries) return entries.error();
  auto buffer_ring = Mapping::anonymous(kBuffers * sizeof(io_uring_buf), "a ring of buffers");
  if (!buffer_ring) return buffer_ring.error();
  ring.rings_ = std::move(rings.value());
  ring.entries_ = std::move(entries.value());
  ring.buffer_ring_ = std::move(buffer_ring.value());

  auto* const base = reinterpret_cast<uint8_t*>(ring.rings_.bytes().data());
  const auto word = [base](uint32_t offset) { return reinterpret_cast<uint32_t*>(base + offset); };
  ring.sq_head_ = word(params.sq_off.head);
  ring.sq_tail_ = word(params.sq_off.tail);
  ring.sq_mask_ = *word(params.sq_off.ring_mask);
  ring.cq_head_ = word(params.cq_off.head);
  ring.cq_tail_ = word(params.cq_off.tail);
  ring.cq_mask_ = *word(params.cq_off.ring_mask);
  ring.completions_ = base + params.cq_off.cqes;
  // Entry i always stands at place i.
  for (uint32_t i = 0; i < params.sq_entries; ++i) word(params.sq_off.array)[i] = i;
  return ring;
}

Result<bool> TunRing::begin(int tun, int wake, RingBuffers buffers) {
  tun_ = tun;
  wake_ = wake;
  buffers_ = buffers;
  io_uring_buf_reg group{};
  group.ring_addr = reinterpret_cast<uint64_t>(buffer_ring_.bytes().data());
  group.ring_entries = kBuffers;
  group.bgid = kBufferGroup;
  if (register_with(fd_.get(), IORING_REGISTER_PBUF_RING, &group, 1) < 0)
    return SysError{errno, "IORING_REGISTER_PBUF_RING"};
  if (register_with(fd_.get(), IORING_REGISTER_ENABLE_RINGS, nullptr, 0) < 0)
    return SysError{errno, "IORING_REGISTER_ENABLE_RINGS"};
  for (uint16_t i = kBuffers; i-- > 0;) give_back(i);
  return true;
}

void TunRing::end() {
  io_uring_sync_cancel_reg all{};
  all.fd = -1;
  all.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
  all.timeout = {.tv_sec = 1, .tv_nsec = 0};
  reading_ = watching_ = true;  // not to be armed again
  enter();
  register_with(fd_.get(), IORING_REGISTER_SYNC_CANCEL, &all, 1);
  enter();
}

bool TunRing::next(RingEvent& event) {
  for (;;) {
    const uint32_t head = *cq_head_;
    if (head == load_acquire(cq_tail_)) return false;
    io_uring_cqe done;
    std::memcpy(&done, completions_ + (head & cq_mask_) * sizeof(done), sizeof(done));
    store_release(cq_head_, head + 1);
    const bool goes_on = (done.flags & IORING_CQE_F_MORE) != 0;
    if (done.user_data == kWake) {
      watching_ = goes_on;
      event = {.kind = RingEvent::Kind::woken};
      return true;
    }
    if (done.user_data != kRead) {
      event = {.kind = RingEvent::Kind::written,
               .buffer = uint16_t(done.user_data),
               .error = done.res < 0 ? -done.res : 0};
      return true;
    }
    reading_ = goes_on;
    if (done.flags & IORING_CQE_F_BUFFER) {
      const auto buffer = uint16_t(done.flags >> IORING_CQE_BUFFER_SHIFT);
      --offered_;
      if (done.res > 0) {
        average_length_ = (3 * average_length_ + uint32_t(done.res)) / 4;
        event = {.kind = RingEvent::Kind::packet, .buffer = buffer, .length = uint32_t(done.res)};
        return true;
      }
      give_back(buffer);
    }
    // Out of buffers for a moment, or the kernel's hint to begin again: arm() does. Nothing at all is an end.
    const int error = done.res < 0 ? -done.res : EBADFD;
    if (error == ENOBUFS || error == EAGAIN || error == EINTR || error == ECANCELED) continue;
    event = {.kind = RingEvent::Kind::failed, .error = error};
    return true;
  }
}

void TunRing::give_back(uint16_t buffer) {
  free_[free_count_++] = buffer;
}

void TunRing::offer() {
  const uint32_t fit = kBytesAtOnce / std::max(average_length_, 1u);
  const uint32_t wanted = std::clamp<uint32_t>(fit, kFewestAtOnce, kBuffers);
  auto* const ring = reinterpret_cast<io_uring_buf_ring*>(buffer_ring_.bytes().data());
  for (; offered_ < wanted && free_count_ > 0; ++offered_) {
    const uint16_t buffer = free_[--free_count_];
    // The tail lies in what is reserved of entry 0: write the three fields, not the struct.
    io_uring_buf& entry = reinterpret_cast<io_uring_buf*>(ring)[buffer_tail_++ & (kBuffers - 1)];
    entry.addr = reinterpret_cast<uint64_t>(buffers_.first + buffer * buffers_.stride);
    entry.len = buffers_.length;
    entry.bid = buffer;
  }
  store_release(&ring->tail, buffer_tail_);
}

template <class Fill>
bool TunRing::queue(Fill&& fill) {
  const uint32_t tail = *sq_tail_;
  if (tail - load_acquire(sq_head_) > sq_mask_) return false;
  io_uring_sqe& entry = reinterpret_cast<io_uring_sqe*>(entries_.bytes().data())[tail & sq_mask_];
  std::memset(&entry, 0, sizeof(entry));
  fill(entry);
  store_release(sq_tail_, tail + 1);
  ++to_submit_;
  return true;
}

bool TunRing::write(uint16_t buffer, const uint8_t* from, uint32_t length) {
  const bool queued = queue([&](io_uring_sqe& entry) {
    entry.opcode = IORING_OP_WRITE;
    entry.fd = tun_;
    entry.addr = reinterpret_cast<uint64_t>(from);
    entry.len = length;
    entry.user_data = buffer;
  });
  if (queued) ++queued_writes_;
  return queued;
}

void TunRing::arm() {
  if (!watching_) {
    watching_ = queue([this](io_uring_sqe& entry) {
      entry.opcode = IORING_OP_POLL_ADD;
      entry.fd = wake_;
      entry.len = IORING_POLL_ADD_MULTI;
      entry.poll32_events = POLLIN;
      entry.user_data = kWake;
    });
  }
  if (!reading_ && offered_ > 0) {
    reading_ = queue([this](io_uring_sqe& entry) {
      entry.opcode = kReadMultishot;
      entry.fd = tun_;
      entry.flags = IOSQE_BUFFER_SELECT;
      entry.buf_group = kBufferGroup;
      entry.user_data = kRead;
    });
  }
}

void TunRing::enter_for(unsigned events, unsigned milliseconds) {
  offer();
  arm();
  __kernel_timespec patience{.tv_sec = milliseconds / 1000, .tv_nsec = (milliseconds % 1000) * 1'000'000L};
  io_uring_getevents_arg wait{};
  wait.ts = reinterpret_cast<uint64_t>(&patience);
  const int submitted = int(::syscall(__NR_io_uring_enter, fd_.get(), to_submit_, events,
                                      IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &wait, sizeof(wait)));
  // An error of the wait (ETIME, EINTR) after entries were taken shows as their number: none is issued twice.
  if (submitted > 0) to_submit_ -= uint32_t(submitted);
  if (to_submit_ == 0) queued_writes_ = 0;
}

}  // namespace vsnat::io
