// SPDX-License-Identifier: Apache-2.0
//
// Packets quoted by ICMP errors. A quote may end right behind eight transport bytes, its length field
// promises the whole packet, and anybody may have written it.
#include <vector>

#include "test/native/check.h"
#include "test/native/support/reference.h"
#include "test/native/support/views.h"

namespace vsnat::test {
namespace {

using wire::kNoDrop;
using wire::QuoteView;

constexpr DropReason kBad = DropReason::icmp_quote, kNotOurs = DropReason::no_flow;

TEST("a quote is readable from eight transport bytes on, and its checksum only when it is there") {
  for (const int family : {4, 6}) {
    for (const bool is_tcp : {true, false}) {
      const PacketBuilder builder = (is_tcp ? tcp(family) : udp(family)).payload_bytes(80);
      const Bytes whole = builder.bytes();
      const size_t l4 = builder.l4_offset();
      for (size_t length = 0; length <= whole.size(); ++length) {
        QuoteView view;
        const DropReason reason = quoted({whole.data(), length}, family, &view);
        if (!CHECK_EQ(reason, length < l4 + 8 ? kBad : kNoDrop)) return;
        if (reason != kNoDrop) continue;
        if (!CHECK_EQ(size_t(view.l4_offset), l4)) return;
        const bool has_check = length >= l4 + (is_tcp ? 18 : 8);
        view.ip = const_cast<uint8_t*>(whole.data());
        if (!CHECK_EQ(view.check() != nullptr, has_check)) return;
        if (!CHECK_EQ(view.sport().host(), client_endpoint(family).port)) return;
        if (!CHECK_EQ(view.dport().host(), virtual_endpoint(family).port)) return;
      }
    }
  }
}

TEST("a quote with options is read behind them, at every header length") {
  for (size_t words = 0; words <= 10; ++words) {
    const Bytes quote = tcp4().ip_options(Bytes(words * 4, 1)).bytes();
    QuoteView view;
    if (!CHECK_EQ(quoted(quote, 4, &view), kNoDrop)) return;
    if (!CHECK_EQ(size_t(view.l4_offset), 20 + words * 4)) return;
    // Options are only skipped here, not judged: this packet was already forwarded once.
    if (!CHECK_EQ(quoted({quote.data(), 20 + words * 4 + 7}, 4), kBad)) return;
  }
}

TEST("only TCP, UDP and SCTP are flows; a quote of anything else is of none, all 256 of them") {
  for (int number = 0; number < 256; ++number) {
    const bool is_flow = number == 6 || number == 17 || number == 132;
    Bytes four = tcp4().bytes(), six = tcp6().payload_bytes(32).bytes();
    four[9] = uint8_t(number);
    reseal(four);
    six[6] = uint8_t(number);
    if (!CHECK_EQ(quoted(four, 4), is_flow ? kNoDrop : kNotOurs)) return;
    if (number == 0 || number == 43 || number == 44 || number == 60) continue;  // read as an extension header
    if (!CHECK_EQ(quoted(six, 6), is_flow ? kNoDrop : kNotOurs)) return;
  }
}

TEST("quotes that are read, and quotes that are refused") {
  const Bytes nested = icmp4().icmp(3, 3).payload(tcp4().bytes()).bytes();
  const struct {
    const char* name;
    int family;
    Bytes quote;
    DropReason want;
  } cases[] = {
      {"a total length of 65535", 4, tcp4().length_field(65535).bytes(), kNoDrop},
      {"a total length of 0, as some hosts leave behind", 4, tcp4().length_field(0).bytes(), kNoDrop},
      {"a TTL of 0: that is why it came back", 4, tcp4().ttl(0).bytes(), kNoDrop},
      {"a wrong transport checksum is none of our business", 4, tcp4().checksum(Csum::wrong).bytes(),
       kNoDrop},
      {"a UDP checksum of zero", 4, udp4().checksum(Csum::absent).bytes(), kNoDrop},
      {"the first fragment of a datagram", 4, udp4().fragment_field(0x2000).payload_bytes(40).bytes(),
       kNoDrop},
      {"a later fragment, which has no ports", 4, udp4().fragment_field(0x0001).payload_bytes(40).bytes(),
       kNotOurs},
      {"a wrong IP header checksum", 4, tcp4().ip_checksum_off_by(1).bytes(), kBad},
      {"version 6 in an IPv4 error", 4, tcp6().bytes(), kBad},
      {"version 4 in an IPv6 error", 6, tcp4().payload_bytes(60).bytes(), kBad},
      {"IHL 4", 4, tcp4().header_words(4).bytes(), kBad},
      {"IHL beyond the quote", 4, tcp4().ip_options(Bytes(40, 1)).truncate(50).bytes(), kBad},
      {"an ICMP error", 4, nested, kNotOurs},
      {"an ICMP echo", 4, icmp4().bytes(), kNotOurs},
      {"a payload length of 65535", 6, tcp6().length_field(65535).bytes(), kNoDrop},
      {"extension headers", 6, tcp6().extension(0).extension(60).bytes(), kNoDrop},
      {"a chain that ends inside an extension header", 6,
       tcp6().extension(60, Bytes(30, 0)).truncate(60).bytes(), kBad},
      {"a chain that ends before the ports", 6, tcp6().extension(60).truncate(55).bytes(), kBad},
      {"an IPv6 first fragment", 6, udp6().fragment_header(0x0001).payload_bytes(8).bytes(), kNoDrop},
      {"an IPv6 first fragment with options behind the fragment header", 6,
       udp6().fragment_header(0x0001).extension(60, {1, 4, 0, 0, 0, 0}).payload_bytes(8).bytes(), kNoDrop},
      {"an IPv6 later fragment, which has no ports", 6,
       udp6().fragment_header(0x0b51).payload_bytes(8).bytes(), kNotOurs},
      {"an IPv6 later fragment behind options", 6,
       udp6().extension(60).fragment_header(0x0b50).payload_bytes(8).bytes(), kNotOurs},
  };
  for (const auto& c : cases) {
    ROW(c.name);
    CHECK_EQ(quoted(c.quote, c.family), c.want);
  }
}

TEST("every byte of a quote may have any value, at every length") {
  for (const int family : {4, 6}) {
    Bytes quote = family == 4 ? tcp4().ip_options({7, 7, 4, 1, 2, 3, 4}).bytes()
                              : udp6().extension(0).fragment_header(1).extension(60).bytes();
    for (size_t at = 0; at < quote.size(); ++at) {
      const uint8_t before = quote[at];
      for (int value = 0; value < 256; ++value) {
        quote[at] = uint8_t(value);
        if (family == 4 && at != 10 && at != 11) reseal(quote);
        for (size_t length = 0; length <= quote.size(); length += 1 + at % 3)
          quoted({quote.data(), length}, family);
      }
      quote[at] = before;
      if (family == 4) reseal(quote);
    }
  }
}

}  // namespace
}  // namespace vsnat::test
