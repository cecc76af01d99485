// SPDX-License-Identifier: Apache-2.0
//
// The options of a TCP header that parse() has checked the length of. Whoever wrote them vouches for nothing: reading
// ends at the first option whose length cannot be.
#pragma once

#include "wire/packet.h"

namespace vsnat::wire {

/* RFC 2018 section 3: kind 5, length 8n + 2, then n of these. */
struct sack_block {
  be32 left, right;
};
static_assert(sizeof(sack_block) == 8 && alignof(sack_block) == 1);

/** Call `each(block)` for every SACK block of a TCP segment. */
template <class Each>
void for_each_sack_block(const PacketView& packet, Each&& each) {
  constexpr uint8_t kEnd = 0, kNop = 1, kSack = 5;
  uint8_t* at = packet.l4() + sizeof(tcp_hdr);
  uint8_t* const end = packet.l4() + packet.tcp().header_len();
  while (at < end && *at != kEnd) {
    if (*at == kNop) {
      ++at;
      continue;
    }
    if (end - at < 2 || at[1] < 2 || at[1] > end - at) return;
    if (*at == kSack) {
      for (uint8_t* block = at + 2; block + sizeof(sack_block) <= at + at[1]; block += sizeof(sack_block)) {
        each(*reinterpret_cast<sack_block*>(block));
      }
    }
    at += at[1];
  }
}

}  // namespace vsnat::wire
