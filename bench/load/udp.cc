// SPDX-License-Identifier: Apache-2.0
//
// udp: numbered datagrams to an echo server from many source ports; what is lost, doubled, out of order or
// damaged is counted, and which real server answered. Sockets are connected, so an answer from any address
// but the VIP is not seen here and counts as lost. `--segments` sends that many datagrams as one UDP_SEGMENT
// superpacket. `--rate` holds it to so many datagrams a second, and SIGTERM ends it early.
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
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

constexpr uint32_t kMagic = 0x76736e75;
constexpr size_t kLargestDatagram = 65507;

struct Header {
  uint32_t magic;
  uint32_t source;
  uint64_t sequence;
  char server[16];  // empty on the way there, the real server's name on the way back
};
constexpr size_t kLeastSize = sizeof(Header);

void fill(std::vector<std::byte>& datagram, uint32_t source, uint64_t sequence) {
  for (size_t i = kLeastSize; i < datagram.size(); ++i) {
    datagram[i] = static_cast<std::byte>(sequence * 31 + source * 7 + i * 13);
  }
  Header header{kMagic, source, sequence, {}};
  std::memcpy(datagram.data(), &header, sizeof(header));
}

struct Source {
  UniqueFd fd;
  uint64_t sent = 0;
  uint64_t highest = 0;  // sequence numbers start at 1
  std::vector<bool> seen;
};

class Run {
 public:
  Run(uint64_t sources, uint64_t datagrams, size_t size, uint64_t segments, double rate)
      : datagrams_(datagrams), segments_(segments), rate_(rate), datagram_(size), sources_(sources) {}

  uint64_t sent = 0, received = 0, duplicated = 0, reordered = 0, corrupted = 0;
  Tally by_server, errors;

  bool open(const Address& to) {
    for (Source& source : sources_) {
      source.fd = UniqueFd{socket(to.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
      const int size = 4 << 20;
      setsockopt(source.fd.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
      if (!source.fd || connect(source.fd.get(), to.raw(), to.length) != 0) return false;
      polled_.push_back({source.fd.get(), POLLIN, 0});
    }
    return true;
  }

  /// Keeps at most `window` datagrams in flight over all sources; gives the last ones a second to come back.
  void exchange(uint64_t window, double seconds) {
    const Clock::time_point start = Clock::now();
    const Clock::time_point deadline = after_seconds(seconds);
    Clock::time_point last_answer = start;
    size_t turn = 0;
    uint64_t given_up = 0;  // no longer waited for; still counted when they come late
    while (Clock::now() < deadline) {
      const uint64_t wanted = stop_asked() ? sent : datagrams_ * sources_.size();
      const uint64_t due = rate_ == 0 ? wanted : std::min(wanted, uint64_t(seconds_since(start) * rate_));
      while (sent < due && sent - std::min(sent, received + given_up) < window) {
        Source& source = sources_[turn++ % sources_.size()];
        if (source.sent < datagrams_) send_next(source);
      }
      if (received == sent && sent == wanted) return;
      const int ready = poll(polled_.data(), polled_.size(), rate_ == 0 ? 1000 : 1);
      if (ready > 0) last_answer = Clock::now();
      if (ready == 0 && seconds_since(last_answer) >= 0.9) {
        if (sent == wanted) return;
        given_up = sent - received;
      }
      for (size_t i = 0; i < polled_.size(); ++i)
        if (polled_[i].revents != 0) receive_all(sources_[i]);
    }
  }

 private:
  void send_next(Source& source) {
    const uint64_t batch = std::min(segments_, datagrams_ - source.sent);
    const auto number = static_cast<uint32_t>(&source - sources_.data());
    std::vector<std::byte> superpacket;
    for (uint64_t i = 1; i <= batch; ++i) {
      fill(datagram_, number, source.sent + i);
      superpacket.insert(superpacket.end(), datagram_.begin(), datagram_.end());
    }
    iovec data{superpacket.data(), superpacket.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (batch > 1) {
      message.msg_control = control;
      message.msg_controllen = sizeof(control);
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_UDP;
      header->cmsg_type = UDP_SEGMENT;
      header->cmsg_len = CMSG_LEN(sizeof(uint16_t));
      const auto size = static_cast<uint16_t>(datagram_.size());
      std::memcpy(CMSG_DATA(header), &size, sizeof(size));
    }
    // A pending error (port unreachable for an earlier datagram) is reported once and clears; the datagram
    // counts.
    if (sendmsg(source.fd.get(), &message, 0) < 0) ++errors[error_name(errno)];
    source.sent += batch;
    source.seen.resize(source.sent + 1);
    sent += batch;
  }

  void receive_all(Source& source) {
    std::byte buffer[kLargestDatagram];
    for (;;) {
      const ssize_t got = recv(source.fd.get(), buffer, sizeof(buffer), 0);
      if (got < 0) {
        if (errno != EAGAIN) ++errors[error_name(errno)];
        return;
      }
      take(source, buffer, static_cast<size_t>(got));
    }
  }

  void take(Source& source, const std::byte* data, size_t size) {
    Header header{};
    if (size >= kLeastSize) std::memcpy(&header, data, sizeof(header));
    const auto number = static_cast<uint32_t>(&source - sources_.data());
    const bool ours = header.magic == kMagic && header.source == number && header.sequence <= source.sent;
    if (!ours || header.sequence == 0 || size != datagram_.size()) {
      ++corrupted;
      return;
    }
    fill(datagram_, number, header.sequence);
    if (std::memcmp(data + kLeastSize, datagram_.data() + kLeastSize, size - kLeastSize) != 0) {
      ++corrupted;
      return;
    }
    if (source.seen[header.sequence]) {
      ++duplicated;
      return;
    }
    source.seen[header.sequence] = true;
    ++received;
    if (header.sequence < source.highest) ++reordered;
    source.highest = std::max(source.highest, header.sequence);
    ++by_server[std::string(header.server, strnlen(header.server, sizeof(header.server)))];
  }

  uint64_t datagrams_;
  uint64_t segments_;
  double rate_;  // 0: as fast as the window allows
  std::vector<std::byte> datagram_;
  std::vector<Source> sources_;
  std::vector<pollfd> polled_;
};

}  // namespace

void serve_udp(uint16_t port, const std::string& name) {
  std::thread([socket = bind_any(SOCK_DGRAM, port), name] {
    const int size = 8 << 20;
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    std::vector<std::byte> buffer(kLargestDatagram);
    for (;;) {
      Address from;
      from.length = sizeof(from.storage);
      auto* raw = reinterpret_cast<sockaddr*>(&from.storage);
      const ssize_t got = recvfrom(socket.get(), buffer.data(), buffer.size(), 0, raw, &from.length);
      if (got < static_cast<ssize_t>(kLeastSize)) continue;
      char field[sizeof(Header::server)] = {};
      name.copy(field, sizeof(field) - 1);
      std::memcpy(buffer.data() + offsetof(Header, server), field, sizeof(field));
      sendto(socket.get(), buffer.data(), static_cast<size_t>(got), 0, raw, from.length);
    }
  }).detach();
}

int run_udp(Options& options) {
  const Address to = parse_address(options.required("to"));
  const uint64_t sources = options.number("sources", 1);
  const uint64_t datagrams = options.number("datagrams", 1);
  const uint64_t size = options.number("size", 64);
  const uint64_t segments = options.number("segments", 1);
  const uint64_t window = options.number("window", 64);
  const auto rate = double(options.number("rate", 0));
  const double seconds = options.seconds("seconds", 60);
  options.refuse_unknown();
  if (size < kLeastSize || size * segments > kLargestDatagram)
    usage_error("--size: must be 32 or more, and fit 64 KiB");
  if (sources == 0 || segments == 0 || window == 0)
    usage_error("--sources, --segments, --window: must not be 0");

  heed_sigterm();
  Run run(sources, datagrams, size, segments, rate);
  if (!run.open(to)) usage_error("socket: " + error_name(errno));
  const Clock::time_point start = Clock::now();
  run.exchange(window, seconds);
  const double elapsed = seconds_since(start);

  Report report;
  report.count("sent", run.sent);
  report.count("received", run.received);
  report.count("lost", run.sent - run.received);
  report.count("duplicated", run.duplicated);
  report.count("reordered", run.reordered);
  report.count("corrupted", run.corrupted);
  report.number("seconds", elapsed);
  report.number("perSecond", static_cast<double>(run.received) / elapsed);
  report.tally("byServer", run.by_server);
  report.tally("errors", run.errors);
  report.print();
  return run.sent == run.received && run.duplicated == 0 && run.corrupted == 0 ? 0 : 1;
}

}  // namespace vsnat::load
