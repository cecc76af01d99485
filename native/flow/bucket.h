// SPDX-License-Identifier: Apache-2.0
//
// One cache line of the flow table's index: ten tags and, for each, the number of a record.
//
// Where a tag stands in its bucket is chance, so a loop that ends at the first match ends where no branch predictor
// expects it, and a wrong guess stops the fetching of the packets behind. match() compares all ten at once and takes no
// branch.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
#include <emmintrin.h>
#define VSNAT_MATCH_BY_SSE2 1
#endif

namespace vsnat::flow {

struct alignas(64) Bucket {
  static constexpr unsigned kSlots = 10;

  uint16_t tag[kSlots];  // 0: empty slot
  uint16_t spilled;      // flows whose home is here or before, that live further on
  uint16_t reserved;
  uint32_t index[kSlots];

  /** Bit i is set when slot i has the tag. The slow obvious one, and for processors that have nothing better. */
  uint32_t match_one_by_one(uint16_t wanted) const {
    uint32_t found = 0;
    for (unsigned i = 0; i < kSlots; ++i) {
      found |= uint32_t(__atomic_load_n(&tag[i], __ATOMIC_RELAXED) == wanted) << i;
    }
    return found;
  }

  /** The same. May be asked without the lock, for a hint: each tag is read whole, though not all at one moment. */
  uint32_t match(uint16_t wanted) const {
#ifdef VSNAT_MATCH_BY_SSE2
    const auto* lines = reinterpret_cast<const __m128i*>(this);
    const __m128i all = _mm_set1_epi16(int16_t(wanted));
    const __m128i low = _mm_cmpeq_epi16(_mm_load_si128(lines), all);
    const __m128i high = _mm_cmpeq_epi16(_mm_load_si128(lines + 1), all);  // two tags, and what follows them
    return uint32_t(_mm_movemask_epi8(_mm_packs_epi16(low, high))) & ((1u << kSlots) - 1);
#else
    return match_one_by_one(wanted);
#endif
  }
};
static_assert(sizeof(Bucket) == 64 && offsetof(Bucket, tag) == 0);

}  // namespace vsnat::flow
