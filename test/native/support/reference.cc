// SPDX-License-Identifier: Apache-2.0
#include "test/native/support/reference.h"

#include <algorithm>

namespace vsnat::test {
namespace {

constexpr uint8_t kTcp = 6, kUdp = 17;

uint16_t add(uint16_t a, uint16_t b) {
  const uint32_t sum = uint32_t(a) + b;
  return uint16_t(sum > 0xffff ? sum - 0xffff : sum);
}

Address read_address(std::span<const uint8_t> packet, size_t at, int family) {
  Address address{family, {}};
  std::copy_n(packet.begin() + long(at), address.size(), address.bytes.begin());
  return address;
}
void write_address(Bytes& packet, size_t at, const Address& address) {
  std::copy_n(address.bytes.begin(), address.size(), packet.begin() + long(at));
}

uint16_t pseudo_sum_of(const Anatomy& a, size_t covered) {
  if (a.family == 4 && a.protocol == 1) return 0;  // ICMPv4 has no pseudo-header
  return reference_pseudo_sum(a.source, a.destination, a.protocol, uint32_t(covered));
}

/** What the finished checksum of this packet would be, whatever the field says now. */
uint16_t right_checksum(Bytes packet, const Anatomy& a) {
  const size_t covered = a.covered(packet);
  put16(packet, a.checksum_at(), 0);
  return reference_checksum({packet.data() + a.l4, covered}, pseudo_sum_of(a, covered));
}

uint32_t right_crc32c(Bytes packet, const Anatomy& a) {
  put32_le(packet, a.checksum_at(), 0);
  return reference_crc32c({packet.data() + a.l4, a.length - a.l4});
}

bool is_icmp_error(const Anatomy& a, uint8_t type) {
  return a.family == 4 ? type == 3 || type == 4 || type == 5 || type == 11 || type == 12 : type < 128;
}

}  // namespace

uint16_t reference_sum(std::span<const uint8_t> bytes, uint16_t start) {
  uint16_t sum = start;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    const uint8_t low = i + 1 < bytes.size() ? bytes[i + 1] : 0;
    sum = add(sum, uint16_t(bytes[i] << 8 | low));
  }
  return sum;
}

uint16_t reference_checksum(std::span<const uint8_t> bytes, uint16_t start) {
  return uint16_t(~reference_sum(bytes, start));
}

uint32_t reference_crc32c(std::span<const uint8_t> bytes) {
  uint32_t crc = 0xffffffff;
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
  }
  return ~crc;
}

uint16_t reference_pseudo_sum(const Address& source, const Address& destination, uint8_t protocol,
                              uint32_t length) {
  Bytes pseudo(source.bytes.begin(), source.bytes.begin() + long(source.size()));
  pseudo.insert(pseudo.end(), destination.bytes.begin(),
                destination.bytes.begin() + long(destination.size()));
  for (int shift = 24; shift >= 0; shift -= 8) pseudo.push_back(uint8_t(length >> shift));
  pseudo.insert(pseudo.end(), {0, 0, 0, protocol});
  return reference_sum(pseudo);
}

size_t Anatomy::covered(std::span<const uint8_t> packet) const {
  if (protocol == kUdp) return get16(packet, l4 + 4);
  return length - l4;
}

std::optional<Anatomy> dissect(std::span<const uint8_t> packet) {
  Anatomy a;
  if (packet.size() < 20) return {};
  a.family = packet[0] >> 4;
  if (a.family == 4) {
    a.l4 = size_t(packet[0] & 15) * 4;
    a.length = get16(packet, 2);
    a.protocol = packet[9];
    a.fragment = (get16(packet, 6) & 0x3fff) != 0;
    a.later_fragment = (get16(packet, 6) & 0x1fff) != 0;
    a.source = read_address(packet, 12, 4);
    a.destination = read_address(packet, 16, 4);
  } else if (a.family == 6 && packet.size() >= 40) {
    a.l4 = 40;
    a.length = 40 + size_t(get16(packet, 4));
    a.protocol = packet[6];
    a.source = read_address(packet, 8, 6);
    a.destination = read_address(packet, 24, 6);
    while (a.protocol == 0 || a.protocol == 43 || a.protocol == 44 || a.protocol == 60) {
      if (a.l4 + 8 > packet.size()) return {};
      const uint8_t type = a.protocol;
      const bool later = type == 44 && (get16(packet, a.l4 + 2) & 0xfff8) != 0;  // what follows is payload
      if (type == 44 && (get16(packet, a.l4 + 2) & 0xfff9) != 0) a.fragment = true;
      a.protocol = packet[a.l4];
      a.l4 += type == 44 ? 8 : size_t(packet[a.l4 + 1] + 1) * 8;
      if (later) a.later_fragment = true;
      if (later) break;
    }
  } else {
    return {};
  }
  if (a.l4 > packet.size() || a.l4 > a.length) return {};
  return a;
}

L4Sum judge_transport(std::span<const uint8_t> packet, bool needs_csum) {
  const std::optional<Anatomy> a = dissect(packet);
  if (!a || (!a->has_ports() && !a->is_icmp())) return L4Sum::none;
  if (a->checksum_at() + (a->is_sctp() ? 4 : 2) > packet.size() || a->length > packet.size())
    return L4Sum::none;
  if (a->is_sctp()) {
    // Of an unfinished one nothing can be said: the field may hold anything.
    const Bytes copy(packet.begin(), packet.end());
    if (needs_csum) return L4Sum::none;
    return right_crc32c(copy, *a) == get32_le(packet, a->checksum_at()) ? L4Sum::right : L4Sum::wrong;
  }
  const size_t covered = a->covered(packet);
  if (a->l4 + covered > packet.size()) return L4Sum::wrong;
  const uint16_t field = get16(packet, a->checksum_at());
  const uint16_t pseudo = pseudo_sum_of(*a, covered);
  if (needs_csum && !a->is_icmp())
    return same_sum(field, pseudo) ? L4Sum::partial_right : L4Sum::partial_wrong;
  if (a->protocol == kUdp && field == 0) return L4Sum::absent;
  return reference_sum(packet.subspan(a->l4, covered), pseudo) == 0xffff ? L4Sum::right : L4Sum::wrong;
}

bool ip_checksum_right(std::span<const uint8_t> packet) {
  if (packet[0] >> 4 != 4) return true;
  return reference_sum(packet.first(size_t(packet[0] & 15) * 4)) == 0xffff;
}

std::string complaint(std::span<const uint8_t> packet, bool needs_csum) {
  const std::optional<Anatomy> a = dissect(packet);
  if (!a) return "not a packet";
  if (a->length != packet.size()) return "the length field is not the length";
  if (!ip_checksum_right(packet)) return "wrong IP header checksum";
  switch (judge_transport(packet, needs_csum)) {
    case L4Sum::wrong:
      return a->is_icmp() ? "wrong ICMP checksum" : "wrong transport checksum";
    case L4Sum::partial_wrong:
      return "the partial checksum is not the pseudo-header's sum";
    default:
      break;
  }
  if (!a->is_icmp() || !is_icmp_error(*a, packet[a->l4])) return "";
  const std::span<const uint8_t> quote = packet.subspan(a->l4 + 8);
  const std::optional<Anatomy> inner = dissect(quote);
  if (!inner) return "";
  if (!ip_checksum_right(quote)) return "wrong IP header checksum in the quote";
  // A quote that was cut short says nothing about its transport checksum.
  if (inner->length <= quote.size() && judge_transport(quote.first(inner->length), false) == L4Sum::wrong) {
    return "wrong transport checksum in the quote";
  }
  return "";
}

Packet reference_nat(const Packet& before, const Translation& translation) {
  Packet after = before;
  Bytes& p = after.bytes;
  const std::optional<Anatomy> old = dissect(p);
  if (!old) return after;
  p.resize(std::min(p.size(), old->length));
  const bool partial = before.vnet.needs_csum();

  // How far the checksum was off, as a one's-complement difference, so that it can be off as far afterwards.
  const bool summed = old->has_ports() || old->is_icmp();
  const uint16_t field = summed ? get16(p, old->checksum_at()) : 0;
  const bool absent = old->protocol == kUdp && field == 0 && !partial;
  const uint32_t crc_difference =
      old->is_sctp() && !partial ? right_crc32c(p, *old) ^ get32_le(p, old->checksum_at()) : 0;
  uint16_t difference = 0;
  if (summed && !absent && !old->is_sctp()) {
    const uint16_t right = partial ? pseudo_sum_of(*old, old->covered(p)) : right_checksum(p, *old);
    difference = add(field, uint16_t(~right));
  }

  const size_t source_at = old->family == 4 ? 12 : 8;
  const size_t destination_at = old->family == 4 ? 16 : 24;
  if (translation.source) {
    write_address(p, source_at, translation.source->address);
    if (old->has_ports()) put16(p, old->l4, translation.source->port);
  }
  if (translation.destination) {
    write_address(p, destination_at, translation.destination->address);
    if (old->has_ports()) put16(p, old->l4 + 2, translation.destination->port);
  }
  uint8_t& ttl = p[old->family == 4 ? 8 : 7];
  ttl = uint8_t(ttl + translation.ttl_change);
  if (old->family == 4) reseal(p);

  if (!summed || absent) return after;
  if (old->is_sctp()) {  // addresses are not in its checksum, and no TUN would complete one
    put32_le(p, old->checksum_at(), right_crc32c(p, *old) ^ crc_difference);
    after.vnet = {};
    return after;
  }
  const Anatomy now = *dissect(p);
  uint16_t sum = partial ? pseudo_sum_of(now, now.covered(p)) : right_checksum(p, now);
  // One's complement has two zeros: only a real difference is added, or 0 would come out as 0xFFFF.
  if (difference % 0xffff != 0) sum = add(sum, difference);
  if (now.protocol == kUdp && !partial && sum == 0) sum = 0xffff;
  put16(p, now.checksum_at(), sum);
  return after;
}

}  // namespace vsnat::test
