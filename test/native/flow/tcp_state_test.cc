// SPDX-License-Identifier: Apache-2.0
//
// The IPVS states, cell by cell from the kernel's documented table, and whole connections as an operator sees
// them.
#include "flow/tcp_state.h"

#include <string>
#include <vector>

#include "test/native/check.h"
#include "test/native/support/packets.h"

namespace vsnat::test {
namespace {

using flow::Direction;
using flow::State;

State state_called(const std::string& name) {
  const struct {
    const char* name;
    State state;
  } names[] = {{"NO", State::none},     {"ES", State::established}, {"SS", State::syn_sent},
               {"SR", State::syn_recv}, {"FW", State::fin_wait},    {"TW", State::time_wait},
               {"CL", State::close},    {"CW", State::close_wait},  {"LA", State::last_ack},
               {"LI", State::listen},   {"SA", State::synack},      {"UD", State::udp}};
  for (const auto& n : names) {
    if (name == n.name) return n.state;
  }
  report_failure(__FILE__, __LINE__, "no state is called " + name);
  return State::count;
}

// From a state, on syn, fin, ack, rst: of the client, then of the real server. One row per state, where the
// code has one row per event.
constexpr const char* kTable[][9] = {
    {"NO", "SR", "CL", "ES", "CL", "SS", "TW", "ES", "CL"},
    {"ES", "ES", "CW", "ES", "CL", "ES", "FW", "ES", "CL"},
    {"SS", "ES", "SS", "SS", "CL", "SS", "SS", "SS", "SS"},
    {"SR", "SR", "TW", "ES", "SR", "SR", "TW", "ES", "CL"},
    {"FW", "SR", "TW", "FW", "CL", "SS", "FW", "FW", "CL"},
    {"TW", "SR", "TW", "TW", "CL", "SS", "TW", "TW", "TW"},
    {"CL", "SR", "CL", "CL", "CL", "SS", "CL", "CL", "CL"},
    {"CW", "SR", "CW", "CW", "CL", "SS", "TW", "CW", "CL"},
    {"LA", "SR", "LA", "CL", "LA", "SS", "LA", "LA", "CL"},
    {"LI", "SR", "LI", "LI", "LI", "LI", "LI", "ES", "CL"},
    {"SA", "SR", "TW", "ES", "SR", "SR", "TW", "ES", "CL"},
};

TEST("all 11 x 4 x 2 cells of the TCP table are the kernel's") {
  constexpr uint8_t kEvents[] = {kSyn, kFin, kAck, kRst};
  for (const auto& row : kTable) {
    for (int cell = 0; cell < 8; ++cell) {
      ROW(std::string(row[0]) + " cell " + std::to_string(cell));
      const Direction direction = cell < 4 ? Direction::request : Direction::reply;
      CHECK_EQ(flow::next_tcp_state(state_called(row[0]), direction, kEvents[cell % 4]),
               state_called(row[cell + 1]));
    }
  }
}

TEST("RST outranks SYN outranks FIN outranks ACK, over all 256 sets of flags, and none of them closes") {
  for (size_t from = 0; from < flow::kTcpStateCount; ++from) {
    for (const Direction direction : {Direction::request, Direction::reply}) {
      for (int flags = 0; flags < 256; ++flags) {
        const uint8_t first = flags & kRst ? kRst : flags & kSyn ? kSyn : flags & kFin ? kFin : flags & kAck;
        const State want = first == 0 ? State::close : flow::next_tcp_state(State(from), direction, first);
        if (!CHECK_EQ(flow::next_tcp_state(State(from), direction, uint8_t(flags)), want)) return;
      }
    }
  }
}

TEST("timeouts, names and activity are those ipvsadm shows") {
  const struct {
    const char* state;
    uint32_t seconds;
    const char* name;
    bool active;
  } cases[] = {
      {"NO", 2, "NONE", false},     {"ES", 900, "ESTABLISHED", true}, {"SS", 120, "SYN_SENT", true},
      {"SR", 60, "SYN_RECV", true}, {"FW", 120, "FIN_WAIT", false},   {"TW", 120, "TIME_WAIT", false},
      {"CL", 10, "CLOSE", false},   {"CW", 60, "CLOSE_WAIT", false},  {"LA", 30, "LAST_ACK", false},
      {"LI", 120, "LISTEN", false}, {"SA", 120, "SYNACK", true},      {"UD", 300, "UDP", false},
  };
  CHECK_EQ(std::size(cases), flow::kTcpStateCount + 1);
  const flow::Timeouts defaults;
  for (const auto& c : cases) {
    ROW(c.name);
    const State state = state_called(c.state);
    CHECK_EQ(defaults.seconds[size_t(state)], c.seconds);
    CHECK_EQ(flow::state_name(state), std::string(c.name));
    CHECK_EQ(flow::is_active(state), c.active);
  }
}

/** "> SYN SR60a": from the client, the flags, and state, timeout and activity afterwards. */
struct Segment {
  const char* flags;
  const char* after;
};

void check_trace(const char* name, const std::vector<Segment>& trace, State state = State::none) {
  ROW(name);
  for (const Segment& segment : trace) {
    const std::string text = segment.flags;
    const auto has = [&](const char* flag) { return text.find(flag) != std::string::npos; };
    const auto flags =
        uint8_t((has("SYN") ? kSyn : 0) | (has("ACK") ? kAck : 0) | (has("FIN") ? kFin | kAck : 0) |
                (has("RST") ? kRst : 0) | (has("data") ? kAck | kPsh : 0));
    state = flow::next_tcp_state(state, text[0] == '>' ? Direction::request : Direction::reply, flags);
    const std::string after = std::string(segment.after, 2) +
                              std::to_string(flow::Timeouts{}.seconds[size_t(state)]) +
                              (flow::is_active(state) ? "a" : "i");
    ROW(text);
    CHECK_EQ(state, state_called(std::string(segment.after, 2)));
    CHECK_EQ(after, std::string(segment.after));
  }
}

TEST("whole connections pass through the kernel's states") {
  const std::vector<Segment> opening = {
      {">SYN", "SR60a"}, {"<SYN+ACK", "SR60a"}, {">ACK", "ES900a"}, {"<data", "ES900a"}};
  const auto opened = [&](std::vector<Segment> rest) {
    rest.insert(rest.begin(), opening.begin(), opening.end());
    return rest;
  };
  check_trace("client closes first",
              opened({{">FIN", "CW60i"}, {"<ACK", "CW60i"}, {"<FIN", "TW120i"}, {">ACK", "TW120i"}}));
  check_trace("server closes first",
              opened({{"<FIN", "FW120i"}, {">ACK", "FW120i"}, {">FIN", "TW120i"}, {"<ACK", "TW120i"}}));
  check_trace("crossing FINs", opened({{"<FIN", "FW120i"}, {">FIN", "TW120i"}}));
  check_trace("refused", {{">SYN", "SR60a"}, {"<RST+ACK", "CL10i"}});
  check_trace("client RST during the handshake",
              {{">SYN", "SR60a"}, {">RST", "SR60a"}, {"<SYN+ACK", "SR60a"}, {"<RST", "CL10i"}});
  check_trace("abort", opened({{">RST", "CL10i"}}));
  check_trace("half-close, server keeps sending",
              opened({{">FIN", "CW60i"}, {"<data", "CW60i"}, {"<FIN", "TW120i"}}));
  check_trace("picked up in the middle", {{">ACK", "ES900a"}, {">FIN", "CW60i"}, {"<FIN", "TW120i"}});
  check_trace("SYN on TIME_WAIT without reuse",
              {{">SYN", "SR60a"}, {"<SYN+ACK", "SR60a"}, {">ACK", "ES900a"}}, State::time_wait);
}

}  // namespace
}  // namespace vsnat::test
