// SPDX-License-Identifier: Apache-2.0
//
// Ending a load early without losing what it has seen: SIGTERM asks, and the load answers with its result.
#pragma once

#include <csignal>

namespace vsnat::load {

inline volatile std::sig_atomic_t g_stop_asked = 0;

/// From here on SIGTERM no longer ends the process. poll() and its kin return EINTR.
inline void heed_sigterm() {
  struct sigaction action {};
  action.sa_handler = [](int) { g_stop_asked = 1; };
  sigaction(SIGTERM, &action, nullptr);
}

inline bool stop_asked() {
  return g_stop_asked != 0;
}

}  // namespace vsnat::load
