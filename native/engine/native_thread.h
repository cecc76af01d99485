// SPDX-License-Identifier: Apache-2.0
//
// How every thread of the engine begins: with all signals blocked (libuv's threads want them), and with a name.
#pragma once

#include <pthread.h>
#include <signal.h>

#include "base/result.h"

namespace vsnat::engine {

/** Fails where the process may have no more threads. `name` has at most 15 characters. */
inline Result<bool> start_thread(pthread_t& thread, const char* name, void* self, void* (*body)(void*)) {
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = ::pthread_create(&thread, nullptr, body, self);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) return SysError{error, "pthread_create"};
  ::pthread_setname_np(thread, name);
  return true;
}

}  // namespace vsnat::engine
