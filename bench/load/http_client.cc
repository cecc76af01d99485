// SPDX-License-Identifier: Apache-2.0
//
// http: requests per second, and which real server answered each. `keepalive` puts requests on connections
// that stay open; `connect` makes a connection per request, waits for the answer and for the server's close.
// Closed loop: each of N connections has one request in flight; latency runs from connect() or send() to the
// last byte. SIGTERM ends it early.
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "commands.h"
#include "net.h"
#include "report.h"
#include "stop.h"

namespace vsnat::load {
namespace {

struct Plan {
  Address to;
  bool connection_each = false;
  Clock::time_point stop_at;
  std::chrono::duration<double> timeout;
  std::string request;
};

struct Totals {
  uint64_t answered = 0;
  uint64_t failed = 0;
  Tally by_server;
  Tally errors;
  std::vector<float> microseconds;
};

/// One thread's connections, each a little state machine driven by epoll.
class Client {
 public:
  static constexpr auto kCheckEvery = std::chrono::milliseconds(100);

  Client(const Plan& plan, size_t connections, std::atomic<int64_t>& budget)
      : plan_(plan), slots_(connections), budget_(budget) {}

  Totals run() {
    for (size_t i = 0; i < slots_.size(); ++i) next(i);
    epoll_event events[256];
    Clock::time_point next_check = Clock::now() + kCheckEvery;
    while (running_ > 0) {
      const int ready = epoll_wait(epoll_.get(), events, 256, 100);
      for (int i = 0; i < ready; ++i) advance(events[i].data.u64, events[i].events);
      if (Clock::now() < next_check) continue;
      next_check = Clock::now() + kCheckEvery;
      for (size_t i = 0; i < slots_.size(); ++i) check(i);
    }
    return std::move(totals_);
  }

 private:
  // resting: a request failed; the next one waits for the next check, so that a refusing port makes no busy loop.
  enum class Phase { done, connecting, waiting, closing, resting };

  struct Slot {
    UniqueFd fd;
    Phase phase = Phase::done;
    Clock::time_point started;
    std::string input;
  };

  /// Starts the slot's next request, or ends the slot when the count or the time is used up.
  void next(size_t index) {
    Slot& slot = slots_[index];
    if (slot.phase == Phase::done) ++running_;
    if (plan_.connection_each) slot.fd.reset();
    if (stop_asked() || Clock::now() >= plan_.stop_at || budget_.fetch_sub(1) <= 0) {
      slot.fd.reset();
      slot.phase = Phase::done;
      --running_;
      return;
    }
    slot.input.clear();
    slot.started = Clock::now();
    if (slot.fd) {
      send_request(index);
    } else {
      open(index);
    }
  }

  void check(size_t index) {
    const Slot& slot = slots_[index];
    if (slot.phase == Phase::resting) return next(index);
    if (slot.phase != Phase::done && Clock::now() - slot.started > plan_.timeout) fail(index, "timeout");
  }

  void open(size_t index) {
    Slot& slot = slots_[index];
    slot.phase = Phase::connecting;
    slot.fd = UniqueFd{socket(plan_.to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    const int on = 1;
    setsockopt(slot.fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.u64 = index;
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, slot.fd.get(), &event);
    if (connect(slot.fd.get(), plan_.to.raw(), plan_.to.length) != 0 && errno != EINPROGRESS) {
      fail(index, error_name(errno));
    }
  }

  void send_request(size_t index) {
    slots_[index].phase = Phase::waiting;
    if (!write_all(slots_[index].fd.get(), plan_.request.data(), plan_.request.size()))
      fail(index, error_name(errno));
  }

  void advance(size_t index, uint32_t happened) {
    Slot& slot = slots_[index];
    if (slot.phase == Phase::done || slot.phase == Phase::resting) return;
    if (slot.phase == Phase::connecting) {
      if ((happened & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
      int error = 0;
      socklen_t length = sizeof(error);
      getsockopt(slot.fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
      if (error != 0) return fail(index, error_name(error));
      return send_request(index);
    }
    receive(index);
  }

  void receive(size_t index) {
    Slot& slot = slots_[index];
    char buffer[4096];
    for (;;) {
      const ssize_t got = recv(slot.fd.get(), buffer, sizeof(buffer), 0);
      if (got < 0 && errno == EAGAIN) return;
      if (got < 0) return fail(index, error_name(errno));
      if (got == 0) return slot.phase == Phase::closing ? succeed(index) : fail(index, "closed");
      if (slot.phase == Phase::closing) return fail(index, "surplus");
      slot.input.append(buffer, static_cast<size_t>(got));
      if (!whole(slot.input)) continue;
      if (!plan_.connection_each) return succeed(index);
      slot.phase = Phase::closing;
    }
  }

  static bool whole(const std::string& input) {
    const size_t head = input.find("\r\n\r\n");
    if (head == std::string::npos) return false;
    const size_t length = input.find("Content-Length: ");
    if (length == std::string::npos || length > head) return false;
    return input.size() >= head + 4 + std::strtoul(input.c_str() + length + 16, nullptr, 10);
  }

  void succeed(size_t index) {
    Slot& slot = slots_[index];
    if (slot.input.compare(0, 12, "HTTP/1.1 200") != 0) return fail(index, "status");
    const size_t body = slot.input.find("\r\n\r\n") + 4;
    ++totals_.answered;
    ++totals_.by_server[slot.input.substr(body, slot.input.find_first_of(" \n", body) - body)];
    totals_.microseconds.push_back(static_cast<float>(seconds_since(slot.started) * 1e6));
    next(index);
  }

  void fail(size_t index, const std::string& why) {
    ++totals_.failed;
    ++totals_.errors[why];
    slots_[index].fd.reset();
    slots_[index].phase = Phase::resting;
  }

  const Plan& plan_;
  UniqueFd epoll_{epoll_create1(EPOLL_CLOEXEC)};
  std::vector<Slot> slots_;
  std::atomic<int64_t>& budget_;
  size_t running_ = 0;
  Totals totals_;
};

}  // namespace

int run_http(Options& options) {
  Plan plan;
  const std::string to = options.required("to");
  plan.to = parse_address(to);
  const std::string mode = options.text("mode", "keepalive");
  const uint64_t connections = options.number("connections", 1);
  const uint64_t threads = options.number("threads", 1);
  std::atomic<int64_t> budget{static_cast<int64_t>(options.number("requests", uint64_t{1} << 62))};
  const double seconds = options.seconds("seconds", 60);
  plan.timeout = std::chrono::duration<double>(options.seconds("timeout", 5));
  options.refuse_unknown();
  if (mode != "keepalive" && mode != "connect")
    usage_error("--mode: must be keepalive or connect, got " + mode);
  if (connections < threads || threads == 0)
    usage_error("--connections: must be at least --threads, and not 0");
  plan.connection_each = mode == "connect";
  plan.request =
      "GET / HTTP/1.1\r\nHost: " + to + (plan.connection_each ? "\r\nConnection: close" : "") + "\r\n\r\n";
  plan.stop_at = after_seconds(seconds);
  heed_sigterm();

  std::vector<Totals> parts(threads);
  std::vector<std::thread> running;
  const Clock::time_point start = Clock::now();
  for (uint64_t i = 0; i < threads; ++i) {
    const uint64_t share = connections / threads + (i < connections % threads ? 1 : 0);
    running.emplace_back([&, i, share] { parts[i] = Client(plan, share, budget).run(); });
  }
  for (std::thread& thread : running) thread.join();
  const double elapsed = seconds_since(start);

  Totals all;
  for (Totals& part : parts) {
    all.answered += part.answered;
    all.failed += part.failed;
    add(all.by_server, part.by_server);
    add(all.errors, part.errors);
    all.microseconds.insert(all.microseconds.end(), part.microseconds.begin(), part.microseconds.end());
  }
  Report report;
  report.count("answered", all.answered);
  report.count("failed", all.failed);
  report.number("seconds", elapsed);
  report.number("perSecond", static_cast<double>(all.answered) / elapsed);
  report.latencies("microseconds", all.microseconds);
  report.tally("byServer", all.by_server);
  report.tally("errors", all.errors);
  report.print();
  return all.failed == 0 && all.answered > 0 ? 0 : 1;
}

}  // namespace vsnat::load
