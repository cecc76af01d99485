// SPDX-License-Identifier: Apache-2.0
//
// Datagrams of one flow, many with one call: the kernel cuts them where it must, which with offloads is never here.
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "datagrams.h"
#include "options.h"

namespace vsnat::load {
namespace {

class Superpackets final : public Sender {
 public:
  explicit Superpackets(const DatagramPlan& plan)
      : segments_(plan.segments), socket_(socket(plan.to.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const int size = 8 << 20;
    setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    const auto segment = static_cast<int>(plan.size);
    if (connect(socket_.get(), plan.to.raw(), plan.to.length) != 0 ||
        setsockopt(socket_.get(), SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)) != 0)
      usage_error("UDP_SEGMENT: " + error_name(errno));
    data_.resize(plan.size * plan.segments);
    for (uint64_t i = 0; i < plan.segments; ++i)
      std::memcpy(&data_[i * plan.size], &plan.token, sizeof(plan.token));
    size_ = plan.size;
  }

  uint64_t send(uint64_t datagrams) override {
    const uint64_t part = std::min(datagrams, segments_);
    return ::send(socket_.get(), data_.data(), part * size_, 0) < 0 ? 0 : part;
  }

 private:
  uint64_t segments_;
  size_t size_ = 0;
  UniqueFd socket_;
  std::vector<uint8_t> data_;
};

}  // namespace

std::unique_ptr<Sender> make_superpackets(const DatagramPlan& plan) {
  return std::make_unique<Superpackets>(plan);
}

}  // namespace vsnat::load
