// SPDX-License-Identifier: Apache-2.0
//
// Tables of packets and what parse() makes of them: refused for one reason, or read as the reference reads
// it.
#pragma once

#include <vector>

#include "base/drop_reason.h"
#include "test/native/support/packets.h"

namespace vsnat::test {

struct Refused {
  const char* name;
  PacketBuilder packet;
  DropReason reason;
};
void check_refused(const std::vector<Refused>& cases);

struct Accepted {
  const char* name;
  PacketBuilder packet;
};
void check_accepted(const std::vector<Accepted>& cases);

/** An IPv4 option of this type, `length` bytes in all. */
Bytes ip_option(uint8_t type, size_t length);

}  // namespace vsnat::test
