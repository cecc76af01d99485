// SPDX-License-Identifier: Apache-2.0
//
// ping: ICMP and ICMPv6 echo through a raw socket (needs CAP_NET_RAW). Only an answer from the very address
// asked, with identifier, sequence and data as sent, counts; the hop limit it arrived with is reported.
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "commands.h"
#include "net.h"
#include "report.h"

namespace vsnat::load {
namespace {

struct Echo {  // RFC 792 and RFC 4443 §4: the same eight bytes
  uint8_t type;
  uint8_t code;
  uint16_t checksum;
  uint16_t identifier;
  uint16_t sequence;
};

uint16_t internet_checksum(const std::vector<std::byte>& data) {
  uint32_t sum = 0;
  for (size_t i = 0; i < data.size(); ++i) {
    const auto byte = std::to_integer<uint32_t>(data[i]);
    sum += i % 2 == 0 ? byte << 8 : byte;
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return htons(static_cast<uint16_t>(~sum));
}

struct Answer {
  bool ours = false;
  int hop_limit = 0;
};

class Pinger {
 public:
  Pinger(const Address& to, size_t size)
      : to_(to), v6_(to.family() == AF_INET6), message_(sizeof(Echo) + size) {
    fd_ =
        UniqueFd{socket(to.family(), SOCK_RAW | SOCK_CLOEXEC, v6_ ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP})};
    const int on = 1;
    if (v6_) setsockopt(fd_.get(), IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof(on));
  }

  bool send(uint16_t sequence) {
    for (size_t i = sizeof(Echo); i < message_.size(); ++i)
      message_[i] = static_cast<std::byte>(i + sequence);
    sent_ =
        Echo{uint8_t(v6_ ? ICMP6_ECHO_REQUEST : ICMP_ECHO), 0, 0, htons(uint16_t(getpid())), htons(sequence)};
    std::memcpy(message_.data(), &sent_, sizeof(sent_));
    if (!v6_) {  // the kernel fills in ICMPv6 checksums, not ICMP ones
      sent_.checksum = internet_checksum(message_);
      std::memcpy(message_.data(), &sent_, sizeof(sent_));
    }
    return sendto(fd_.get(), message_.data(), message_.size(), 0, to_.raw(), to_.length) >= 0;
  }

  /// The echo reply to the last request, or one that is not ours when the time is up.
  Answer wait(double timeout_s) {
    const Clock::time_point deadline = after_seconds(timeout_s);
    for (;;) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
      pollfd polled{fd_.get(), POLLIN, 0};
      if (left <= 0 || poll(&polled, 1, static_cast<int>(left)) <= 0) return {};
      const Answer answer = receive();
      if (answer.ours) return answer;
    }
  }

 private:
  Answer receive() {
    std::byte buffer[65536];
    alignas(cmsghdr) char control[256];
    Address from;
    iovec data{buffer, sizeof(buffer)};
    msghdr header{};
    header.msg_name = &from.storage;
    header.msg_namelen = sizeof(from.storage);
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    const ssize_t got = recvmsg(fd_.get(), &header, 0);
    if (got < 0 || from.host() != to_.host()) return {};

    Answer answer;
    size_t start = 0;
    if (v6_) {
      for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item))
        if (item->cmsg_type == IPV6_HOPLIMIT) std::memcpy(&answer.hop_limit, CMSG_DATA(item), sizeof(int));
    } else {
      if (got < static_cast<ssize_t>(sizeof(iphdr))) return {};
      start = (std::to_integer<size_t>(buffer[0]) & 15) * 4;
      answer.hop_limit = std::to_integer<int>(buffer[offsetof(iphdr, ttl)]);
    }
    if (static_cast<size_t>(got) != start + message_.size()) return {};
    Echo echo;
    std::memcpy(&echo, buffer + start, sizeof(echo));
    answer.ours = echo.type == (v6_ ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) &&
                  echo.identifier == sent_.identifier && echo.sequence == sent_.sequence &&
                  std::memcmp(buffer + start + sizeof(Echo), message_.data() + sizeof(Echo),
                              message_.size() - sizeof(Echo)) == 0;
    return answer;
  }

  Address to_;
  bool v6_;
  UniqueFd fd_;
  Echo sent_{};
  std::vector<std::byte> message_;
};

}  // namespace

int run_ping(Options& options) {
  const Address to = parse_address(options.required("to"), false);
  const uint64_t count = options.number("count", 3);
  const uint64_t size = options.number("size", 56);
  const double timeout_s = options.seconds("timeout", 2);
  options.refuse_unknown();

  Pinger pinger(to, size);
  uint64_t received = 0;
  Tally hop_limits, errors;
  std::vector<float> microseconds;
  for (uint64_t i = 1; i <= count; ++i) {
    const Clock::time_point start = Clock::now();
    if (!pinger.send(static_cast<uint16_t>(i))) {
      ++errors[error_name(errno)];
      continue;
    }
    const Answer answer = pinger.wait(timeout_s);
    if (!answer.ours) continue;
    ++received;
    ++hop_limits[std::to_string(answer.hop_limit)];
    microseconds.push_back(static_cast<float>(seconds_since(start) * 1e6));
  }
  Report report;
  report.count("sent", count);
  report.count("received", received);
  report.tally("hopLimits", hop_limits);
  report.latencies("microseconds", microseconds);
  report.tally("errors", errors);
  report.print();
  return received == count ? 0 : 1;
}

}  // namespace vsnat::load
