// SPDX-License-Identifier: Apache-2.0
//
// The sink: takes datagrams in as a program that must keep up would (a batch with one call, superpackets whole) and
// counts them where their sender sees it.
#include <netinet/udp.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <thread>
#include <vector>

#include "commands.h"
#include "net.h"
#include "sink_count.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace vsnat::load {
namespace {

constexpr size_t kBatch = 64;
constexpr size_t kLargest = 65536;
/// Buffers a power of two apart would all begin in the same set of the cache.
constexpr size_t kStride = kLargest + 3 * 64;

class Sink {
 public:
  Sink(uint16_t port, SinkCount& count)
      : socket_(bind_any(SOCK_DGRAM, port)), count_(count), buffers_(kBatch * kStride) {
    const int size = 16 << 20;
    setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    const int on = 1;
    setsockopt(socket_.get(), SOL_UDP, UDP_GRO, &on, sizeof(on));
    count_.wake_at.store(SinkCount::kNobodyWaits);
    for (size_t i = 0; i < kBatch; ++i) data_[i] = {&buffers_[i * kStride], kLargest};
  }

  [[noreturn]] void run() {
    for (;;) {
      for (size_t i = 0; i < kBatch; ++i) {
        msghdr& message = messages_[i].msg_hdr;
        message = {};
        message.msg_iov = &data_[i];
        message.msg_iovlen = 1;
        message.msg_control = control_[i].data();
        message.msg_controllen = control_[i].size();
      }
      const int got = recvmmsg(socket_.get(), messages_.data(), kBatch, MSG_WAITFORONE, nullptr);
      if (got > 0) take(static_cast<size_t>(got));
    }
  }

 private:
  void take(size_t messages) {
    const uint64_t token = count_.token.load();
    uint64_t datagrams = 0, bytes = 0;
    for (size_t i = 0; i < messages; ++i) {
      const size_t size = messages_[i].msg_len;
      uint64_t found = 0;
      if (size >= sizeof(found)) std::memcpy(&found, data_[i].iov_base, sizeof(found));
      if (size < sizeof(found) || found != token) continue;
      bytes += size;
      const size_t each = segment_size(messages_[i].msg_hdr, size);
      datagrams += (size + each - 1) / each;
    }
    if (datagrams > 0) count_.add(datagrams, bytes);
  }

  /// Of a superpacket; a datagram by itself has none and is its own segment.
  static size_t segment_size(const msghdr& message, size_t size) {
    const cmsghdr* item = CMSG_FIRSTHDR(&message);
    if (item == nullptr || item->cmsg_level != SOL_UDP || item->cmsg_type != UDP_GRO) return size;
    int segment = 0;
    std::memcpy(&segment, CMSG_DATA(item), sizeof(segment));
    return segment > 0 ? static_cast<size_t>(segment) : size;
  }

  UniqueFd socket_;
  SinkCount& count_;
  std::vector<std::byte> buffers_;
  std::array<iovec, kBatch> data_{};
  std::array<mmsghdr, kBatch> messages_{};
  alignas(cmsghdr) std::array<std::array<char, CMSG_SPACE(sizeof(int))>, kBatch> control_{};
};

}  // namespace

void serve_sink(uint16_t port, const std::string& count_file) {
  auto* sink = new Sink(port, map_sink_count(count_file));  // lives as long as the process
  std::thread([sink] { sink->run(); }).detach();
}

}  // namespace vsnat::load
