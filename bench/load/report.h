// SPDX-License-Identifier: Apache-2.0
//
// Results: one JSON object on one line of standard output, so that scripts need no parser of ours.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace vsnat::load {

/// Counts by a short name we chose ourselves (errno names, real servers' names).
using Tally = std::map<std::string, uint64_t>;

inline void add(Tally& into, const Tally& from) {
  for (const auto& [name, count] : from) into[name] += count;
}

class Report {
 public:
  void number(const char* name, double value) {
    char text[64];
    std::snprintf(text, sizeof(text), "%.6g", value);
    field(name, text);
  }
  void count(const char* name, uint64_t value) { field(name, std::to_string(value)); }
  void tally(const char* name, const Tally& values) {
    std::string text = "{";
    for (const auto& [key, value] : values) {
      if (text.size() > 1) text += ',';
      text += quoted(key) + ':' + std::to_string(value);
    }
    field(name, text + "}");
  }
  /// Percentiles in microseconds; sorts its argument.
  void latencies(const char* name, std::vector<float>& microseconds) {
    std::sort(microseconds.begin(), microseconds.end());
    const auto at = [&](double share) {
      if (microseconds.empty()) return 0.0;
      return double(microseconds[size_t(share * double(microseconds.size() - 1))]);
    };
    char text[160];
    std::snprintf(text, sizeof(text), R"({"p50":%.1f,"p90":%.1f,"p99":%.1f,"p999":%.1f,"max":%.1f})", at(0.5),
                  at(0.9), at(0.99), at(0.999), at(1));
    field(name, text);
  }
  void print() const {
    std::printf("{%s}\n", body_.c_str());
    std::fflush(stdout);
  }

 private:
  static std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text)
      if (c >= ' ' && c != '"' && c != '\\') out += c;
    return out + '"';
  }
  void field(const char* name, const std::string& value) {
    if (!body_.empty()) body_ += ',';
    body_ += quoted(name) + ':' + value;
  }
  std::string body_;
};

}  // namespace vsnat::load
