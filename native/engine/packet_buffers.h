// SPDX-License-Identifier: Apache-2.0
//
// Where a queue's packets lie while the director works on them.
#pragma once

#include <cstdint>

#include "base/mapping.h"
#include "io/packet_socket.h"
#include "io/tun_queue.h"
#include "nat/answer.h"
#include "nat/end.h"
#include "nat/fragments.h"

namespace vsnat::engine {

/** Room in front of a packet for what may have to stand there; a cache line, so that packets begin on one. */
inline constexpr size_t kFront = 64;
static_assert(kFront >= io::TunQueue::kHeadroom && kFront >= io::PacketSocket::kHeadroom &&
              nat::Fragments::kHeadroom >= io::TunQueue::kHeadroom &&
              nat::Goodbyes::kFront >= io::TunQueue::kHeadroom);

class PacketBuffers {
 public:
  /** The largest packet, and room for an answer. */
  static constexpr uint32_t kBytes = io::TunQueue::kMaxPacket + 1 + nat::kAnswerHeadroom;
  /** Odd, which keeps the first lines of 32 buffers out of the same cache sets. */
  static constexpr size_t kStride = (kFront + kBytes + 64 + 63) / 64 * 64 + 192;

  static Result<PacketBuffers> open(unsigned count) {
    Result<Mapping> memory = Mapping::anonymous(kStride * count, "packet buffers");
    if (!memory) return memory.error();
    PacketBuffers buffers;
    buffers.memory_ = std::move(memory.value());
    return buffers;
  }

  /** Where a packet begins. */
  uint8_t* at(unsigned index) const {
    return reinterpret_cast<uint8_t*>(memory_.bytes().data()) + index * kStride + kFront;
  }

 private:
  Mapping memory_;
};

}  // namespace vsnat::engine
