// SPDX-License-Identifier: Apache-2.0
//
// parse() and parse_quote() over anything. Rules: nothing is read beyond the bytes (the sanitizer's business), nothing
// is written, a view that is called good keeps its promises, and says what the slow reader says.
#include <cstring>

#include "test/fuzz/targets.h"
#include "test/native/check.h"
#include "test/native/support/reference.h"
#include "test/native/support/views.h"

namespace vsnat::test {
namespace {

void check_one(std::span<const uint8_t> bytes, const wire::vnet_hdr& vnet) {
  const Parsed p = parsed(bytes, vnet);
  if (p.reason != wire::kNoDrop) return;
  const std::optional<Anatomy> want = dissect(bytes);
  if (!CHECK(want.has_value())) return;
  CHECK_EQ(size_t(p.view.l4_offset), want->l4);
  CHECK_EQ(size_t(p.view.length), want->length);
  CHECK_EQ(p.view.protocol, want->protocol);
  CHECK_EQ(p.view.fragment, want->fragment);
}

}  // namespace

void append_header(Bytes& out, const wire::vnet_hdr& vnet) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&vnet);
  out.insert(out.end(), bytes, bytes + sizeof vnet);
}

void fuzz_parse(std::span<const uint8_t> input) {
  wire::vnet_hdr vnet;
  if (input.size() < sizeof vnet) return;
  std::memcpy(&vnet, input.data(), sizeof vnet);
  const std::span<const uint8_t> bytes = input.subspan(sizeof vnet);
  check_one(bytes, vnet);
  quoted(bytes, 4);
  quoted(bytes, 6);
  if (bytes.size() < 20 || bytes[0] >> 4 != 4) return;
  Bytes sealed(bytes.begin(), bytes.end());
  reseal(sealed);
  check_one(sealed, vnet);
  quoted(sealed, 4);
}

std::vector<Bytes> parse_seeds() {
  const PacketBuilder packets[] = {
      tcp4().flags(kSyn).tcp_options({2, 4, 5, 180, 1, 3, 3, 7}),
      tcp4().ip_options({7, 7, 4, 1, 2, 3, 4, 0}).payload_bytes(10),
      tcp4().payload_bytes(600).gso(200),
      udp4().payload_bytes(30).checksum(Csum::partial),
      udp4().fragment_field(0x2000).payload_bytes(24),
      icmp4().icmp(3, 4, 1400).payload(tcp4().bytes()),
      tcp6().flags(kSyn).checksum(Csum::partial),
      tcp6().extension(0, {5, 2, 0, 0}).extension(43).extension(60).payload_bytes(4),
      udp6().fragment_header(1).payload_bytes(24),
      udp6().payload_bytes(600).gso(200),
      icmp6().icmp(2, 0, 1280).payload(udp6().extension(60).bytes()),
  };
  std::vector<Bytes> seeds;
  for (const PacketBuilder& builder : packets) {
    const Packet packet = builder.build();
    Bytes seed;
    append_header(seed, packet.vnet);
    seed.insert(seed.end(), packet.bytes.begin(), packet.bytes.end());
    seeds.push_back(std::move(seed));
  }
  return seeds;
}

}  // namespace vsnat::test
