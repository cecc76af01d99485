// SPDX-License-Identifier: Apache-2.0
//
// vsnat-load: traffic that checks itself. Bulk streams whose every byte is verified, HTTP requests counted by
// real server, datagrams with sequence numbers, pings, connections that live long. Every run is bounded by a count and by time.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string_view>

#include "commands.h"

namespace {

constexpr const char* kUsage = R"(usage: vsnat-load COMMAND [--option value]...
  serve   [--name rs] [--stream PORT] [--http PORT] [--udp PORT] [--talk PORT] [--sink PORT --count FILE]
          prints "ready", runs until ended
  stream  --to ADDRESS:PORT [--direction up|down|both] [--streams 1] [--bytes 2^62] [--seconds 60]
          [--verify yes|no] [--seed 1] [--stall 10]
  http    --to ADDRESS:PORT [--mode keepalive|connect] [--connections 1] [--requests 2^62] [--seconds 60]
          [--threads 1] [--timeout 5]
  udp     --to ADDRESS:PORT [--sources 1] [--datagrams 1] [--size 64] [--segments 1] [--window 64]
          [--rate 0] [--seconds 60]
  talk    --to ADDRESS:PORT [--connections 1] [--every 0.5] [--stall 10] [--seconds 60]
  flood   --to ADDRESS:PORT --count FILE [--flows 1] [--size 22] [--segments 1] [--datagrams 2^62] [--window 512]
          [--seconds 10] [--device lo --next-hop 00:00:00:00:00:00]
  ping    --to ADDRESS [--count 3] [--size 56] [--timeout 2]
)";

int serve(vsnat::load::Options& options) {
  using namespace vsnat::load;
  const std::string name = options.text("name", "rs");
  const auto stream = static_cast<uint16_t>(options.number("stream", 0));
  const auto http = static_cast<uint16_t>(options.number("http", 0));
  const auto udp = static_cast<uint16_t>(options.number("udp", 0));
  const auto sink = static_cast<uint16_t>(options.number("sink", 0));
  const std::string count_file = sink == 0 ? "" : options.required("count");
  const auto talk = static_cast<uint16_t>(options.number("talk", 0));
  options.refuse_unknown();
  if (stream != 0) serve_stream(stream);
  if (http != 0) serve_http(http, name);
  if (udp != 0) serve_udp(udp, name);
  if (sink != 0) serve_sink(sink, count_file);
  if (talk != 0) serve_talk(talk);
  std::puts("ready");
  std::fflush(stdout);
  for (;;) pause();
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command == "--help") {
    std::fputs(kUsage, stdout);
    return 0;
  }
  vsnat::load::Options options(argc, argv, argc > 1 ? 2 : 1);
  if (command == "serve") return serve(options);
  if (command == "stream") return vsnat::load::run_stream(options);
  if (command == "http") return vsnat::load::run_http(options);
  if (command == "udp") return vsnat::load::run_udp(options);
  if (command == "flood") return vsnat::load::run_flood(options);
  if (command == "ping") return vsnat::load::run_ping(options);
  if (command == "talk") return vsnat::load::run_talk(options);
  std::fputs(kUsage, stderr);
  return 2;
}
