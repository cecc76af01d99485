// SPDX-License-Identifier: Apache-2.0
//
// One T for each slot of a server. Slots are many more than servers, so their memory is only promised: a page comes into being
// when one of its slots first counts something.
#pragma once

#include <cstdint>
#include <utility>

#include "base/check.h"
#include "base/mapping.h"

namespace vsnat::nat {

/** All zero at first. For counters only: nothing is constructed, and nothing destroyed. */
template <class T>
class Slots {
 public:
  Slots(uint32_t slots, const char* what) {
    Result<Mapping> memory = Mapping::anonymous(slots * sizeof(T), what);
    VSNAT_CHECK(memory, "address space for counters is never short before that of the flow table is");
    memory_ = std::move(memory.value());
  }

  T& operator[](uint32_t slot) { return reinterpret_cast<T*>(memory_.bytes().data())[slot]; }
  const T& operator[](uint32_t slot) const {
    return reinterpret_cast<const T*>(memory_.bytes().data())[slot];
  }

 private:
  Mapping memory_;
};

}  // namespace vsnat::nat
