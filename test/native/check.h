// SPDX-License-Identifier: Apache-2.0
//
// The runner of the native tests. A test is a sentence about behaviour and a body:
//
//   TEST("half a TCP header is not a packet") { CHECK_EQ(parsed(tcp4().truncate(30)), DropReason::l4_short);
//   }
//
// A failed check is printed with both values and the names of the table rows it stands in (ROW), and the test
// goes on. Randomness comes from Random(sentence), which depends on the run's seed and the sentence alone, so
// that a filtered run repeats a whole one. Ours instead of a framework: it works without exceptions and RTTI,
// as the code does.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <type_traits>

#include "base/drop_reason.h"

namespace vsnat::test {

struct Test {
  Test(const char* sentence, void (*body)());
  const char* sentence;
  void (*body)();
  Test* next = nullptr;
};

/** Runs the tests whose sentence contains one of the arguments; the process's exit code. */
int run_tests(int argc, char** argv);

/** `rounds` times VSNAT_TEST_SCALE, at least one: instrumented builds do the same for fewer rounds. */
int scaled(int rounds);

void report_failure(const char* file, int line, const std::string& what);

/** Names a table row for every failure inside its scope. */
class Row {
 public:
  explicit Row(std::string name);
  ~Row();
  Row(const Row&) = delete;
  Row& operator=(const Row&) = delete;
};

/** SplitMix64: a full-period generator in three lines; seeded by the run's seed and the sentence it serves.
 */
class Random {
 public:
  explicit Random(const char* sentence);
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  /** Uniform below `bound`, which is not zero. */
  uint32_t below(uint32_t bound) { return uint32_t((next() >> 32) * bound >> 32); }
  /** From `low` to `high`, both included. */
  uint32_t between(uint32_t low, uint32_t high) { return low + below(high - low + 1); }
  bool one_in(uint32_t n) { return below(n) == 0; }
  uint8_t byte() { return uint8_t(next() >> 56); }
  uint16_t word() { return uint16_t(next() >> 48); }

 private:
  uint64_t state_;
};

inline std::string describe(bool value) {
  return value ? "true" : "false";
}
inline std::string describe(const char* value) {
  return value ? value : "(null)";
}
inline std::string describe(const std::string& value) {
  return value;
}
inline std::string describe(DropReason reason) {
  return reason == DropReason::count ? "no drop" : std::string("drop ") + kDropReasons[size_t(reason)].name;
}
inline std::string describe_number(unsigned long long value, bool negative) {
  char text[64];
  std::snprintf(text, sizeof text, value < 10 ? "%s%llu" : "%s%llu (0x%llx)", negative ? "-" : "", value,
                value);
  return text;
}
template <class T>
requires std::is_integral_v<T> std::string describe(T value) {
  const bool negative = value < T(0);
  return describe_number(negative ? 0 - static_cast<unsigned long long>(value) : value, negative);
}
template <class T>
requires std::is_enum_v<T> std::string describe(T value) {
  return describe(uint64_t(value));
}

/** Both sides are evaluated once. False when they differ. */
template <class A, class B>
bool check_equal(const char* file, int line, const char* text, const A& got, const B& want) {
  if (got == want) return true;
  report_failure(file, line, std::string(text) + ": got " + describe(got) + ", want " + describe(want));
  return false;
}

}  // namespace vsnat::test

#define VSNAT_JOIN2(a, b) a##b
#define VSNAT_JOIN(a, b) VSNAT_JOIN2(a, b)
#define TEST(sentence)                                                                                       \
  static void VSNAT_JOIN(test_at_, __LINE__)();                                                              \
  static ::vsnat::test::Test VSNAT_JOIN(registered_at_, __LINE__)(sentence, VSNAT_JOIN(test_at_, __LINE__)); \
  static void VSNAT_JOIN(test_at_, __LINE__)()
#define ROW(name) const ::vsnat::test::Row VSNAT_JOIN(row_at_, __LINE__)(name)
#define CHECK(condition) \
  ((condition) ? true    \
               : (::vsnat::test::report_failure(__FILE__, __LINE__, #condition " does not hold"), false))
#define CHECK_EQ(got, want) ::vsnat::test::check_equal(__FILE__, __LINE__, #got, (got), (want))
