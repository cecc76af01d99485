// SPDX-License-Identifier: Apache-2.0
//
// The states while secure_tcp defends, cell by cell, and beside the usual ones.
#include "flow/tcp_state.h"
#include "test/native/check.h"
#include "test/native/support/kernel_tcp.h"
#include "test/native/support/packets.h"

namespace vsnat::test {
namespace {

using flow::Direction;
using flow::State;
using flow::TcpTable;

State state_called(const std::string& brief) {
  for (size_t i = 0; i < flow::kStateCount; ++i) {
    if (std::string(flow::state_name(State(i))) == kernel_state(brief).name) return State(i);
  }
  return State::count;
}

TEST("all 2 x 11 x 4 x 2 cells of both TCP tables are the kernel's") {
  constexpr uint8_t kEvents[] = {kSyn, kFin, kAck, kRst};
  for (const TcpTable table : {TcpTable::usual, TcpTable::secure}) {
    for (const auto& row : table == TcpTable::secure ? kKernelSecureTcp : kKernelTcp) {
      for (int cell = 0; cell < 8; ++cell) {
        ROW(std::string(table == TcpTable::secure ? "secure " : "usual ") + row[0] + " cell " +
            std::to_string(cell));
        const Direction direction = cell < 4 ? Direction::request : Direction::reply;
        CHECK_EQ(flow::next_tcp_state(state_called(row[0]), direction, kEvents[cell % 4], table),
                 state_called(row[cell + 1]));
      }
    }
  }
}

TEST("the two TCP tables differ in seven cells") {
  int different = 0;
  for (size_t row = 0; row < std::size(kKernelTcp); ++row) {
    for (int cell = 0; cell < 9; ++cell)
      different += std::string(kKernelTcp[row][cell]) != kKernelSecureTcp[row][cell];
  }
  CHECK_EQ(different, 7);
}

TEST("with secure_tcp a client's handshake alone establishes nothing, the server's next segment does") {
  State state = State::none;
  const auto after = [&](Direction direction, uint8_t flags) {
    return state = flow::next_tcp_state(state, direction, flags, TcpTable::secure);
  };
  CHECK_EQ(after(Direction::request, kSyn), State::syn_recv);
  CHECK_EQ(after(Direction::request, kAck), State::syn_recv);
  CHECK_EQ(after(Direction::reply, kSyn | kAck), State::synack);
  CHECK_EQ(after(Direction::request, kAck), State::synack);
  CHECK_EQ(after(Direction::request, kAck | kPsh), State::synack);
  CHECK_EQ(after(Direction::reply, kAck), State::established);
}

}  // namespace
}  // namespace vsnat::test
