// SPDX-License-Identifier: Apache-2.0
//
// Single values on their way to JavaScript and back.
#pragma once

#include <napi.h>

#include <cstdint>

namespace vsnat::binding {

inline Napi::Value number(Napi::Env env, uint64_t value) {
  return Napi::Number::New(env, double(value));
}

/** The argument as a slot below `slots`, or `slots`. */
inline uint32_t slot_of(Napi::Value value, uint32_t slots) {
  const double n = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  return n >= 0 && n < slots ? uint32_t(n) : slots;
}

}  // namespace vsnat::binding
