// SPDX-License-Identifier: Apache-2.0
//
// The same targets for libFuzzer: clang++ -fsanitize=fuzzer -DVSNAT_FUZZ_TARGET=fuzz_step entry.cc failure.cc ...
// Not part of the build; driver.cc needs no clang.
#include "test/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vsnat::test::VSNAT_FUZZ_TARGET({data, size});
  return 0;
}
