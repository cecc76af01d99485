// SPDX-License-Identifier: Apache-2.0
//
// Packets made here from the Ethernet header on and given to the device past everything above it: the sender is to
// be the cheapest part of what it measures. They have whole checksums, as packets that come from a wire have; ports
// and the addresses' last bytes tell flows apart. The additional addresses are nobody's: nothing answers to them.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "datagrams.h"
#include "options.h"

namespace vsnat::load {
namespace {

constexpr uint64_t kFirstPort = 10'000;
constexpr uint64_t kPorts = 50'000;
constexpr uint8_t kHopLimit = 64;

uint32_t add_words(uint32_t sum, const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  for (size_t i = 0; i < size; ++i) sum += i % 2 == 0 ? uint32_t{bytes[i]} << 8 : bytes[i];
  return sum;
}

uint16_t checksum_of(uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

void store16(uint8_t* at, uint16_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

/// The address this host would send from.
Address own_address(const Address& to) {
  const UniqueFd fd{socket(to.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  Address own;
  own.length = sizeof(own.storage);
  if (connect(fd.get(), to.raw(), to.length) != 0 ||
      getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own.storage), &own.length) != 0)
    usage_error("no way to " + to.host() + ": " + error_name(errno));
  return own;
}

const sockaddr_in& v4_of(const Address& address) {
  return reinterpret_cast<const sockaddr_in&>(address.storage);
}
const sockaddr_in6& v6_of(const Address& address) {
  return reinterpret_cast<const sockaddr_in6&>(address.storage);
}

/// One packet of flow 0, and how to make it one of another flow.
class Template {
 public:
  explicit Template(const DatagramPlan& plan)
      : v6_(plan.to.family() == AF_INET6), l4_(ETH_HLEN + (v6_ ? sizeof(ip6_hdr) : sizeof(iphdr))) {
    bytes_.resize(l4_ + sizeof(udphdr) + plan.size);
    put_ethernet(plan);
    const Address from = own_address(plan.to);
    const auto size = static_cast<uint16_t>(sizeof(udphdr) + plan.size);
    if (v6_) {
      put_ipv6(from, plan.to, size);
    } else {
      put_ipv4(from, plan.to, size);
    }
    udphdr udp{};
    udp.dest = v6_ ? v6_of(plan.to).sin6_port : v4_of(plan.to).sin_port;
    udp.len = htons(size);
    std::memcpy(&bytes_[l4_], &udp, sizeof(udp));
    std::memcpy(&bytes_[l4_ + sizeof(udp)], &plan.token, sizeof(plan.token));

    const size_t address = v6_ ? sizeof(in6_addr) : sizeof(in_addr);
    last_byte_ = l4_ - address - 1;
    first_host_ = bytes_[last_byte_];
    udp_sum_ = add_words(uint32_t{IPPROTO_UDP} + size, &bytes_[l4_ - 2 * address], 2 * address);
    udp_sum_ = add_words(udp_sum_, &bytes_[l4_], bytes_.size() - l4_);
    ip_sum_ = add_words(0, &bytes_[ETH_HLEN], sizeof(iphdr));
  }

  [[nodiscard]] const std::vector<uint8_t>& bytes() const { return bytes_; }

  /// The last byte of an address is the low one of its word, so what it grows by is what the sum grows by.
  void address(uint8_t* packet, uint64_t flow) const {
    const auto hosts = static_cast<uint8_t>(flow / kPorts);
    const auto port = static_cast<uint16_t>(kFirstPort + flow % kPorts);
    packet[last_byte_] = static_cast<uint8_t>(first_host_ + hosts);
    if (!v6_) store16(packet + ETH_HLEN + offsetof(iphdr, check), checksum_of(ip_sum_ + hosts));
    store16(packet + l4_ + offsetof(udphdr, source), port);
    const uint16_t check = checksum_of(udp_sum_ + hosts + port);
    store16(packet + l4_ + offsetof(udphdr, check), check == 0 ? 0xffff : check);
  }

 private:
  void put_ethernet(const DatagramPlan& plan) {
    std::copy(plan.next_hop.begin(), plan.next_hop.end(), bytes_.begin());
    store16(&bytes_[2 * ETH_ALEN], v6_ ? ETH_P_IPV6 : ETH_P_IP);
  }

  void put_ipv4(const Address& from, const Address& to, uint16_t size) {
    iphdr ip{};
    ip.version = 4;
    ip.ihl = sizeof(ip) / 4;
    ip.tot_len = htons(static_cast<uint16_t>(sizeof(ip) + size));
    ip.frag_off = htons(0x4000);  // don't fragment: nobody needs an identification
    ip.ttl = kHopLimit;
    ip.protocol = IPPROTO_UDP;
    ip.saddr = v4_of(from).sin_addr.s_addr;
    ip.daddr = v4_of(to).sin_addr.s_addr;
    std::memcpy(&bytes_[ETH_HLEN], &ip, sizeof(ip));
  }

  void put_ipv6(const Address& from, const Address& to, uint16_t size) {
    ip6_hdr ip{};
    ip.ip6_flow = htonl(uint32_t{6} << 28);
    ip.ip6_plen = htons(size);
    ip.ip6_nxt = IPPROTO_UDP;
    ip.ip6_hlim = kHopLimit;
    ip.ip6_src = v6_of(from).sin6_addr;
    ip.ip6_dst = v6_of(to).sin6_addr;
    std::memcpy(&bytes_[ETH_HLEN], &ip, sizeof(ip));
  }

  bool v6_;
  size_t l4_;
  size_t last_byte_ = 0;  // of the source address
  uint8_t first_host_ = 0;
  uint32_t udp_sum_ = 0;
  uint32_t ip_sum_ = 0;
  std::vector<uint8_t> bytes_;
};

class Packets final : public Sender {
 public:
  explicit Packets(const DatagramPlan& plan)
      : flows_(plan.flows), template_(plan), socket_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) {
    if (!socket_) usage_error("a packet socket (needs CAP_NET_RAW): " + error_name(errno));
    sockaddr_ll device{};
    device.sll_family = AF_PACKET;
    device.sll_ifindex = static_cast<int>(if_nametoindex(plan.device.c_str()));
    const int size = 8 << 20;
    setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    const int on = 1;
    setsockopt(socket_.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
    if (bind(socket_.get(), reinterpret_cast<const sockaddr*>(&device), sizeof(device)) != 0)
      usage_error("--device: " + plan.device + ": " + error_name(errno));
    for (size_t i = 0; i < kBatch; ++i) {
      packets_[i] = template_.bytes();
      data_[i] = {packets_[i].data(), packets_[i].size()};
      messages_[i].msg_hdr.msg_iov = &data_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  uint64_t send(uint64_t datagrams) override {
    for (uint64_t i = 0; i < datagrams; ++i) template_.address(packets_[i].data(), (next_ + i) % flows_);
    const int sent = sendmmsg(socket_.get(), messages_.data(), static_cast<unsigned>(datagrams), 0);
    if (sent <= 0) return 0;
    next_ = (next_ + static_cast<uint64_t>(sent)) % flows_;
    return static_cast<uint64_t>(sent);
  }

 private:
  uint64_t flows_;
  uint64_t next_ = 0;
  Template template_;
  UniqueFd socket_;
  std::array<std::vector<uint8_t>, kBatch> packets_;
  std::array<iovec, kBatch> data_{};
  std::array<mmsghdr, kBatch> messages_{};
};

}  // namespace

std::unique_ptr<Sender> make_packets(const DatagramPlan& plan) {
  return std::make_unique<Packets>(plan);
}

}  // namespace vsnat::load
