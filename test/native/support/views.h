// SPDX-License-Identifier: Apache-2.0
//
// parse() as a test wants to see it: packet in, everything it said out. The bytes are given to it in a heap
// block of exactly their size, so that AddressSanitizer sees a read one byte too far.
#pragma once

#include <cstring>
#include <memory>
#include <string>

#include "test/native/support/packets.h"
#include "wire/packet.h"

namespace vsnat::test {

/** A copy of some bytes with nothing behind it. */
class ExactBytes {
 public:
  explicit ExactBytes(std::span<const uint8_t> bytes)
      : size_(bytes.size()), data_(new uint8_t[bytes.size()]) {
    if (size_ != 0) std::memcpy(data_.get(), bytes.data(), size_);
  }
  std::span<uint8_t> span() { return {data_.get(), size_}; }

 private:
  size_t size_;
  std::unique_ptr<uint8_t[]> data_;
};

struct Parsed {
  DropReason reason = DropReason::count;
  wire::PacketView view;  // its bytes are gone; only numbers are of use
  wire::vnet_hdr vnet;    // normalised
};

/** What a view of `size` bytes promises and breaks; empty when it keeps its word. */
std::string broken_promise(const wire::PacketView& view, const wire::vnet_hdr& vnet, size_t size);

/** Parses, and checks that no byte was changed and that a good view keeps its promises. */
Parsed parsed(const Packet& packet);
Parsed parsed(std::span<const uint8_t> bytes, wire::vnet_hdr vnet = {});

/** parse_quote over exactly these bytes. */
DropReason quoted(std::span<const uint8_t> quote, int family, wire::QuoteView* view = nullptr);

}  // namespace vsnat::test
