// SPDX-License-Identifier: Apache-2.0
//
// For states that cannot happen. The sentence names the invariant; the process stops rather than forward
// garbage.
#pragma once

#include <cstdio>
#include <cstdlib>

#define VSNAT_CHECK(condition, sentence)                                                    \
  do {                                                                                      \
    if (!(condition)) [[unlikely]] {                                                        \
      std::fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, (sentence), #condition); \
      std::abort();                                                                         \
    }                                                                                       \
  } while (0)
