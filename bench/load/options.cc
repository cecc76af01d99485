// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <cstdio>
#include <cstdlib>

namespace vsnat::load {

void usage_error(const std::string& sentence) {
  std::fprintf(stderr, "vsnat-load: %s\n", sentence.c_str());
  std::exit(2);
}

Options::Options(int argc, char** argv, int first) {
  for (int i = first; i < argc; i += 2) {
    const std::string name = argv[i];
    if (name.size() < 3 || name.compare(0, 2, "--") != 0) usage_error("expected --option, got " + name);
    if (i + 1 == argc) usage_error(name + ": a value is missing");
    values_[name.substr(2)] = {argv[i + 1], false};
  }
}

std::string Options::text(const std::string& name, const std::string& fallback) {
  const auto found = values_.find(name);
  if (found == values_.end()) return fallback;
  found->second.used = true;
  return found->second.text;
}

std::string Options::required(const std::string& name) {
  std::string value = text(name, "");
  if (value.empty()) usage_error("--" + name + " is required");
  return value;
}

uint64_t Options::number(const std::string& name, uint64_t fallback) {
  const std::string value = text(name, "");
  if (value.empty()) return fallback;
  char* end = nullptr;
  const uint64_t parsed = std::strtoull(value.c_str(), &end, 10);
  if (*end != '\0') usage_error("--" + name + ": must be a whole number, got " + value);
  return parsed;
}

double Options::seconds(const std::string& name, double fallback) {
  const std::string value = text(name, "");
  if (value.empty()) return fallback;
  char* end = nullptr;
  const double parsed = std::strtod(value.c_str(), &end);
  if (*end != '\0' || parsed <= 0) usage_error("--" + name + ": must be seconds above zero, got " + value);
  return parsed;
}

void Options::refuse_unknown() const {
  for (const auto& [name, value] : values_)
    if (!value.used) usage_error("--" + name + ": no such option for this command");
}

}  // namespace vsnat::load
