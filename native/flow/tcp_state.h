// SPDX-License-Identifier: Apache-2.0
//
// The connection states of IPVS, all protocols', and how TCP segments move theirs (sctp_state.h has the other table):
// Linux net/netfilter/ipvs/ip_vs_proto_tcp.c, 6.12.
// A director sees both directions in NAT mode, but tracks no windows: the state only decides how long an idle
// flow is kept and whether it counts as active. Pure functions of (state, event, direction).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace vsnat::flow {

enum class Direction : uint8_t { request, reply };

// clang-format off
#define VSNAT_FLOW_STATES(X)            \
  X(none,        "NONE",        false)  \
  X(established, "ESTABLISHED", true)   \
  X(syn_sent,    "SYN_SENT",    true)   \
  X(syn_recv,    "SYN_RECV",    true)   \
  X(fin_wait,    "FIN_WAIT",    false)  \
  X(time_wait,   "TIME_WAIT",   false)  \
  X(close,       "CLOSE",       false)  \
  X(close_wait,  "CLOSE_WAIT",  false)  \
  X(last_ack,    "LAST_ACK",    false)  \
  X(listen,      "LISTEN",      false)  \
  X(synack,      "SYNACK",      true)   \
  X(udp,         "UDP",         false)  \
  X(sctp_none,               "NONE",        false) \
  X(sctp_init1,              "INIT1",       false) \
  X(sctp_init,               "INIT",        false) \
  X(sctp_cookie_sent,        "C-SENT",      false) \
  X(sctp_cookie_replied,     "C-REPLIED",   false) \
  X(sctp_cookie_wait,        "C-WAIT",      false) \
  X(sctp_cookie,             "COOKIE",      false) \
  X(sctp_cookie_echoed,      "C-ECHOED",    false) \
  X(sctp_established,        "ESTABLISHED", true)  \
  X(sctp_shutdown_sent,      "S-SENT",      false) \
  X(sctp_shutdown_received,  "S-RECEIVED",  false) \
  X(sctp_shutdown_ack_sent,  "S-ACK-SENT",  false) \
  X(sctp_rejected,           "REJECTED",    false) \
  X(sctp_closed,             "CLOSED",      false)
// clang-format on

enum class State : uint8_t {
#define X(id, name, active) id,
  VSNAT_FLOW_STATES(X)
#undef X
      count,
};
inline constexpr size_t kStateCount = size_t(State::count);
inline constexpr size_t kTcpStateCount = size_t(State::udp);
inline constexpr size_t kSctpStateCount = size_t(State::sctp_closed) - size_t(State::sctp_none) + 1;

/** The word ipvsadm -Lc prints. */
constexpr const char* state_name(State state) {
  constexpr const char* kNames[] = {
#define X(id, name, active) name,
      VSNAT_FLOW_STATES(X)
#undef X
  };
  return kNames[size_t(state)];
}

/** Whether a flow in this state counts among its server's active connections (ActiveConn), else InActConn. */
constexpr bool is_active(State state) {
  constexpr bool kActive[] = {
#define X(id, name, active) active,
      VSNAT_FLOW_STATES(X)
#undef X
  };
  return kActive[size_t(state)];
}

/** Closed flows may be replaced by a new connection of the same client port (conn_reuse_mode=1). */
constexpr bool is_closed(State state) {
  return state == State::time_wait || state == State::close || state == State::sctp_closed;
}

/** A flow whose handshake is not finished: the first to go when the table is full. */
constexpr bool is_half_open(State state) {
  if (state >= State::sctp_none && state < State::sctp_established) return true;
  return state == State::syn_recv || state == State::syn_sent || state == State::synack ||
         state == State::none || state == State::sctp_rejected;
}

/** Seconds an idle flow stays, by state. */
struct Timeouts {
  std::array<uint32_t, kStateCount> seconds{
      2, 900, 120, 60, 120, 120, 10, 60, 30,  120, 120, 300,         // TCP and UDP
      2, 4,   61,  61, 61,  61,  61, 61, 900, 61,  61,  61,  4, 61,  // SCTP
  };
};

/** usual: the kernel's tcp_states. secure: its tcp_states_dos, in force while secure_tcp defends. */
enum class TcpTable : uint8_t { usual, secure };

/** The state after a segment with these flags. RST outranks SYN outranks FIN outranks ACK; none of them
 * closes. */
State next_tcp_state_by_table(State state, Direction direction, uint8_t tcp_flags, TcpTable table);

inline State next_tcp_state(State state, Direction direction, uint8_t tcp_flags,
                            TcpTable table = TcpTable::usual) {
  // Nearly every segment: in both tables and directions it leaves things as they are.
  constexpr uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kAck = 0x10;
  if (state == State::established && (tcp_flags & (kFin | kSyn | kRst | kAck)) == kAck) [[likely]]
    return state;
  return next_tcp_state_by_table(state, direction, tcp_flags, table);
}

}  // namespace vsnat::flow
