// SPDX-License-Identifier: Apache-2.0
//
// Sums of weights along an order, kept while weights change: whom a random draw means is found in as many steps as the
// tree has levels.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace vsnat::service {

class WeightSums {
 public:
  explicit WeightSums(size_t places) : leaves_(uint32_t(std::bit_ceil(places | 1))), nodes_(leaves_ * 2) {}

  void put(uint32_t place, uint32_t weight) {
    const uint64_t before = nodes_[leaves_ + place];
    if (before == weight) return;
    for (uint32_t i = leaves_ + place; i > 0; i /= 2) nodes_[i] += weight - before;
  }

  uint64_t total() const { return nodes_[1]; }

  /** The first place at which the weights so far exceed `drawn`, which is below their total. */
  uint32_t at(uint64_t drawn) const {
    uint32_t i = 1;
    while (i < leaves_) {
      i *= 2;
      if (drawn < nodes_[i]) continue;
      drawn -= nodes_[i];
      ++i;
    }
    return i - leaves_;
  }
  /** The sum of the weights before this place. */
  uint64_t before(uint32_t place) const {
    uint64_t sum = 0;
    for (uint32_t i = leaves_ + place; i > 1; i /= 2) {
      if (i % 2 == 1) sum += nodes_[i - 1];
    }
    return sum;
  }

 private:
  uint32_t leaves_;
  std::vector<uint64_t> nodes_;  // the root at 1, the children of i at 2i and 2i + 1
};

}  // namespace vsnat::service
