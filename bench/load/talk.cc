// SPDX-License-Identifier: Apache-2.0
//
// talk: many connections that live long and say little. Each sends a numbered message now and then and gets it
// back; a connection is lost when it is refused, reset, closed, answers anything else, or falls silent. With
// `--every 0.5` two thousand of them are 4000 messages a second, which leaves a machine time for what is
// being tested.
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "commands.h"
#include "net.h"
#include "report.h"
#include "stop.h"

namespace vsnat::load {
namespace {

struct Message {
  uint64_t connection;
  uint64_t sequence;
};

struct Talker {
  UniqueFd fd;
  uint64_t sent = 0;
  uint64_t answered = 0;
  Message partial{};
  size_t partial_bytes = 0;
  Clock::time_point sent_at;
};

class Talk {
 public:
  Talk(size_t connections, double every, double patience)
      : talkers_(connections), every_(every), patience_(patience) {}

  uint64_t opened = 0, lost = 0, messages = 0, bad_bytes = 0;
  double longest = 0;
  Tally errors;

  void open(const Address& to) {
    for (size_t i = 0; i < talkers_.size(); ++i) {
      Talker& talker = talkers_[i];
      talker.fd = connect_tcp(to, patience_);
      if (!talker.fd) {
        lose(talker, "connect " + error_name(errno));
        continue;
      }
      ++opened;
      const int on = 1;
      setsockopt(talker.fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, talker.fd.get(), &event);
    }
  }

  /// Every connection in its turn, then a last look at who is still waiting for an answer.
  void run(double seconds) {
    const Clock::time_point start = Clock::now();
    uint64_t due_so_far = 0;
    while (!stop_asked() && seconds_since(start) < seconds) {
      const auto due = static_cast<uint64_t>(seconds_since(start) / every_ * double(talkers_.size()));
      for (; due_so_far < due; ++due_so_far) say(due_so_far % talkers_.size());
      listen(1);
    }
    const Clock::time_point last = after_seconds(patience_);
    while (waiting() > 0 && Clock::now() < last) listen(10);
    for (Talker& talker : talkers_)
      if (talker.fd && talker.answered < talker.sent) lose(talker, "silent");
  }

 private:
  [[nodiscard]] size_t waiting() const {
    return size_t(std::count_if(talkers_.begin(), talkers_.end(), [](const Talker& talker) {
      return talker.fd && talker.answered < talker.sent;
    }));
  }

  void say(size_t index) {
    Talker& talker = talkers_[index];
    if (!talker.fd) return;
    if (talker.answered < talker.sent) {  // its turn comes again; TCP has until then to mend a loss
      if (seconds_since(talker.sent_at) > patience_) lose(talker, "silent");
      return;
    }
    const Message message{index, ++talker.sent};
    talker.sent_at = Clock::now();
    if (!write_all(talker.fd.get(), &message, sizeof(message))) lose(talker, "send " + error_name(errno));
  }

  void listen(int milliseconds) {
    epoll_event events[256];
    const int ready = epoll_wait(epoll_.get(), events, 256, milliseconds);
    for (int i = 0; i < ready; ++i) hear(events[i].data.u64);
  }

  void hear(size_t index) {
    Talker& talker = talkers_[index];
    if (!talker.fd) return;
    auto* into = reinterpret_cast<std::byte*>(&talker.partial) + talker.partial_bytes;
    const ssize_t got = recv(talker.fd.get(), into, sizeof(Message) - talker.partial_bytes, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return lose(talker, "receive " + error_name(got == 0 ? 0 : errno));
    talker.partial_bytes += size_t(got);
    if (talker.partial_bytes < sizeof(Message)) return;
    talker.partial_bytes = 0;
    if (talker.partial.connection != index || talker.partial.sequence != talker.answered + 1) {
      bad_bytes += sizeof(Message);
      return lose(talker, "wrong answer");
    }
    ++talker.answered;
    ++messages;
    longest = std::max(longest, seconds_since(talker.sent_at));
  }

  void lose(Talker& talker, const std::string& why) {
    talker.fd.reset();
    ++lost;
    ++errors[why];
  }

  UniqueFd epoll_{epoll_create1(EPOLL_CLOEXEC)};
  std::vector<Talker> talkers_;
  double every_;
  double patience_;
};

/// One descriptor per connection, and the usual limit is 1024.
void raise_descriptor_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

void serve_talk(uint16_t port) {
  raise_descriptor_limit();
  std::thread([listener = bind_any(SOCK_STREAM | SOCK_NONBLOCK, port)] {
    const UniqueFd epoll{epoll_create1(EPOLL_CLOEXEC)};
    std::unordered_map<int, UniqueFd> connections;
    const auto watch = [&](int fd) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.fd = fd;
      epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event);
    };
    const auto echo = [](int fd) {
      char buffer[4096];
      const ssize_t got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) return true;
      return got > 0 && write_all(fd, buffer, size_t(got));
    };
    watch(listener.get());
    for (;;) {
      epoll_event events[256];
      const int ready = epoll_wait(epoll.get(), events, 256, -1);
      for (int i = 0; i < ready; ++i) {
        const int number = events[i].data.fd;
        if (number != listener.get()) {
          if (!echo(number)) connections.erase(number);
          continue;
        }
        UniqueFd fd{accept4(number, nullptr, nullptr, SOCK_CLOEXEC)};
        if (!fd) continue;
        const int on = 1;
        setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        watch(fd.get());
        const int key = fd.get();
        connections[key] = std::move(fd);
      }
    }
  }).detach();
}

int run_talk(Options& options) {
  const Address to = parse_address(options.required("to"));
  const uint64_t connections = options.number("connections", 1);
  const double every = options.seconds("every", 0.5);
  const double seconds = options.seconds("seconds", 60);
  const double patience = options.seconds("stall", 10);
  options.refuse_unknown();
  if (connections == 0 || every <= 0) usage_error("--connections, --every: must not be 0");

  heed_sigterm();
  raise_descriptor_limit();
  Talk talk(connections, every, patience);
  talk.open(to);
  std::fprintf(stderr, "talking\n");
  const Clock::time_point start = Clock::now();
  talk.run(seconds);

  Report report;
  report.count("connections", connections);
  report.count("opened", talk.opened);
  report.count("lost", talk.lost);
  report.count("messages", talk.messages);
  report.count("badBytes", talk.bad_bytes);
  report.number("seconds", seconds_since(start));
  report.number("longestSeconds", talk.longest);
  report.tally("errors", talk.errors);
  report.print();
  return talk.lost == 0 && talk.bad_bytes == 0 && talk.messages > 0 ? 0 : 1;
}

}  // namespace vsnat::load
