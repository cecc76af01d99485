// SPDX-License-Identifier: Apache-2.0
//
// A connection told packet by packet, on a clock of microseconds, and what was noticed of its server.
#pragma once

#include <string>

#include "nat/measure.h"
#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"

namespace vsnat::test {

/** What client and server say next when their handshake is done. */
inline constexpr uint32_t kC = Handshake::kClientNext, kS = Handshake::kServerNext;

inline PacketBuilder client_says(int family, uint8_t flags, uint32_t seq, uint32_t ack, size_t payload = 0) {
  return tcp(family).flags(flags).seq(seq).ack(ack).payload_bytes(payload);
}
inline PacketBuilder server_says(int family, uint8_t flags, uint32_t seq, uint32_t ack, size_t payload = 0) {
  return from_server(family, flags).seq(seq).ack(ack).payload_bytes(payload);
}

inline uint64_t samples(const nat::Histogram& histogram) {
  uint64_t sum = 0;
  for (const Counter& count : histogram.counts) sum += count.read();
  return sum;
}

/** "2 in 300000us": how many samples, and their sum. */
inline std::string text_of(const nat::Histogram& histogram) {
  return std::to_string(samples(histogram)) + " in " + std::to_string(histogram.sum_us.read()) + "us";
}

/** A lab whose clock moves by microseconds, and one server of it. */
struct Scene {
  explicit Scene(int f, uint32_t slot_of_family = 0)
      : family(f), slot((f == 4 ? 0u : 16u) + slot_of_family) {}

  void wait_us(uint64_t us) {
    const uint64_t all = lab.now.us + us;
    lab.now.ms += all / 1000;
    lab.now.us = uint32_t(all % 1000);
  }
  /** One packet `us` after the one before it. */
  void after(uint64_t us, const PacketBuilder& packet) {
    wait_us(us);
    CHECK(lab.send(packet).forwarded());
  }
  void syn() { after(0, client_says(family, kSyn, kC - 1, 0)); }
  void syn_ack(uint64_t us) { after(us, server_says(family, kSyn | kAck, kS - 1, kC)); }
  void open() {
    syn();
    syn_ack(1);
    after(1, client_says(family, kAck, kC, kS));
  }
  const nat::ServerSignals& signals() { return lab.tally.signals(slot); }

  int family;
  uint32_t slot;
  NatLab lab;
};

}  // namespace vsnat::test
