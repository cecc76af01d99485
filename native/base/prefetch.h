// SPDX-License-Identifier: Apache-2.0
//
// Asking for memory ahead of its use.
//
// Not __builtin_prefetch alone: gcc 12 takes a function that does nothing else for a pure one, and removes every call of
// it that is not inlined, since nobody wants the result. The empty statement behind it costs nothing and tells the
// compiler that the call matters.
#pragma once

namespace vsnat {

/** A hint; any address may be given. */
[[gnu::always_inline]] inline void prefetch(const void* address) {
  __builtin_prefetch(address);
  asm volatile("");
}

}  // namespace vsnat
