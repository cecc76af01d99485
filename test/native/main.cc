// SPDX-License-Identifier: Apache-2.0
//
// native_tests [--seed N] [--list] [part of a sentence]...
// The seed may also come from VSNAT_SEED; without one every run explores something else and prints how to
// repeat it.
#include <sys/random.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "test/native/check.h"

namespace vsnat::test {
namespace {

constexpr unsigned kFailuresShown = 12;  // of one test; a broken table says enough with its first rows

// Both are filled by static constructors of other files, so they must not be objects with constructors
// themselves.
Test* first_test = nullptr;
Test** end_of_tests = &first_test;

uint64_t run_seed = 0;
unsigned failures_of_this_test = 0;
std::vector<std::string>& rows() {
  static std::vector<std::string> names;
  return names;
}

uint64_t fresh_seed() {
  uint32_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed) std::abort();
  return seed;
}

bool wanted(const char* sentence, const std::vector<const char*>& filters) {
  if (filters.empty()) return true;
  for (const char* filter : filters) {
    if (std::strstr(sentence, filter) != nullptr) return true;
  }
  return false;
}

}  // namespace

Test::Test(const char* s, void (*b)()) : sentence(s), body(b) {
  *end_of_tests = this;
  end_of_tests = &next;
}

Row::Row(std::string name) {
  rows().push_back(std::move(name));
}
Row::~Row() {
  rows().pop_back();
}

Random::Random(const char* sentence) : state_(run_seed) {
  for (const char* c = sentence; *c != 0; ++c) state_ = state_ * 0x100000001b3 ^ uint8_t(*c);
}

int scaled(int rounds) {
  const char* text = std::getenv("VSNAT_TEST_SCALE");
  const double scale = text ? std::strtod(text, nullptr) : 1;
  return scale > 0 && scale < 1 ? std::max(1, int(rounds * scale)) : rounds;
}

void report_failure(const char* file, int line, const std::string& what) {
  if (++failures_of_this_test > kFailuresShown) return;
  std::string where;
  for (const std::string& name : rows()) where += name + ": ";
  std::printf("  %s:%d: %s%s\n", file, line, where.c_str(), what.c_str());
}

int run_tests(int argc, char** argv) {
  const char* seed_text = std::getenv("VSNAT_SEED");
  std::vector<const char*> filters;
  bool list = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
      seed_text = argv[++i];
    } else if (std::strcmp(argv[i], "--list") == 0) {
      list = true;
    } else {
      filters.push_back(argv[i]);
    }
  }
  run_seed = seed_text ? std::strtoull(seed_text, nullptr, 0) : fresh_seed();
  std::printf("seed %llu (repeat with --seed)\n", static_cast<unsigned long long>(run_seed));

  unsigned passed = 0, failed = 0;
  for (const Test* test = first_test; test != nullptr; test = test->next) {
    if (!wanted(test->sentence, filters)) continue;
    if (list) {
      std::printf("%s\n", test->sentence);
      continue;
    }
    failures_of_this_test = 0;
    const auto begin = std::chrono::steady_clock::now();
    test->body();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    const bool ok = failures_of_this_test == 0;
    ++(ok ? passed : failed);
    std::printf("%s %s", ok ? "ok  " : "FAIL", test->sentence);
    if (took.count() >= 0.5) std::printf(" (%.1f s)", took.count());
    if (!ok) std::printf(": %u failed checks", failures_of_this_test);
    std::printf("\n");
    std::fflush(stdout);
  }
  if (list) return 0;
  std::printf("native: %u passed, %u failed\n", passed, failed);
  if (passed + failed == 0) std::printf("native: no test ran, which is a failure\n");
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace vsnat::test

int main(int argc, char** argv) {
  return vsnat::test::run_tests(argc, argv);
}
