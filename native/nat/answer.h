// SPDX-License-Identifier: Apache-2.0
//
// What the director says itself, where a host with the VIP would: a RST, an ICMP unreachable, the answer to a
// ping. Each function turns the packet in its buffer into the answer and returns its length. Answers are
// never longer than what caused them by more than the ICMP and IP headers, never about an ICMP error (RFC
// 1122 section 3.2.2), and the caller asks the AnswerBudget first.
//
// TTL: the answer crosses this host's forwarding once on its way out, so 65 here arrives like a host's
// own 64.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "wire/packet.h"

namespace vsnat::nat {

inline constexpr uint8_t kAnswerTtl = 65;

/** Bytes an ICMP unreachable may add in front of its quote. The buffer must have room for them. */
inline constexpr size_t kAnswerHeadroom = 48;

/**
 * Is the TCP or UDP checksum right, as far as it can be told? A forwarded packet is the receiver's to judge; one that
 * is answered here has nobody else, and its addresses may be what was damaged.
 */
bool transport_checksum_ok(const wire::PacketView& packet);

/** Swap the ends of an echo request and make it a reply. In place, same length. */
uint32_t make_echo_reply(const wire::PacketView& packet);

/**
 * The same for one piece of an echo request in fragments, which becomes the piece of the reply at the same place. The
 * first piece's checksum, which is over bytes that are not here, changes by what the type does: the ends only swap. 0
 * when the first piece's ICMP header stands behind headers that would not be sent back.
 */
uint32_t make_echo_reply_piece(const wire::PacketView& packet);

/** RFC 9293 section 3.10.7.1: the RST a closed port sends. */
uint32_t make_tcp_reset(const wire::PacketView& packet);

/**
 * RFC 9260 section 8.4: what an SCTP host says of a packet it knows no association for. ABORT, or SHUTDOWN COMPLETE
 * to a SHUTDOWN ACK, with the tag of the packet reflected; 0 when it says nothing.
 */
uint32_t make_sctp_abort(const wire::PacketView& packet);

/**
 * An ICMP error about `packet`, from its destination, quoting as much as a host may: 576 bytes in IPv4 (RFC
 * 1812 section 4.3.2.3), 1280 in IPv6 (RFC 4443 section 2.4). `rest` is the header's second word.
 */
uint32_t make_icmp_error(const wire::PacketView& packet, uint8_t type, uint8_t code, uint32_t rest);

/** Port unreachable about `packet`, from `source` instead of the packet's destination, which is not ours. */
template <class Addr>
uint32_t make_port_unreachable_from(const wire::PacketView& packet, const Addr& source);

/**
 * How many answers may leave: one bucket for all and one per client, so that one client's port scan does not
 * eat the others' answers. Per worker; time is an argument. (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4
 * f.)
 */
class AnswerBudget {
 public:
  static constexpr uint32_t kPerSecond = 1000, kBurst = 500;
  static constexpr uint32_t kPerSecondPerClient = 250, kBurstPerClient = 250;

  /** `client_hash` is the flow table's keyed hash of the client, so buckets cannot be aimed at. */
  bool allow(uint64_t now_ms, uint64_t client_hash);

 private:
  struct Bucket {
    uint64_t at_ms = 0;
    uint32_t milli_tokens = 0;  // thousandths, so that slow refills are exact
    bool used = false;

    void refill(uint64_t now_ms, uint32_t per_second, uint32_t burst);
  };

  Bucket all_;
  std::array<Bucket, 1024> clients_{};
};

}  // namespace vsnat::nat
