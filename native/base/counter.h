// SPDX-License-Identifier: Apache-2.0
//
// A counter with one writer thread and any number of readers: a plain add for the writer (no lock prefix),
// never a torn value for the reader. Workers each have their own; the control thread adds them up when
// somebody asks.
#pragma once

#include <atomic>
#include <cstdint>

namespace vsnat {

class Counter {
 public:
  [[gnu::always_inline]] void add(uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  uint64_t read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace vsnat
