// SPDX-License-Identifier: Apache-2.0
//
// fuzz --list | [parse|step|burst|ftp] [--runs N] [--seconds N] [--seed N] [--write-corpus DIR] [FILE|DIR]...
//
// A fuzzer that needs no clang: replays the seeds and the given corpus, then mutates them for as many runs or seconds
// as asked for, without coverage feedback; without a target's name, every target in turn. On a crash the input is left in ./crash-<target>; give it as FILE to see it
// again. (entry.cc is for libFuzzer.)
#include <fcntl.h>
#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "test/fuzz/targets.h"
#include "test/native/check.h"

/** Present when a sanitizer is linked in: its reports do not come as signals. */
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace vsnat::test {
namespace {

constexpr size_t kLongestInput = 4096;

struct Target {
  const char* name;
  void (*run)(std::span<const uint8_t>);
  std::vector<Bytes> (*seeds)();
};
constexpr Target kTargets[] = {{"parse", fuzz_parse, parse_seeds},
                               {"step", fuzz_step, step_seeds},
                               {"burst", fuzz_burst, burst_seeds},
                               {"ftp", fuzz_ftp, ftp_seeds}};

const Target* target = nullptr;
Bytes current;

void save_input() {
  char path[64];
  std::snprintf(path, sizeof path, "crash-%s", target->name);
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0 || ::write(fd, current.data(), current.size()) < 0) return;
  ::close(fd);
  std::fprintf(stderr, "the input is in %s (%zu bytes)\n", path, current.size());
}

void on_signal(int number) {
  save_input();
  ::signal(number, SIG_DFL);
  ::raise(number);
}

void run(const Bytes& input) {
  current = input;
  target->run(current);
}

/** A few edits of the kinds that find parsers' mistakes: bits, boundary values, moved and missing pieces. */
Bytes mutated(Random& random, Bytes input, const std::vector<Bytes>& corpus) {
  constexpr uint16_t kBoundaries[] = {0,      1,      2,      4,      5,      7,      8,     0x0f,
                                      0x14,   0x28,   0x2c,   0x3b,   0x7f,   0x80,   0xff,  0x0100,
                                      0x1fff, 0x2000, 0x4000, 0x7fff, 0x8000, 0xfffe, 0xffff};
  for (uint32_t edits = 1 + random.below(6); edits > 0; --edits) {
    if (input.empty()) input.push_back(random.byte());
    const auto size = uint32_t(input.size());
    const uint32_t at = random.below(size);
    switch (random.below(9)) {
      case 0:
        input[at] ^= uint8_t(1 << random.below(8));
        break;
      case 1:
        input[at] = random.byte();
        break;
      case 2:
        input[at] = uint8_t(kBoundaries[random.below(std::size(kBoundaries))]);
        break;
      case 3:
        if (at + 1 < size) put16(input, at, kBoundaries[random.below(std::size(kBoundaries))]);
        break;
      case 4:
        if (at + 1 < size) put16(input, at, uint16_t(get16(input, at) + random.between(0, 16) - 8));
        break;
      case 5:
        input.erase(input.begin() + at, input.begin() + at + random.between(1, std::min(size - at, 24u)));
        break;
      case 6: {
        const Bytes piece(random.between(1, 16), random.byte());
        input.insert(input.begin() + at, piece.begin(), piece.end());
        break;
      }
      case 7: {
        const uint32_t from = random.below(size),
                       length = random.between(1, std::min(size - std::max(at, from), 32u));
        std::copy_n(Bytes(input.begin() + from, input.begin() + from + length).begin(), length,
                    input.begin() + at);
        break;
      }
      case 8: {
        const Bytes& other = corpus[random.below(uint32_t(corpus.size()))];
        if (other.empty()) break;
        const uint32_t from = random.one_in(2) ? 0 : random.below(uint32_t(other.size()));
        if (random.one_in(2)) input.resize(at);
        input.insert(input.end(), other.begin() + from, other.end());
        break;
      }
    }
  }
  if (input.size() > kLongestInput) input.resize(kLongestInput);
  return input;
}

void load(const std::filesystem::path& path, std::vector<Bytes>& corpus) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    for (const auto& file : std::filesystem::directory_iterator(path)) load(file.path(), corpus);
    return;
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "fuzz: %s: cannot be read\n", path.c_str());
    std::exit(2);
  }
  corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

struct Options {
  uint64_t runs = 0, seconds = 0, seed = 0;  // 0 runs or seconds: no such bound
  std::string write_to;
  std::vector<std::string> corpus;
};

void write_corpus(const std::filesystem::path& directory, const std::vector<Bytes>& corpus) {
  std::filesystem::create_directories(directory);
  for (size_t n = 0; n < corpus.size(); ++n) {
    std::ofstream file(directory / (std::string(target->name) + "-" + std::to_string(n)), std::ios::binary);
    file.write(reinterpret_cast<const char*>(corpus[n].data()), long(corpus[n].size()));
  }
}

void fuzz(const Options& options) {
  std::vector<Bytes> corpus = target->seeds();
  if (!options.write_to.empty()) return write_corpus(options.write_to, corpus);
  for (const std::string& path : options.corpus) load(path, corpus);
  std::printf("fuzz %s: %zu inputs, seed %llu\n", target->name, corpus.size(),
              static_cast<unsigned long long>(options.seed));
  std::fflush(stdout);
  for (const Bytes& input : corpus) run(input);

  Random random(options.seed);
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  const auto more = [&](uint64_t executed) { return options.runs == 0 || executed < options.runs; };
  uint64_t executed = 0;
  while (more(executed) && (options.seconds == 0 || elapsed() < double(options.seconds))) {
    for (int i = 0; i < 64 && more(executed); ++i, ++executed) {
      run(mutated(random, corpus[random.below(uint32_t(corpus.size()))], corpus));
    }
  }
  const double took = std::max(elapsed(), 0.001);
  std::printf("fuzz %s: %llu executions in %.1f s, %.0f a second, no rule broken\n", target->name,
              static_cast<unsigned long long>(executed), took, double(executed) / took);
  std::fflush(stdout);
}

int usage() {
  std::fprintf(
      stderr,
      "usage: fuzz --list | [parse|step|burst|ftp] [--runs N] [--seconds N] [--seed N] [--write-corpus DIR] "
      "[FILE|DIR]...\n");
  return 2;
}

int drive(int argc, char** argv) {
  const Target* only = nullptr;
  for (const Target& t : kTargets) {
    if (argc > 1 && std::strcmp(argv[1], t.name) == 0) only = &t;
  }
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) {
    for (const Target& t : kTargets) std::printf("%s\n", t.name);
    return 0;
  }
  Options options;
  if (getrandom(&options.seed, 4, 0) != 4) return 1;
  for (int i = only ? 2 : 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (!argument.starts_with("--")) {
      options.corpus.push_back(argument);
      continue;
    }
    if (++i >= argc) return usage();
    if (argument == "--runs")
      options.runs = std::strtoull(argv[i], nullptr, 0);
    else if (argument == "--seconds")
      options.seconds = std::strtoull(argv[i], nullptr, 0);
    else if (argument == "--seed")
      options.seed = std::strtoull(argv[i], nullptr, 0);
    else if (argument == "--write-corpus")
      options.write_to = argv[i];
    else
      return usage();
  }
  if (!only && !options.corpus.empty()) return usage();  // the targets' inputs are not of one kind
  if (options.runs == 0 && options.seconds == 0) options.runs = 100'000;

  for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE}) ::signal(number, on_signal);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(save_input);
  for (const Target& t : kTargets) {
    if (only && only != &t) continue;
    target = &t;
    fuzz(options);
  }
  return 0;
}

}  // namespace
}  // namespace vsnat::test

int main(int argc, char** argv) {
  return vsnat::test::drive(argc, argv);
}
