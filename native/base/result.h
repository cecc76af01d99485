// SPDX-License-Identifier: Apache-2.0
//
// What the control path returns instead of throwing: a value, or which system call failed and how.
#pragma once

#include <cerrno>
#include <string>
#include <utility>
#include <variant>

namespace vsnat {

struct SysError {
  int error = 0;          // errno
  std::string operation;  // "open /dev/net/tun", "TUNSETIFF vsnat0"
};

template <class T>
class Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(SysError error) : state_(std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& value() { return *std::get_if<0>(&state_); }
  const SysError& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, SysError> state_;
};

}  // namespace vsnat
