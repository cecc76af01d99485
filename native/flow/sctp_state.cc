// SPDX-License-Identifier: Apache-2.0
#include "flow/sctp_state.h"

#include "wire/headers.h"

namespace vsnat::flow {
namespace {

// clang-format off
enum Short : uint8_t { NO, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL };
static_assert(CL + 1 == kSctpStateCount && uint8_t(State::sctp_none) + CL == uint8_t(State::sctp_closed),
              "the short names follow the enum");

// [direction][event][state]: ip_vs_proto_sctp.c's sctp_states, INPUT and OUTPUT.
constexpr uint8_t kNext[2][size_t(SctpEvent::count)][kSctpStateCount] = {
  {                        /* NO  I1  IN  CS  CR  CW  CO  CE  ES  SS  SR  SA  RJ  CL */
    /* data              */ { ES, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL },
    /* init              */ { I1, IN, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, IN, IN },
    /* init_ack          */ { CW, CW, CW, CS, CR, CO, CO, CE, ES, SS, SR, SA, RJ, CL },
    /* cookie_echo       */ { CR, IN, IN, CR, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL },
    /* cookie_ack        */ { ES, I1, IN, CS, CR, CW, CO, ES, ES, SS, SR, SA, RJ, CL },
    /* shutdown          */ { SR, I1, IN, CS, CR, CW, CO, CE, SR, SS, SR, SA, RJ, CL },
    /* shutdown_ack      */ { CL, IN, IN, CS, CR, CW, CO, CE, ES, CL, SR, CL, RJ, CL },
    /* shutdown_complete */ { CL, CL, CL, CS, CR, CW, CO, CE, ES, SS, SR, CL, RJ, CL },
    /* error             */ { CL, I1, IN, CS, CR, CW, CO, CL, ES, SS, SR, SA, RJ, CL },
    /* abort             */ { CL, CL, CL, CL, CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL },
  },
  {                        /* NO  I1  IN  CS  CR  CW  CO  CE  ES  SS  SR  SA  RJ  CL */
    /* data              */ { ES, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL },
    /* init              */ { CW, CW, CW, CW, CW, CW, CW, CW, ES, CW, CW, CW, CW, CW },
    /* init_ack          */ { CS, CS, CS, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL },
    /* cookie_echo       */ { CE, CE, CE, CE, CE, CE, CE, CE, ES, SS, SR, SA, RJ, CL },
    /* cookie_ack        */ { ES, ES, ES, ES, ES, ES, ES, ES, ES, SS, SR, SA, RJ, CL },
    /* shutdown          */ { SS, SS, SS, SS, SS, SS, SS, SS, SS, SS, SR, SA, RJ, CL },
    /* shutdown_ack      */ { SA, SA, SA, SA, SA, CW, CO, CE, ES, SA, SA, SA, RJ, CL },
    /* shutdown_complete */ { CL, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL },
    /* error             */ { CL, CL, CL, CL, CL, CW, CO, CE, ES, SS, SR, SA, RJ, CL },
    /* abort             */ { CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL },
  },
};
// clang-format on

}  // namespace

SctpEvent sctp_event(uint8_t chunk_type) {
  using wire::sctp_chunk_hdr;
  switch (chunk_type) {
    case sctp_chunk_hdr::kInit:
      return SctpEvent::init;
    case sctp_chunk_hdr::kInitAck:
      return SctpEvent::init_ack;
    case sctp_chunk_hdr::kAbort:
      return SctpEvent::abort;
    case sctp_chunk_hdr::kShutdown:
      return SctpEvent::shutdown;
    case sctp_chunk_hdr::kShutdownAck:
      return SctpEvent::shutdown_ack;
    case sctp_chunk_hdr::kError:
      return SctpEvent::error;
    case sctp_chunk_hdr::kCookieEcho:
      return SctpEvent::cookie_echo;
    case sctp_chunk_hdr::kCookieAck:
      return SctpEvent::cookie_ack;
    case sctp_chunk_hdr::kShutdownComplete:
      return SctpEvent::shutdown_complete;
    default:
      return SctpEvent::data;
  }
}

State next_sctp_state(State state, Direction direction, SctpEvent event) {
  const size_t from = size_t(state) - size_t(State::sctp_none);
  if (from >= kSctpStateCount) return State::sctp_none;
  const uint8_t next = kNext[size_t(direction)][size_t(event)][from];
  return State(size_t(State::sctp_none) + next);
}

}  // namespace vsnat::flow
