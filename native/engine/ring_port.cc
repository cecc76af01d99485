// SPDX-License-Identifier: Apache-2.0
#include "engine/ring_port.h"

#include <fcntl.h>

namespace vsnat::engine {

bool RingPort::begin() {
  const int fd = queue_.fd();
  const int flags = ::fcntl(fd, F_GETFL);
  ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
  const size_t header = queue_.header_bytes();
  const io::RingBuffers buffers{buffers_.at(0) - header, PacketBuffers::kStride,
                                uint32_t(io::TunQueue::kMaxPacket + 1 + header)};
  if (ring_.begin(fd, wake_, buffers)) return true;
  // TunRing::open() found everything there is to find; it was wrong.
  ::fcntl(fd, F_SETFL, flags);
  return false;
}

void RingPort::accept(nat::Packet& packet, const io::RingEvent& event) {
  packet.data = buffers_.at(event.buffer);
  queue_.accept(packet.vnet, packet.data, event.length, packet.length);
}

bool RingPort::write(const nat::Packet& packet, unsigned place, const wire::PacketView& view) {
  const uint16_t buffer = buffer_of_[place];
  const auto bytes = queue_.with_header(packet.vnet, {packet.data, packet.length});
  if (!ring_.write(buffer, bytes.data(), uint32_t(bytes.size()))) return false;
  writing_[buffer] = {true, packet, view};
  return true;
}

void RingPort::give_back(unsigned count) {
  for (unsigned i = 0; i < count; ++i)
    if (!writing_[buffer_of_[i]].is_under_way) ring_.give_back(buffer_of_[i]);
}

}  // namespace vsnat::engine
