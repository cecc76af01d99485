// SPDX-License-Identifier: Apache-2.0
#include "test/native/support/parse_tables.h"

#include "test/native/check.h"
#include "test/native/support/reference.h"
#include "test/native/support/views.h"

namespace vsnat::test {

using wire::kNoDrop;

void check_refused(const std::vector<Refused>& cases) {
  for (const Refused& c : cases) {
    ROW(c.name);
    CHECK_EQ(parsed(c.packet.build()).reason, c.reason);
  }
}

void check_accepted(const std::vector<Accepted>& cases) {
  for (const Accepted& c : cases) {
    ROW(c.name);
    const Packet packet = c.packet.build();
    const Parsed p = parsed(packet);
    if (!CHECK_EQ(p.reason, kNoDrop)) continue;
    const std::optional<Anatomy> want = dissect(packet.bytes);
    if (!CHECK(want.has_value())) continue;
    CHECK_EQ(int(p.view.family), want->family);
    CHECK_EQ(size_t(p.view.l4_offset), want->l4);
    CHECK_EQ(size_t(p.view.length), want->length);
    CHECK_EQ(p.view.protocol, want->protocol);
    CHECK_EQ(p.view.fragment, want->fragment);
    CHECK_EQ(packet.bytes[p.view.next_header_offset], want->protocol);
  }
}

Bytes ip_option(uint8_t type, size_t length) {
  Bytes bytes(length, 0x11);
  bytes[0] = type;
  bytes[1] = uint8_t(length);
  return bytes;
}

}  // namespace vsnat::test
