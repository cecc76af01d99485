// SPDX-License-Identifier: Apache-2.0
#include "nat/icmp_error.h"

#include "nat/rewrite.h"

namespace vsnat::nat {

using namespace wire;

bool icmp_checksum_ok(const PacketView& packet) {
  uint64_t sum = 0;
  if (packet.family == 6) {
    sum = sum_bytes(reinterpret_cast<const uint8_t*>(&packet.v6().saddr), 32) + packet.l4_length() +
          kProtoIcmp6;
  }
  return fold(sum_bytes(packet.l4(), packet.l4_length(), sum)) == 0xffff;
}

bool icmp_mtu_ok(const PacketView& packet) {
  const icmp_hdr& icmp = packet.icmp();
  if (packet.family == 4) {
    if (icmp.type != icmp4::kUnreachable || icmp.code != icmp4::kFragNeeded) return true;
    const uint32_t mtu = icmp.rest.host() & 0xffff;
    return mtu == 0 || mtu >= 68;
  }
  return icmp.type != icmp6::kPacketTooBig || icmp.rest.host() >= 1280;
}

std::span<uint8_t> quote_of(const PacketView& packet) {
  return {packet.l4() + sizeof(icmp_hdr), packet.l4_length() - sizeof(icmp_hdr)};
}

namespace {

/** The words an error changes, gathered so that the ICMP checksum is fixed once. */
template <class Addr>
class QuoteRewrite {
 public:
  QuoteRewrite(const PacketView& packet, const QuoteView& quote) : packet_(packet), quote_(quote) {}

  void address(Addr& field, const Addr& value) {
    inner_.replace(&field, &value, sizeof(Addr));
    icmp_.replace(&field, &value, sizeof(Addr));
    field = value;
  }
  void port(be16& field, be16 value) {
    ports_.replace16(field.host(), value.host());
    word(field, value);
  }
  /** An address of the outer header: part of the ICMPv6 checksum's pseudo-header, and of the IPv4 header's
   * sum. */
  void outer(Addr& field, const Addr& value) {
    CsumDelta delta;
    delta.replace(&field, &value, sizeof(Addr));
    if constexpr (Addr::kFamily == 4) {
      be16& check = packet_.v4().check;
      check = be16::from_host(delta.onto_check(check.host()));
    } else {
      icmp_.add(delta);
    }
    field = value;
  }
  void finish() {
    if constexpr (Addr::kFamily == 4) {
      be16& check = quote_.v4().check;
      word(check, be16::from_host(inner_.onto_check(check.host())));
    }
    be16* check = quote_.check();
    if (check != nullptr && !(quote_.protocol == kProtoUdp && check->host() == 0)) {
      CsumDelta all = inner_;
      all.add(ports_);
      const uint16_t sum = all.onto_check(check->host());
      word(*check, be16::from_host(quote_.protocol == kProtoUdp && sum == 0 ? 0xffff : sum));
    }
    be16& icmp_check = packet_.icmp().check;
    icmp_check = be16::from_host(icmp_.onto_check(icmp_check.host()));
    give_back_hop(packet_);
  }

 private:
  /** Every field changed lies at an even distance from the ICMP header: IP headers are multiples of four. */
  void word(be16& field, be16 value) {
    icmp_.replace16(field.host(), value.host());
    field = value;
  }

  const PacketView& packet_;
  const QuoteView& quote_;
  CsumDelta icmp_, inner_, ports_;
};

template <class Addr>
Addr& quoted_source(const QuoteView& quote) {
  if constexpr (Addr::kFamily == 4) {
    return quote.v4().saddr;
  } else {
    return quote.v6().saddr;
  }
}

template <class Addr>
Addr& quoted_destination(const QuoteView& quote) {
  if constexpr (Addr::kFamily == 4) {
    return quote.v4().daddr;
  } else {
    return quote.v6().daddr;
  }
}

}  // namespace

template <class Addr>
void translate_error_about_request(const PacketView& packet, const QuoteView& quote,
                                   const flow::Flow<Addr>& flow) {
  QuoteRewrite<Addr> rewrite(packet, quote);
  rewrite.address(quoted_destination<Addr>(quote), flow.virt);
  rewrite.port(quote.dport(), flow.virtual_port);
  rewrite.outer(saddr<Addr>(packet), flow.virt);
  rewrite.finish();
}

template <class Addr>
void translate_error_about_reply(const PacketView& packet, const QuoteView& quote,
                                 const flow::Flow<Addr>& flow) {
  QuoteRewrite<Addr> rewrite(packet, quote);
  rewrite.address(quoted_source<Addr>(quote), flow.real);
  rewrite.port(quote.sport(), flow.real_port);
  rewrite.outer(daddr<Addr>(packet), flow.real);
  rewrite.finish();
}

template void translate_error_about_request(const PacketView&, const QuoteView&, const flow::Flow<Addr4>&);
template void translate_error_about_request(const PacketView&, const QuoteView&, const flow::Flow<Addr6>&);
template void translate_error_about_reply(const PacketView&, const QuoteView&, const flow::Flow<Addr4>&);
template void translate_error_about_reply(const PacketView&, const QuoteView&, const flow::Flow<Addr6>&);

}  // namespace vsnat::nat
