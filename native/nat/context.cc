// SPDX-License-Identifier: Apache-2.0
#include "nat/context.h"

#include "nat/answer.h"

namespace vsnat::nat {

using namespace wire;

/** The budget is per client: a scan is one address with many ports, so the flow's hash would not do. */
bool Context::may_answer() const {
  const uint64_t client = view().family == 4 ? core.tables.v4.hash(0, view().v4().saddr, be16{})
                                             : core.tables.v6.hash(0, view().v6().saddr, be16{});
  return core.budget.allow(now.ms, client);
}

Outcome Context::answer_reset(DropReason reason) {
  if (!transport_checksum_ok(view())) return dropped(DropReason::l4_csum);
  return answer(reason, Generated::tcp_reset, make_tcp_reset);
}

Outcome Context::answer_sctp_abort(DropReason reason) {
  if (!may_answer()) return dropped(DropReason::rate_limited);
  const uint32_t length = make_sctp_abort(view());
  if (length == 0) return dropped(reason);
  packet.length = length;
  packet.vnet = vnet_hdr{};
  return {Verdict::answer, reason, Generated::sctp_abort};
}

Outcome Context::answer_proto_unreachable(DropReason reason) {
  return answer(reason, Generated::proto_unreachable, [](const PacketView& p) {
    give_back_hop(p);
    return p.family == 4 ? make_icmp_error(p, icmp4::kUnreachable, icmp4::kProtoUnreachable, 0)
                         : make_icmp_error(p, icmp6::kParameterProblem, icmp6::kUnrecognizedNextHeader,
                                           p.next_header_offset);
  });
}

Outcome Context::answer_port_unreachable(DropReason reason) {
  if (!transport_checksum_ok(view())) return dropped(DropReason::l4_csum);
  return answer(reason, Generated::port_unreachable, [](const PacketView& p) {
    give_back_hop(p);  // the quote shows the packet as it arrived here
    return p.family == 4 ? make_icmp_error(p, icmp4::kUnreachable, icmp4::kPortUnreachable, 0)
                         : make_icmp_error(p, icmp6::kUnreachable, icmp6::kPortUnreachable, 0);
  });
}

}  // namespace vsnat::nat
