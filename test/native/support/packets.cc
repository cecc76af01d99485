// SPDX-License-Identifier: Apache-2.0
#include "test/native/support/packets.h"

#include <cstring>

#include "test/native/support/reference.h"

namespace vsnat::test {
namespace {

constexpr uint8_t kTcp = 6, kUdp = 17, kFragmentHeader = 44, kSctp = 132;

void append16(Bytes& bytes, uint16_t value) {
  bytes.push_back(uint8_t(value >> 8));
  bytes.push_back(uint8_t(value));
}
void append32(Bytes& bytes, uint32_t value) {
  append16(bytes, uint16_t(value >> 16));
  append16(bytes, uint16_t(value));
}
void append(Bytes& bytes, const Address& address) {
  bytes.insert(bytes.end(), address.bytes.begin(), address.bytes.begin() + long(address.size()));
}
void pad(Bytes& bytes, size_t multiple) {
  while (bytes.size() % multiple != 0) bytes.push_back(0);
}

}  // namespace

wire::Addr4 Address::v4() const {
  wire::Addr4 a;
  std::memcpy(&a, bytes.data(), 4);
  return a;
}
wire::Addr6 Address::v6() const {
  wire::Addr6 a;
  std::memcpy(&a, bytes.data(), 16);
  return a;
}

Address ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
  return {4, {a, b, c, d}};
}

Address ip6(std::array<uint16_t, 8> groups) {
  Address address{6, {}};
  for (size_t i = 0; i < 8; ++i) {
    address.bytes[2 * i] = uint8_t(groups[i] >> 8);
    address.bytes[2 * i + 1] = uint8_t(groups[i]);
  }
  return address;
}

Address address_of(const wire::Addr4& address) {
  Address a{4, {}};
  std::memcpy(a.bytes.data(), &address, 4);
  return a;
}
Address address_of(const wire::Addr6& address) {
  Address a{6, {}};
  std::memcpy(a.bytes.data(), &address, 16);
  return a;
}

Endpoint client_endpoint(int family) {
  return {family == 4 ? ip4(198, 51, 100, 7) : ip6({0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 7}), 49153};
}
Endpoint virtual_endpoint(int family) {
  return {family == 4 ? ip4(192, 0, 2, 10) : ip6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x80}), 80};
}
Endpoint real_endpoint(int family) {
  return {family == 4 ? ip4(10, 0, 0, 1) : ip6({0x2001, 0xdb8, 1, 0, 0, 0, 0, 1}), 8080};
}

PacketBuilder::PacketBuilder(int family, uint8_t protocol)
    : family_(family),
      protocol_(protocol),
      source_(client_endpoint(family)),
      destination_(virtual_endpoint(family)) {}

PacketBuilder& PacketBuilder::extension(uint8_t type, Bytes content) {
  Bytes header{0, 0};
  header.insert(header.end(), content.begin(), content.end());
  pad(header, 8);
  header[1] = uint8_t(header.size() / 8 - 1);
  extensions_.push_back({type, std::move(header)});
  return *this;
}

PacketBuilder& PacketBuilder::fragment_header(uint16_t offset_and_more, uint32_t id) {
  Bytes header{0, 0};
  append16(header, offset_and_more);
  append32(header, id);
  extensions_.push_back({kFragmentHeader, std::move(header)});
  return *this;
}

PacketBuilder& PacketBuilder::icmp(uint8_t type, uint8_t code, uint32_t rest) {
  icmp_type_ = type;
  icmp_code_ = code;
  icmp_rest_ = rest;
  return *this;
}

PacketBuilder& PacketBuilder::chunk(uint8_t type, Bytes value, uint8_t flags) {
  chunks_.insert(chunks_.end(), {type, flags});
  append16(chunks_, uint16_t(4 + value.size()));
  chunks_.insert(chunks_.end(), value.begin(), value.end());
  pad(chunks_, 4);
  return *this;
}

PacketBuilder& PacketBuilder::payload_bytes(size_t n) {
  payload_.resize(n);
  for (size_t i = 0; i < n; ++i) payload_[i] = uint8_t(i * 167 + (i >> 8) + 13);
  return *this;
}

PacketBuilder& PacketBuilder::gso(uint16_t segment_size, uint8_t gso_type) {
  using wire::vnet_hdr;
  gso_size_ = segment_size;
  gso_type_ = gso_type != 0       ? gso_type
              : protocol_ == kUdp ? vnet_hdr::kGsoUdpL4
              : family_ == 4      ? vnet_hdr::kGsoTcp4
                                  : vnet_hdr::kGsoTcp6;
  checksum_ = Csum::partial;
  return *this;
}

size_t PacketBuilder::l4_offset() const {
  size_t at = family_ == 4 ? 20 + (ip_options_.size() + 3) / 4 * 4 : 40;
  for (const Extension& e : extensions_) at += e.bytes.size();
  return at;
}

Bytes PacketBuilder::transport() const {
  Bytes out;
  size_t check_at = 0;
  const bool is_icmp = protocol_ == (family_ == 4 ? 1 : 58);
  if (protocol_ == kTcp) {
    append16(out, source_.port);
    append16(out, destination_.port);
    append32(out, seq_);
    append32(out, ack_);
    out.push_back(reserved_bits_);
    out.push_back(flags_);
    append16(out, window_);
    check_at = out.size();
    append16(out, 0);
    append16(out, urgent_);
    out.insert(out.end(), tcp_options_.begin(), tcp_options_.end());
    pad(out, 4);
    const size_t words = lie_doff_ >= 0 ? size_t(lie_doff_) : out.size() / 4;
    out[12] = uint8_t(words << 4 | (reserved_bits_ & 15));
  } else if (protocol_ == kUdp) {
    append16(out, source_.port);
    append16(out, destination_.port);
    append16(out, uint16_t(lie_udp_length_ >= 0 ? size_t(lie_udp_length_) : 8 + payload_.size()));
    check_at = out.size();
    append16(out, 0);
  } else if (protocol_ == kSctp) {
    append16(out, source_.port);
    append16(out, destination_.port);
    append32(out, vtag_);
    append32(out, 0);
    if (chunks_.empty()) {
      out.insert(out.end(), {0, 3});  // DATA, a whole message
      append16(out, uint16_t(4 + payload_.size()));
      out.insert(out.end(), payload_.begin(), payload_.end());
      pad(out, 4);
    } else {
      out.insert(out.end(), chunks_.begin(), chunks_.end());
    }
    const uint32_t right = reference_crc32c(out);
    // What a device is left to complete is not looked at by anybody.
    if (checksum_ != Csum::absent)
      put32_le(out, 8, checksum_ == Csum::full ? right : checksum_ == Csum::wrong ? right + 1 : 0xdeadbeef);
    return out;
  } else if (is_icmp) {
    out.push_back(icmp_type_);
    out.push_back(icmp_code_);
    check_at = out.size();
    append16(out, 0);
    append32(out, icmp_rest_);
  }
  out.insert(out.end(), payload_.begin(), payload_.end());
  if (check_at == 0 || checksum_ == Csum::absent) return out;

  size_t covered = out.size();
  if (protocol_ == kUdp && lie_udp_length_ >= 8 && size_t(lie_udp_length_) < covered)
    covered = size_t(lie_udp_length_);
  const uint16_t pseudo =
      is_icmp && family_ == 4
          ? 0
          : reference_pseudo_sum(source_.address, destination_.address, protocol_, uint32_t(covered));
  uint16_t field = checksum_ == Csum::partial ? pseudo : reference_checksum({out.data(), covered}, pseudo);
  if (checksum_ == Csum::wrong) field = uint16_t(field + 1);
  if (protocol_ == kUdp && field == 0) field = checksum_ == Csum::wrong ? 1 : 0xffff;
  put16(out, check_at, field);
  return out;
}

Packet PacketBuilder::build() const {
  Packet packet;
  Bytes& out = packet.bytes;
  const Bytes l4 = transport();
  if (family_ == 4) {
    Bytes options = ip_options_;
    pad(options, 4);
    const size_t header = 20 + options.size();
    out = {uint8_t(0x40 | (header / 4)), tos_};
    append16(out, uint16_t(lie_length_ >= 0 ? size_t(lie_length_) : header + l4.size()));
    append16(out, id_);
    append16(out, fragment_field_);
    out.push_back(ttl_);
    out.push_back(protocol_);
    append16(out, 0);
    append(out, source_.address);
    append(out, destination_.address);
    out.insert(out.end(), options.begin(), options.end());
    if (lie_ihl_ >= 0) out[0] = uint8_t(0x40 | lie_ihl_);
    out.insert(out.end(), l4.begin(), l4.end());
    reseal(out);
    put16(out, 10, uint16_t(get16(out, 10) + ip_checksum_off_));
  } else {
    append32(out, 0x60000000 | uint32_t(tos_) << 20 | (flow_label_ & 0xfffff));
    const size_t payload = l4_offset() - 40 + l4.size();
    append16(out, uint16_t(lie_length_ >= 0 ? size_t(lie_length_) : payload));
    out.push_back(extensions_.empty() ? protocol_ : extensions_[0].type);
    out.push_back(ttl_);
    append(out, source_.address);
    append(out, destination_.address);
    for (size_t i = 0; i < extensions_.size(); ++i) {
      Bytes header = extensions_[i].bytes;
      header[0] = i + 1 < extensions_.size() ? extensions_[i + 1].type : protocol_;
      out.insert(out.end(), header.begin(), header.end());
    }
    out.insert(out.end(), l4.begin(), l4.end());
  }
  if (lie_version_ >= 0) out[0] = uint8_t(lie_version_ << 4 | (out[0] & 15));
  for (size_t i = 0; i < trailer_; ++i) out.push_back(uint8_t(0xa5 ^ i));
  if (truncate_ >= 0 && size_t(truncate_) < out.size()) out.resize(size_t(truncate_));
  if (checksum_ == Csum::partial) {
    packet.vnet.flags = wire::vnet_hdr::kNeedsCsum;
    packet.vnet.csum_start = uint16_t(l4_offset());
    packet.vnet.csum_offset = protocol_ == kTcp ? 16 : protocol_ == kSctp ? 8 : 6;
  }
  if (gso_size_ != 0 || gso_type_ != 0) {
    packet.vnet.gso_type = gso_type_;
    packet.vnet.gso_size = gso_size_;
    packet.vnet.hdr_len =
        uint16_t(out.size() < 200 ? out.size() : 200);  // a hint, and a wrong one, as on FORWARD
  }
  return packet;
}

PacketBuilder tcp(int family) {
  return PacketBuilder(family, kTcp);
}
PacketBuilder udp(int family) {
  return PacketBuilder(family, kUdp);
}
PacketBuilder sctp(int family) {
  return PacketBuilder(family, kSctp);
}
PacketBuilder icmp(int family) {
  PacketBuilder builder(family, family == 4 ? 1 : 58);
  builder.icmp(family == 4 ? 8 : 128, 0, 0x00070001);
  return builder;
}
PacketBuilder protocol(int family, uint8_t number) {
  return PacketBuilder(family, number);
}

void put16(Bytes& bytes, size_t at, uint16_t value) {
  bytes[at] = uint8_t(value >> 8);
  bytes[at + 1] = uint8_t(value);
}
uint16_t get16(std::span<const uint8_t> bytes, size_t at) {
  return uint16_t(bytes[at] << 8 | bytes[at + 1]);
}
uint32_t get32(std::span<const uint8_t> bytes, size_t at) {
  return uint32_t(get16(bytes, at)) << 16 | get16(bytes, at + 2);
}

void put32_le(Bytes& bytes, size_t at, uint32_t value) {
  for (size_t i = 0; i < 4; ++i) bytes[at + i] = uint8_t(value >> (8 * i));
}
uint32_t get32_le(std::span<const uint8_t> bytes, size_t at) {
  return bytes[at] | uint32_t(bytes[at + 1]) << 8 | uint32_t(bytes[at + 2]) << 16 |
         uint32_t(bytes[at + 3]) << 24;
}

void reseal(Bytes& packet) {
  size_t header = size_t(packet[0] & 15) * 4;
  if (header < 20 || header > packet.size()) header = 20;
  put16(packet, 10, 0);
  put16(packet, 10, reference_checksum({packet.data(), header}));
}

}  // namespace vsnat::test
