// SPDX-License-Identifier: Apache-2.0
#include "bench/micro/clients.h"

#include <algorithm>
#include <cmath>

#include "base/prng.h"

namespace vsnat::bench {
namespace {

double uniform(Prng& prng) {
  return double(prng.next() >> 11) * 0x1p-53;
}

/**
 * Zipf's law with exponent 1 by rejection-inversion (Hörmann, Derflinger 1996): no table of ten million sums, and nearly
 * every draw is accepted at once. The hat of 1/x has the integral log x.
 */
class Zipf {
 public:
  explicit Zipf(uint32_t ranks) : ranks_(ranks), right_(std::log(ranks + 0.5)) {}

  /** 1 .. ranks. */
  uint32_t draw(Prng& prng) const {
    for (;;) {
      const double u = right_ + uniform(prng) * (kLeft - right_);
      const double x = std::exp(u);
      const double rank = std::clamp(std::round(x), 1.0, double(ranks_));
      if (rank - x <= kSure || u >= std::log(rank + 0.5) - 1 / rank) return uint32_t(rank);
    }
  }

 private:
  static inline const double kLeft = std::log(1.5) - 1;
  static inline const double kSure = 2 - std::exp(std::log(2.5) - 0.5);
  uint32_t ranks_;
  double right_;
};

}  // namespace

std::vector<uint32_t> drawn(uint32_t flows, Popularity popularity, uint32_t length, uint64_t seed) {
  Prng prng{seed};
  const Zipf zipf{flows};
  std::vector<uint32_t> sequence(length);
  for (uint32_t& flow : sequence) {
    flow = popularity == Popularity::uniform ? uint32_t(prng.below(flows))
                                             : scattered(zipf.draw(prng) - 1, flows);
  }
  return sequence;
}

}  // namespace vsnat::bench
