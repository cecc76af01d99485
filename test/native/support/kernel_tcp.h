// SPDX-License-Identifier: Apache-2.0
//
// The TCP tables of ip_vs_proto_tcp.c (Linux 6.12) as text, one row per state: from it, on syn, fin, ack, rst of the
// client, then of the real server. The code has one row per event, so a slip in one is no slip in the other.
#pragma once

#include <string>

namespace vsnat::test {

inline constexpr const char* kKernelTcp[][9] = {
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

/** tcp_states_dos: while secure_tcp defends. */
inline constexpr const char* kKernelSecureTcp[][9] = {
    {"NO", "SR", "CL", "ES", "CL", "SS", "TW", "ES", "CL"},
    {"ES", "ES", "CW", "ES", "CL", "ES", "FW", "ES", "CL"},
    {"SS", "ES", "SS", "SS", "CL", "SS", "SS", "SS", "SS"},
    {"SR", "SR", "TW", "SR", "SR", "SA", "TW", "ES", "CL"},
    {"FW", "SR", "TW", "FW", "CL", "SS", "FW", "FW", "CL"},
    {"TW", "SR", "TW", "TW", "CL", "SS", "TW", "TW", "TW"},
    {"CL", "SR", "CL", "CL", "CL", "SS", "CL", "CL", "CL"},
    {"CW", "SR", "CW", "CW", "CL", "SS", "TW", "CW", "CL"},
    {"LA", "SR", "LA", "CL", "LA", "SS", "LA", "LA", "CL"},
    {"LI", "SR", "LI", "LI", "LI", "LI", "LI", "ES", "CL"},
    {"SA", "SA", "SA", "SA", "CL", "SA", "TW", "ES", "CL"},
};

struct KernelState {
  const char* brief;
  const char* name;
  int seconds;
  bool active;
};
inline constexpr KernelState kKernelStates[] = {
    {"NO", "NONE", 2, false},     {"ES", "ESTABLISHED", 900, true}, {"SS", "SYN_SENT", 120, true},
    {"SR", "SYN_RECV", 60, true}, {"FW", "FIN_WAIT", 120, false},   {"TW", "TIME_WAIT", 120, false},
    {"CL", "CLOSE", 10, false},   {"CW", "CLOSE_WAIT", 60, false},  {"LA", "LAST_ACK", 30, false},
    {"LI", "LISTEN", 120, false}, {"SA", "SYNACK", 120, true},      {"UD", "UDP", 300, false},
};
inline const KernelState& kernel_state(const std::string& brief) {
  for (const KernelState& state : kKernelStates) {
    if (brief == state.brief) return state;
  }
  return kKernelStates[0];
}

/** The next state, by the table; a segment without RST, SYN, FIN and ACK closes. */
inline std::string kernel_next(bool secure, const std::string& from, bool reply, uint8_t flags) {
  const int event = flags & 4 ? 3 : flags & 2 ? 0 : flags & 1 ? 1 : flags & 16 ? 2 : -1;
  if (event < 0) return "CL";
  for (const auto& row : secure ? kKernelSecureTcp : kKernelTcp) {
    if (from == row[0]) return row[1 + (reply ? 4 : 0) + event];
  }
  return "NO";
}

}  // namespace vsnat::test
