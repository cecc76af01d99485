// SPDX-License-Identifier: Apache-2.0
//
// The SCTP states of IPVS: the table as the specification of the kernel's behaviour words it (what moves; all else
// stays), against the code's table of every cell.
#include "flow/sctp_state.h"

#include <string>
#include <string_view>
#include <vector>

#include "test/native/check.h"

namespace vsnat::test {
namespace {

using flow::Direction;
using flow::SctpEvent;
using flow::State;

constexpr const char* kShort[] = {"NO", "I1", "IN", "CS", "CR", "CW", "CO",
                                  "CE", "ES", "SS", "SR", "SA", "RJ", "CL"};
static_assert(std::size(kShort) == flow::kSctpStateCount);

State state_at(size_t i) {
  return State(size_t(State::sctp_none) + i);
}

State state_called(std::string_view name) {
  for (size_t i = 0; i < std::size(kShort); ++i) {
    if (name == kShort[i]) return state_at(i);
  }
  report_failure(__FILE__, __LINE__, "no state is called " + std::string(name));
  return State::count;
}

/** "A,B>C D>E": A and B go to C, D goes to E; "*>F" is every one not named before. */
struct Moves {
  SctpEvent event;
  const char* request;
  const char* reply;
};

constexpr Moves kMoves[] = {
    {SctpEvent::data, "NO>ES", "NO>ES"},
    {SctpEvent::init, "NO>I1 I1,RJ,CL>IN", "ES>ES *>CW"},
    {SctpEvent::init_ack, "NO,I1,IN>CW CW>CO", "NO,I1,IN>CS"},
    {SctpEvent::cookie_echo, "NO,CS>CR I1>IN", "NO,I1,IN,CS,CR,CW,CO>CE"},
    {SctpEvent::cookie_ack, "NO,CE>ES", "NO,I1,IN,CS,CR,CW,CO,CE>ES"},
    {SctpEvent::shutdown, "NO,ES>SR", "NO,I1,IN,CS,CR,CW,CO,CE,ES>SS"},
    {SctpEvent::shutdown_ack, "NO,SS,SA>CL I1>IN", "NO,I1,IN,CS,CR,SS,SR>SA"},
    {SctpEvent::shutdown_complete, "NO,I1,IN,SA>CL", "NO>CL"},
    {SctpEvent::error, "NO,CE>CL", "NO,I1,IN,CS,CR>CL"},
    {SctpEvent::abort, "CW>RJ *>CL", "I1>RJ *>CL"},
};
static_assert(std::size(kMoves) == size_t(SctpEvent::count));

State reference_next(std::string_view moves, State from) {
  while (!moves.empty()) {
    const std::string_view move = moves.substr(0, moves.find(' '));
    moves.remove_prefix(std::min(moves.size(), move.size() + 1));
    const State to = state_called(move.substr(move.find('>') + 1));
    std::string_view names = move.substr(0, move.find('>'));
    if (names == "*") return to;
    while (!names.empty()) {
      const std::string_view name = names.substr(0, names.find(','));
      names.remove_prefix(std::min(names.size(), name.size() + 1));
      if (state_called(name) == from) return to;
    }
  }
  return from;
}

TEST("all 14 x 10 x 2 cells of the SCTP table are the kernel's") {
  for (const Moves& m : kMoves) {
    for (size_t i = 0; i < flow::kSctpStateCount; ++i) {
      for (const Direction direction : {Direction::request, Direction::reply}) {
        const bool request = direction == Direction::request;
        ROW(std::string(kShort[i]) + (request ? " request" : " reply") + " event " +
            std::to_string(int(m.event)));
        CHECK_EQ(flow::next_sctp_state(state_at(i), direction, m.event),
                 reference_next(request ? m.request : m.reply, state_at(i)));
      }
    }
  }
}

TEST("every chunk type is an event, and those without one of their own are data") {
  const struct {
    int type;
    SctpEvent event;
  } named[] = {
      {1, SctpEvent::init},         {2, SctpEvent::init_ack},     {6, SctpEvent::abort},
      {7, SctpEvent::shutdown},     {8, SctpEvent::shutdown_ack}, {9, SctpEvent::error},
      {10, SctpEvent::cookie_echo}, {11, SctpEvent::cookie_ack},  {14, SctpEvent::shutdown_complete}};
  for (int type = 0; type < 256; ++type) {
    SctpEvent want = SctpEvent::data;
    for (const auto& n : named) {
      if (n.type == type) want = n.event;
    }
    CHECK_EQ(flow::sctp_event(uint8_t(type)), want);
  }
}

TEST("a state of another protocol is where SCTP begins") {
  CHECK_EQ(flow::next_sctp_state(State::udp, Direction::request, SctpEvent::data), State::sctp_none);
  CHECK_EQ(flow::next_sctp_state(State::established, Direction::reply, SctpEvent::abort), State::sctp_none);
}

TEST("SCTP timeouts, names and activity are those ipvsadm shows") {
  const struct {
    const char* state;
    uint32_t seconds;
    const char* name;
  } cases[] = {
      {"NO", 2, "NONE"},          {"I1", 4, "INIT1"},   {"IN", 61, "INIT"},       {"CS", 61, "C-SENT"},
      {"CR", 61, "C-REPLIED"},    {"CW", 61, "C-WAIT"}, {"CO", 61, "COOKIE"},     {"CE", 61, "C-ECHOED"},
      {"ES", 900, "ESTABLISHED"}, {"SS", 61, "S-SENT"}, {"SR", 61, "S-RECEIVED"}, {"SA", 61, "S-ACK-SENT"},
      {"RJ", 4, "REJECTED"},      {"CL", 61, "CLOSED"},
  };
  CHECK_EQ(std::size(cases), flow::kSctpStateCount);
  const flow::Timeouts defaults;
  for (const auto& c : cases) {
    ROW(c.name);
    const State state = state_called(c.state);
    CHECK_EQ(defaults.seconds[size_t(state)], c.seconds);
    CHECK_EQ(flow::state_name(state), std::string(c.name));
    CHECK_EQ(flow::is_active(state), state == State::sctp_established);
    CHECK_EQ(flow::is_closed(state), state == State::sctp_closed);
  }
}

}  // namespace
}  // namespace vsnat::test
