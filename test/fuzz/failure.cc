// SPDX-License-Identifier: Apache-2.0
//
// Under a fuzzer the first broken rule ends the process; the input is what is wanted.
#include <cstdio>
#include <cstdlib>

#include "test/native/check.h"

namespace vsnat::test {

void report_failure(const char* file, int line, const std::string& what) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
  std::abort();
}

}  // namespace vsnat::test
