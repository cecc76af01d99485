// SPDX-License-Identifier: Apache-2.0
//
// `--name value` pairs, and nothing else: every option of this tool has a value, so a typo is found by name.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace vsnat::load {

class Options {
 public:
  /// Reads argv[first..]. Ends the process with exit code 2 when the pairs do not match up.
  Options(int argc, char** argv, int first);

  [[nodiscard]] std::string text(const std::string& name, const std::string& fallback);
  [[nodiscard]] std::string required(const std::string& name);
  [[nodiscard]] uint64_t number(const std::string& name, uint64_t fallback);
  [[nodiscard]] double seconds(const std::string& name, double fallback);

  /// Call after the last lookup: an option nobody asked for is a mistake, not a wish.
  void refuse_unknown() const;

 private:
  struct Value {
    std::string text;
    bool used = false;
  };
  std::map<std::string, Value> values_;
};

/// One line on standard error and exit code 2.
[[noreturn]] void usage_error(const std::string& sentence);

}  // namespace vsnat::load
