// SPDX-License-Identifier: Apache-2.0
//
// Packets by name instead of hex: tcp4().from(kClient).to(kVip).flags(kSyn).bytes(). Everything has a default
// that parses, lengths and checksums come out right unless a call says otherwise, and the lies (a length
// field, a checksum, a missing tail) are applied last. Written from the RFCs with its own arithmetic
// (support/reference.h); it shares no line with native/wire.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "wire/address.h"
#include "wire/vnet_hdr.h"

namespace vsnat::test {

using Bytes = std::vector<uint8_t>;

/** An address of either family, as bytes on the wire. */
struct Address {
  int family = 4;
  std::array<uint8_t, 16> bytes{};

  friend bool operator==(const Address&, const Address&) = default;
  size_t size() const { return family == 4 ? 4 : 16; }
  wire::Addr4 v4() const;
  wire::Addr6 v6() const;
  template <class Addr>
  Addr as() const {
    if constexpr (Addr::kFamily == 4)
      return v4();
    else
      return v6();
  }
};

Address ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d);
/** Eight groups, as in 2001:db8:0:0:0:0:0:7. */
Address ip6(std::array<uint16_t, 8> groups);
Address address_of(const wire::Addr4& address);
Address address_of(const wire::Addr6& address);

struct Endpoint {
  Address address;
  uint16_t port = 0;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/** The documentation addresses every test speaks of (RFC 5737, RFC 3849). */
Endpoint client_endpoint(int family);   // 198.51.100.7:49153
Endpoint virtual_endpoint(int family);  // 192.0.2.10:80
Endpoint real_endpoint(int family);     // 10.0.0.1:8080

/** Bytes of a packet and the metadata a TUN would have delivered with them. */
struct Packet {
  Bytes bytes;
  wire::vnet_hdr vnet;

  std::span<uint8_t> span() { return bytes; }
};

inline constexpr uint8_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16, kUrg = 32, kEce = 64, kCwr = 128;

enum class Csum : uint8_t {
  full,     // finished and right
  wrong,    // finished and off by one
  partial,  // NEEDS_CSUM: the pseudo-header's sum, to be completed
  absent,   // zero
};

class PacketBuilder {
 public:
  PacketBuilder(int family, uint8_t protocol);

  PacketBuilder& from(Endpoint e) { return source_ = e, *this; }
  PacketBuilder& to(Endpoint e) { return destination_ = e, *this; }
  PacketBuilder& source_port(uint16_t port) { return source_.port = port, *this; }
  PacketBuilder& destination_port(uint16_t port) { return destination_.port = port, *this; }

  PacketBuilder& ttl(uint8_t ttl) { return ttl_ = ttl, *this; }
  /** Type of service, or traffic class. */
  PacketBuilder& tos(uint8_t tos) { return tos_ = tos, *this; }
  PacketBuilder& ip_id(uint16_t id) { return id_ = id, *this; }
  /** The whole 16 bits: reserved, DF, MF, offset. */
  PacketBuilder& fragment_field(uint16_t field) { return fragment_field_ = field, *this; }
  /** IPv4 options; padded to a multiple of four with zeros. */
  PacketBuilder& ip_options(Bytes options) { return ip_options_ = std::move(options), *this; }
  PacketBuilder& flow_label(uint32_t label) { return flow_label_ = label, *this; }
  /** An IPv6 extension header: `content` follows next header and length, and is padded with zeros to 8 bytes.
   */
  PacketBuilder& extension(uint8_t type, Bytes content = {});
  /** An IPv6 fragment header. */
  PacketBuilder& fragment_header(uint16_t offset_and_more, uint32_t id = 0x01020304);

  PacketBuilder& flags(uint8_t flags) { return flags_ = flags, *this; }
  PacketBuilder& seq(uint32_t seq) { return seq_ = seq, *this; }
  PacketBuilder& ack(uint32_t ack) { return ack_ = ack, *this; }
  PacketBuilder& window(uint16_t window) { return window_ = window, *this; }
  PacketBuilder& urgent(uint16_t pointer) { return urgent_ = pointer, *this; }
  /** Padded to a multiple of four with zeros. */
  PacketBuilder& tcp_options(Bytes options) { return tcp_options_ = std::move(options), *this; }
  PacketBuilder& reserved_bits(uint8_t bits) { return reserved_bits_ = bits, *this; }

  PacketBuilder& icmp(uint8_t type, uint8_t code, uint32_t rest = 0);

  /** SCTP: another chunk, padded to four bytes. Without any the packet is a DATA chunk around the payload. */
  PacketBuilder& chunk(uint8_t type, Bytes value = {}, uint8_t flags = 0);
  PacketBuilder& vtag(uint32_t tag) { return vtag_ = tag, *this; }

  PacketBuilder& payload(Bytes payload) { return payload_ = std::move(payload), *this; }
  /** `n` bytes of a pattern without period 2, so that a shift or a swap shows. */
  PacketBuilder& payload_bytes(size_t n);
  PacketBuilder& checksum(Csum kind) { return checksum_ = kind, *this; }
  /** A superpacket: NEEDS_CSUM and a segmentation kind that fits, unless `gso_type` is given. */
  PacketBuilder& gso(uint16_t segment_size, uint8_t gso_type = 0);

  // Lies, applied to the finished bytes.
  PacketBuilder& length_field(uint16_t value) { return lie_length_ = value, *this; }
  PacketBuilder& udp_length(uint16_t value) { return lie_udp_length_ = value, *this; }
  PacketBuilder& data_offset(uint8_t words) { return lie_doff_ = words, *this; }
  /** Header checksums are computed after this one, so that only the length is wrong. */
  PacketBuilder& header_words(uint8_t words) { return lie_ihl_ = words, *this; }
  PacketBuilder& version(uint8_t version) { return lie_version_ = version, *this; }
  PacketBuilder& ip_checksum_off_by(uint16_t difference) { return ip_checksum_off_ = difference, *this; }
  /** Cut the frame to its first `n` bytes; every length field still promises the whole. */
  PacketBuilder& truncate(size_t n) { return truncate_ = int(n), *this; }
  /** Append bytes that belong to no header's length. */
  PacketBuilder& trailer(size_t n) { return trailer_ = n, *this; }

  Packet build() const;
  Bytes bytes() const { return build().bytes; }
  /** Where the transport header begins. */
  size_t l4_offset() const;
  int family() const { return family_; }

 private:
  struct Extension {
    uint8_t type;
    Bytes bytes;  // with a hole where the next header's number goes
  };
  Bytes transport() const;

  int family_;
  uint8_t protocol_;
  Endpoint source_, destination_;
  uint8_t ttl_ = 64, tos_ = 0, flags_ = kAck, reserved_bits_ = 0;
  uint16_t id_ = 0x1234, fragment_field_ = 0x4000, window_ = 64240, urgent_ = 0;
  uint32_t flow_label_ = 0, seq_ = 0x11223344, ack_ = 0;
  uint8_t icmp_type_ = 8, icmp_code_ = 0;
  uint32_t icmp_rest_ = 0;
  uint32_t vtag_ = 0x5c7b0001;
  Bytes ip_options_, tcp_options_, payload_, chunks_;
  std::vector<Extension> extensions_;
  Csum checksum_ = Csum::full;
  uint16_t gso_size_ = 0;
  uint8_t gso_type_ = 0;
  int lie_length_ = -1, lie_udp_length_ = -1, lie_doff_ = -1, lie_ihl_ = -1, lie_version_ = -1,
      truncate_ = -1;
  uint16_t ip_checksum_off_ = 0;
  size_t trailer_ = 0;
};

/** Client to VIP, unless from() and to() say otherwise. */
PacketBuilder tcp(int family);
PacketBuilder udp(int family);
PacketBuilder sctp(int family);
PacketBuilder icmp(int family);
PacketBuilder protocol(int family, uint8_t number);
inline PacketBuilder tcp4() {
  return tcp(4);
}
inline PacketBuilder tcp6() {
  return tcp(6);
}
inline PacketBuilder udp4() {
  return udp(4);
}
inline PacketBuilder udp6() {
  return udp(6);
}
inline PacketBuilder icmp4() {
  return icmp(4);
}
inline PacketBuilder icmp6() {
  return icmp(6);
}

void put16(Bytes& bytes, size_t at, uint16_t value);
uint16_t get16(std::span<const uint8_t> bytes, size_t at);
uint32_t get32(std::span<const uint8_t> bytes, size_t at);
/** Little endian. */
void put32_le(Bytes& bytes, size_t at, uint32_t value);
uint32_t get32_le(std::span<const uint8_t> bytes, size_t at);

/** Recompute an IPv4 header's checksum after a test has edited it. */
void reseal(Bytes& packet);

}  // namespace vsnat::test
