// SPDX-License-Identifier: Apache-2.0
//
// The doors strangers' bytes come in by. A target takes any bytes, and aborts when a rule is broken; what the rules
// are stands in its file. seeds() gives inputs that reach deep from the start.
//
// Input formats: parse takes the ten bytes of a virtio header and a packet. step takes records of
// {control, length (2, big end first), virtio header (10), packet (length)}; control says which checksums and lengths
// are put right before the packet is sent, how far the clock moves, and whether connections are ended behind it, so that
// mutations get past the first checks. burst takes the same; packets between two movements of the clock come together.
// ftp takes records of {control, length (1), text}: what the two ends of an FTP control connection say.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "test/native/support/packets.h"

namespace vsnat::test {

void fuzz_parse(std::span<const uint8_t> input);
std::vector<Bytes> parse_seeds();

inline constexpr uint8_t kSealIp = 1, kFixLength = 2, kSealIcmp = 4, kSealTcp = 32, kSilence = 64,
                         kExpire = 128;
inline constexpr uint8_t kClockShift = 3;  // two bits: 0 s, 1 s, 61 s, 901 s

void fuzz_step(std::span<const uint8_t> input);
std::vector<Bytes> step_seeds();

void fuzz_burst(std::span<const uint8_t> input);
std::vector<Bytes> burst_seeds();

void fuzz_ftp(std::span<const uint8_t> input);
std::vector<Bytes> ftp_seeds();

/** The packet as parse's input begins with it. */
void append_header(Bytes& out, const wire::vnet_hdr& vnet);

}  // namespace vsnat::test
