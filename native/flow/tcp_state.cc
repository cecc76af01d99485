// SPDX-License-Identifier: Apache-2.0
#include "flow/tcp_state.h"

#include "wire/headers.h"

namespace vsnat::flow {
namespace {

// clang-format off
enum Short : uint8_t { NO, ES, SS, SR, FW, TW, CL, CW, LA, LI, SA };
static_assert(NO == uint8_t(State::none) && SA == uint8_t(State::synack), "the short names follow the enum");

using Transitions = std::array<std::array<std::array<uint8_t, kTcpStateCount>, 4>, 2>;

// [direction][event][state]: ip_vs_proto_tcp.c's tcp_states, INPUT and OUTPUT.
constexpr Transitions kUsual = {{
  {{         /* NO  ES  SS  SR  FW  TW  CL  CW  LA  LI  SA */
    /* syn */ { SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR },
    /* fin */ { CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, TW },
    /* ack */ { ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES },
    /* rst */ { CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, SR },
  }},
  {{         /* NO  ES  SS  SR  FW  TW  CL  CW  LA  LI  SA */
    /* syn */ { SS, ES, SS, SR, SS, SS, SS, SS, SS, LI, SR },
    /* fin */ { TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW },
    /* ack */ { ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES },
    /* rst */ { CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL },
  }},
}};
// clang-format on

/** tcp_states_dos: a client's own segments alone no longer establish a connection, the server must go on first. */
constexpr Transitions secured(Transitions next) {
  constexpr int kIn = int(Direction::request), kOut = int(Direction::reply);
  next[kIn][0][SA] = next[kIn][1][SA] = SA;
  next[kIn][2][SR] = SR;
  next[kIn][2][SA] = SA;
  next[kIn][3][SA] = CL;
  next[kOut][0][SR] = next[kOut][0][SA] = SA;
  return next;
}
constexpr Transitions kSecure = secured(kUsual);

}  // namespace

State next_tcp_state_by_table(State state, Direction direction, uint8_t tcp_flags, TcpTable table) {
  using wire::tcp_hdr;
  int event;
  if (tcp_flags & tcp_hdr::kRst) {
    event = 3;
  } else if (tcp_flags & tcp_hdr::kSyn) {
    event = 0;
  } else if (tcp_flags & tcp_hdr::kFin) {
    event = 1;
  } else if (tcp_flags & tcp_hdr::kAck) {
    event = 2;
  } else {
    return State::close;
  }
  if (size_t(state) >= kTcpStateCount) return State::none;
  const Transitions& next = table == TcpTable::secure ? kSecure : kUsual;
  return State(next[size_t(direction)][size_t(event)][size_t(state)]);
}

}  // namespace vsnat::flow
