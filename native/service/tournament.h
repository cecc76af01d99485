// SPDX-License-Identifier: Apache-2.0
//
// Who has the least cost by weight, kept while costs change. The places of an order are the leaves of a binary tree, and
// each node above holds the better of its two children. Of equals the one to the left wins, so the root is whom a walk in
// that order would have found; and a change touches at most one node of each level, where the walk looks at everybody.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace vsnat::service {

class Tournament {
 public:
  /** `cost` by `weight`. Weight 0 is nobody: 1/0, which everybody is better than. */
  struct Entry {
    uint64_t cost = 1;
    uint32_t weight = 0;
    uint32_t place = 0;

    bool operator==(const Entry&) const = default;
  };

  explicit Tournament(size_t places) : leaves_(uint32_t(std::bit_ceil(places | 1))), nodes_(leaves_ * 2) {}

  /** A new entry at its place, and all that follows from it. */
  void put(const Entry& entry) {
    uint32_t i = leaves_ + entry.place;
    Entry winner = nodes_[i] = entry;
    for (; i > 1; i /= 2) {
      winner = better(winner, nodes_[i ^ 1u], i % 2 == 1);
      if (nodes_[i / 2] == winner) return;
      nodes_[i / 2] = winner;
    }
  }
  /** The same for many: put_later() each, then settle(). */
  void put_later(const Entry& entry) { nodes_[leaves_ + entry.place] = entry; }
  void settle() {
    for (uint32_t i = leaves_; --i > 0;) nodes_[i] = better(nodes_[i * 2], nodes_[i * 2 + 1], false);
  }

  const Entry& best() const { return nodes_[1]; }

 private:
  /** Of products that 64 bits do not hold. */
  __extension__ using Product = unsigned __int128;

  /** At a tie the first, or the other where that one stands to the left. No branch: nobody could predict it. */
  static Entry better(const Entry& first, const Entry& other, bool other_is_left) {
    const Product cost = Product(first.cost) * other.weight, others = Product(other.cost) * first.weight;
    const bool loses = cost + other_is_left > others;
    return {loses ? other.cost : first.cost, loses ? other.weight : first.weight,
            loses ? other.place : first.place};
  }

  uint32_t leaves_;
  std::vector<Entry> nodes_;  // the root at 1, the children of i at 2i and 2i + 1
};

}  // namespace vsnat::service
