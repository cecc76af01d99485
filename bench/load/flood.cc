// SPDX-License-Identifier: Apache-2.0
//
// flood: datagrams to a sink, as fast as they arrive there. The sender keeps `--window` datagrams under way and no
// more: a sender that never waits would measure how fast a path throws packets away, and on a machine that all share
// it would take the CPU from those that forward. What is counted is what the sink saw.
//
// Flows take turns, so with many of them each packet is another flow's. The same flows come with every run: one run
// with `--datagrams` as many as flows opens them, the next measures.
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "commands.h"
#include "datagrams.h"
#include "net.h"
#include "report.h"
#include "sink_count.h"

namespace vsnat::load {
namespace {

constexpr uint64_t kForEver = uint64_t{1} << 62;

class Flood {
 public:
  Flood(Sender& sender, SinkCount& count, uint64_t window)
      : sender_(sender), count_(count), window_(window), before_(count.datagrams.load()) {}

  uint64_t sent = 0, given_up = 0;
  Tally errors;

  [[nodiscard]] uint64_t arrived() const { return count_.datagrams.load() - before_; }

  void run(uint64_t datagrams, Clock::time_point deadline) {
    while (sent < datagrams && Clock::now() < deadline) {
      make_room();
      const uint64_t part = std::min(datagrams - sent, Sender::kBatch);
      const uint64_t taken = sender_.send(part);
      if (taken == 0) {
        ++errors[error_name(errno)];
        return;
      }
      sent += taken;
    }
  }

  /// Waits for what is still under way.
  void drain() { count_.wait_for(before_ + sent - given_up); }

 private:
  /// What does not come is no longer waited for. It may come yet: then a little more than the window is under way.
  void make_room() {
    const auto under_way = [&] {
      const uint64_t done = arrived() + given_up;
      return done < sent ? sent - done : 0;
    };
    if (under_way() + Sender::kBatch <= window_) return;
    const uint64_t until = sent - given_up - std::min(sent - given_up, window_ / 2);
    if (!count_.wait_for(before_ + until)) given_up += under_way();
  }

  Sender& sender_;
  SinkCount& count_;
  uint64_t window_;
  uint64_t before_;
};

std::array<uint8_t, 6> parse_mac(const std::string& text) {
  std::array<uint8_t, 6> mac{};
  int end = 0;
  const int found = std::sscanf(text.c_str(), "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1],
                                &mac[2], &mac[3], &mac[4], &mac[5], &end);
  if (found != 6 || size_t(end) != text.size()) usage_error("--next-hop: must be a MAC address, got " + text);
  return mac;
}

}  // namespace

int run_flood(Options& options) {
  DatagramPlan plan;
  plan.to = parse_address(options.required("to"));
  plan.flows = options.number("flows", 1);
  plan.size = options.number("size", 22);  // 64 bytes with the headers of UDP, IPv4 and Ethernet
  plan.segments = options.number("segments", 1);
  plan.device = options.text("device", "lo");
  plan.next_hop = parse_mac(options.text("next-hop", "00:00:00:00:00:00"));
  const std::string count_file = options.required("count");
  const uint64_t datagrams = options.number("datagrams", kForEver);
  const uint64_t window = options.number("window", 512);
  const double seconds = options.seconds("seconds", 10);
  options.refuse_unknown();
  if (plan.size < sizeof(plan.token) || plan.size * plan.segments > 65507)
    usage_error("--size: must be 8 or more, and fit 64 KiB");
  if (plan.flows == 0 || plan.segments == 0 || window < 2 * Sender::kBatch)
    usage_error("--flows, --segments: must not be 0; --window: must be 128 or more");
  if (plan.segments > 1 && plan.flows > 1) usage_error("--segments: superpackets are of one flow");

  SinkCount& count = map_sink_count(count_file);
  if (getrandom(&plan.token, sizeof(plan.token), 0) < 0) plan.token = uint64_t(getpid());
  count.token.store(plan.token);
  const std::unique_ptr<Sender> sender = plan.segments > 1 ? make_superpackets(plan) : make_packets(plan);
  Flood flood(*sender, count, window);

  const uint64_t bytes_before = count.bytes.load();
  const Clock::time_point start = Clock::now();
  flood.run(datagrams, after_seconds(seconds));
  const uint64_t in_time = flood.arrived();
  const double elapsed = seconds_since(start);
  flood.drain();
  const uint64_t received = flood.arrived();

  Report report;
  report.count("flows", plan.flows);
  report.count("sent", flood.sent);
  report.count("received", received);
  report.count("bytesReceived", count.bytes.load() - bytes_before);
  report.count("lost", flood.sent - std::min(flood.sent, received));
  report.number("seconds", elapsed);
  report.number("perSecond", double(in_time) / elapsed);
  report.number("gbitPerSecond", double(in_time * plan.size) * 8 / elapsed / 1e9);
  report.tally("errors", flood.errors);
  report.print();
  return received > 0 && flood.errors.empty() ? 0 : 1;
}

}  // namespace vsnat::load
