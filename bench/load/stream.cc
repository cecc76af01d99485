// SPDX-License-Identifier: Apache-2.0
//
// stream: bulk TCP in either or both directions on N connections, every byte compared with what was meant.
//
// On the wire: the client sends a Hello, then its stream if it uploads; the server sends its stream if the
// client downloads, then a Verdict on what it received. Both ends of one connection run on the same machine
// or at least the same architecture, so structs travel as they lie in memory.
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "commands.h"
#include "net.h"
#include "pattern.h"
#include "report.h"

namespace vsnat::load {
namespace {

constexpr uint64_t kMagic = 0x76736e61746c6f61;  // "vsnatloa"
constexpr uint64_t kForEver = uint64_t{1} << 62;
constexpr uint32_t kUp = 1;
constexpr uint32_t kDown = 2;

struct Hello {
  uint64_t magic;
  uint64_t seed;
  uint64_t bytes;
  double seconds;
  double stall_s;
  uint32_t directions;
  uint32_t verify;
};

struct Verdict {
  uint64_t bytes = 0;
  uint64_t bad_bytes = 0;
  uint64_t first_bad = 0;  // offset; meaningful when bad_bytes is not 0
  int64_t error = 0;       // errno of the side that failed
  uint64_t sent = 0;       // by the server, to compare with what the client received
};

/// Sends until `bytes` or the deadline; at least one mark.
Verdict send_stream(int fd, const Hello& hello, uint64_t seed) {
  Verdict sent;
  auto block = std::make_unique<Block>();
  const Clock::time_point deadline = after_seconds(hello.seconds);
  for (uint64_t number = 0;; ++number) {
    const uint64_t left = hello.bytes - sent.bytes;
    Mark mark{std::min<uint64_t>(left, kBlockBytes), left <= kBlockBytes || Clock::now() >= deadline};
    mark.length = std::max<uint64_t>(mark.length, kMarkBytes);
    if (hello.verify != 0) {
      fill_block(seed, number, *block);
    } else {
      (*block)[0] = 0;  // zeros all through: the yardstick measures the path, not this program
    }
    set_mark(*block, mark);
    if (!write_all(fd, block->data(), mark.length)) {
      sent.error = errno == 0 ? EPIPE : errno;
      return sent;
    }
    sent.bytes += mark.length;
    if (mark.last) return sent;
  }
}

void compare(const Block& expected, const std::byte* received, size_t length, uint64_t offset,
             Verdict& verdict) {
  const auto* want = reinterpret_cast<const std::byte*>(expected.data());
  if (std::memcmp(want, received, length) == 0) return;
  for (size_t i = 0; i < length; ++i) {
    if (want[i] == received[i]) continue;
    if (verdict.bad_bytes++ == 0) verdict.first_bad = offset + i;
  }
}

Verdict receive_stream(int fd, const Hello& hello, uint64_t seed) {
  Verdict verdict;
  auto expected = std::make_unique<Block>();
  auto buffer = std::make_unique<std::array<std::byte, kBlockBytes>>();
  for (uint64_t number = 0;; ++number) {
    if (hello.verify != 0) fill_block(seed, number, *expected);
    if (!read_all(fd, buffer->data(), kMarkBytes)) break;
    const Mark mark = read_mark(*expected, buffer->data());
    if (!mark.sane()) {  // damaged: report where, and make no sense of what follows
      if (verdict.bad_bytes++ == 0) verdict.first_bad = verdict.bytes;
      verdict.error = EBADMSG;
      return verdict;
    }
    if (!read_all(fd, buffer->data() + kMarkBytes, mark.length - kMarkBytes)) break;
    if (hello.verify != 0) {
      set_mark(*expected, mark);
      compare(*expected, buffer->data(), mark.length, verdict.bytes, verdict);
    }
    verdict.bytes += mark.length;
    if (mark.last) return verdict;
  }
  verdict.error = errno == 0 ? ECONNABORTED : errno;  // the peer closed in the middle of its stream
  return verdict;
}

/// The two directions of a connection use different streams, so that a reflected packet does not pass as a
/// reply.
uint64_t upload_seed(const Hello& hello) {
  return hello.seed * 2;
}
uint64_t download_seed(const Hello& hello) {
  return hello.seed * 2 + 1;
}

void serve_connection(UniqueFd fd) {
  set_stall_limit(fd.get(), 30);
  Hello hello{};
  if (!read_all(fd.get(), &hello, sizeof(hello)) || hello.magic != kMagic) return;
  set_stall_limit(fd.get(), hello.stall_s);
  std::thread sender;
  Verdict sent;
  if ((hello.directions & kDown) != 0) {
    sender = std::thread([&] { sent = send_stream(fd.get(), hello, download_seed(hello)); });
  }
  Verdict verdict;
  if ((hello.directions & kUp) != 0) verdict = receive_stream(fd.get(), hello, upload_seed(hello));
  if (sender.joinable()) sender.join();
  verdict.sent = sent.bytes;
  write_all(fd.get(), &verdict, sizeof(verdict));
}

struct Outcome {
  Verdict sent;
  Verdict received;  // by us
  Verdict remote;    // by the server
  std::string error;
};

Outcome run_one(const Address& to, const Hello& hello) {
  Outcome outcome;
  const UniqueFd fd = connect_tcp(to, hello.stall_s);
  if (!fd) {
    outcome.error = "connect " + error_name(errno);
    return outcome;
  }
  if (!write_all(fd.get(), &hello, sizeof(hello))) {
    outcome.error = "hello " + error_name(errno);
    return outcome;
  }
  std::thread sender;
  if ((hello.directions & kUp) != 0) {
    sender = std::thread([&] { outcome.sent = send_stream(fd.get(), hello, upload_seed(hello)); });
  }
  if ((hello.directions & kDown) != 0)
    outcome.received = receive_stream(fd.get(), hello, download_seed(hello));
  if (sender.joinable()) sender.join();
  if (outcome.sent.error != 0) outcome.error = "send " + error_name(static_cast<int>(outcome.sent.error));
  if (outcome.received.error != 0)
    outcome.error = "receive " + error_name(static_cast<int>(outcome.received.error));
  if (!outcome.error.empty()) return outcome;
  if (!read_all(fd.get(), &outcome.remote, sizeof(outcome.remote))) {
    outcome.error = "verdict " + error_name(errno);
  } else if (outcome.remote.error != 0) {
    outcome.error = "server " + error_name(static_cast<int>(outcome.remote.error));
  } else if (outcome.remote.bytes != outcome.sent.bytes || outcome.remote.sent != outcome.received.bytes) {
    outcome.error = "length";
  }
  return outcome;
}

}  // namespace

void serve_stream(uint16_t port) {
  std::thread([listener = bind_any(SOCK_STREAM, port)] {
    for (;;) {
      UniqueFd fd{accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
      if (!fd) continue;
      const int on = 1;
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      std::thread(serve_connection, std::move(fd)).detach();
    }
  }).detach();
}

int run_stream(Options& options) {
  const Address to = parse_address(options.required("to"));
  const uint64_t streams = options.number("streams", 1);
  const std::string direction = options.text("direction", "down");
  Hello hello{};
  hello.magic = kMagic;
  hello.seed = options.number("seed", 1);
  hello.bytes = options.number("bytes", kForEver);
  hello.seconds = options.seconds("seconds", 60);
  hello.stall_s = options.seconds("stall", 10);
  hello.verify = options.text("verify", "yes") == "yes";
  hello.directions = direction == "up"     ? kUp
                     : direction == "down" ? kDown
                     : direction == "both" ? kUp | kDown
                                           : 0;
  options.refuse_unknown();
  if (hello.directions == 0) usage_error("--direction: must be up, down or both, got " + direction);

  std::vector<Outcome> outcomes(streams);
  std::vector<std::thread> threads;
  const Clock::time_point start = Clock::now();
  for (uint64_t i = 0; i < streams; ++i) {
    Hello mine = hello;
    mine.seed = hello.seed + i * 1'000'003;
    threads.emplace_back([&outcomes, &to, mine, i] { outcomes[i] = run_one(to, mine); });
  }
  for (std::thread& thread : threads) thread.join();
  const double elapsed = seconds_since(start);

  uint64_t up = 0, down = 0, sent = 0, bad = 0, failed = 0;
  Tally errors;
  for (const Outcome& outcome : outcomes) {
    up += outcome.remote.bytes;
    down += outcome.received.bytes;
    sent += outcome.remote.sent;
    bad += outcome.remote.bad_bytes + outcome.received.bad_bytes;
    if (!outcome.error.empty()) {
      ++failed;
      ++errors[outcome.error];
    }
  }
  Report report;
  report.count("streams", streams);
  report.count("failed", failed);
  report.count("bytesUp", up);
  report.count("bytesDown", down);
  report.count("bytesSentByServer", sent);
  report.count("badBytes", bad);
  if (bad > 0) {
    uint64_t first = ~uint64_t{0};
    for (const Outcome& outcome : outcomes)
      for (const Verdict* verdict : {&outcome.remote, &outcome.received})
        if (verdict->bad_bytes > 0) first = std::min(first, verdict->first_bad);
    report.count("firstBad", first);
  }
  report.number("seconds", elapsed);
  report.number("gbitPerSecond", static_cast<double>(up + down) * 8 / elapsed / 1e9);
  report.tally("errors", errors);
  report.print();
  return failed == 0 && bad == 0 ? 0 : 1;
}

}  // namespace vsnat::load
