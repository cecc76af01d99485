// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <utility>

#include "base/result.h"

namespace vsnat {

/** Anonymous zeroed memory, page-aligned; pages come into being as they are touched. */
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept
      : address_(std::exchange(other.address_, nullptr)), length_(std::exchange(other.length_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(address_, other.address_);
    std::swap(length_, other.length_);
    return *this;
  }
  ~Mapping() {
    if (address_) ::munmap(address_, length_);
  }

  static Result<Mapping> anonymous(size_t length, const char* what) {
    Mapping mapping;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* address = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (address == MAP_FAILED) return SysError{errno, std::string("mmap of ") + what};
    mapping.address_ = address;
    mapping.length_ = length;
    return mapping;
  }

  /** Memory that `fd` shares with us, from `offset` on. */
  static Result<Mapping> shared(int fd, off_t offset, size_t length, const char* what) {
    void* address = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);
    if (address == MAP_FAILED) return SysError{errno, std::string("mmap of ") + what};
    Mapping mapping;
    mapping.address_ = address;
    mapping.length_ = length;
    return mapping;
  }

  /** Fewer TLB misses for memory that is read at random; a hint the kernel may ignore. */
  void prefer_huge_pages() { ::madvise(address_, length_, MADV_HUGEPAGE); }

  std::span<std::byte> bytes() const { return {static_cast<std::byte*>(address_), length_}; }

 private:
  void* address_ = nullptr;
  size_t length_ = 0;
};

}  // namespace vsnat
