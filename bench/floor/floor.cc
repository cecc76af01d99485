// SPDX-License-Identifier: Apache-2.0
//
// The floor: the least program that could move VS/NAT packets through a TUN device, and so the yardstick for
// the dataplane. Same device, same offloads, one thread per queue, read until EAGAIN, one write per packet.
// What it does not have is everything that makes a director: no flow table, no counters, no parsing beyond
// the fixed offsets of IPv4 without options, no ICMP, no checks. A few mappings, VIP:port to RIP:port, known
// from the start and compared one after the other. The distance between vsnat and this program is the price of being correct; the distance
// between this program and kernel DNAT is the price of a TUN.
//
// usage: floor DEVICE QUEUES on|off VIP:PORT=RIP:PORT...; prints "ready" and runs until it is ended. `off` is
// without offloads: no header of virtio, and the kernel cuts every superpacket before it gets here. Routes and
// the replies' diversion are the harness's business.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace {

// linux/virtio_net.h has a member called `class`, so C++ cannot include it.
struct VnetHeader {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t hdr_len;
  uint16_t gso_size;
  uint16_t csum_start;
  uint16_t csum_offset;
};
constexpr uint8_t kNeedsCsum = 1;
constexpr size_t kVnetHeader = sizeof(VnetHeader);
static_assert(kVnetHeader == 10, "The header of a TUN without VIRTIO_NET_F_MRG_RXBUF has ten bytes.");
constexpr size_t kSuperpacket = 65536 + kVnetHeader;
constexpr size_t kIpv4 = 20;

struct Endpoint {  // both in network order, as they lie in the packet
  uint32_t address;
  uint16_t port;
};

/// What turning the words of `from` into those of `to` adds to a ones' complement sum (RFC 1624 §3).
uint32_t sum_of(uint32_t address) {
  return (address & 0xffff) + (address >> 16);
}
uint32_t delta(uint32_t from, uint32_t to, uint32_t words) {
  return to + words * 0xffff - from;
}

uint16_t fold(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
}

uint16_t load16(const uint8_t* at) {
  uint16_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}
uint32_t load32(const uint8_t* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}
void store16(uint8_t* at, uint16_t value) {
  std::memcpy(at, &value, sizeof(value));
}

/// Replaces `from` by `to` at the given offsets of one side of the packet.
class Rewrite {
 public:
  Rewrite(Endpoint from, Endpoint to, size_t address_at, size_t port_at)
      : from_(from),
        to_(to),
        address_at_(address_at),
        port_at_(port_at),
        address_delta_(delta(sum_of(from.address), sum_of(to.address), 2)),
        both_delta_(address_delta_ + delta(from.port, to.port, 1)) {}

  bool apply(const VnetHeader& vnet, uint8_t* ip) const {
    uint8_t* l4 = ip + kIpv4;
    if (load32(ip + address_at_) != from_.address || load16(l4 + port_at_) != from_.port) return false;
    uint8_t* check = l4 + (ip[9] == IPPROTO_TCP ? 16 : 6);
    std::memcpy(ip + address_at_, &to_.address, sizeof(to_.address));
    store16(l4 + port_at_, to_.port);
    store16(ip + 10, static_cast<uint16_t>(~fold((~load16(ip + 10) & 0xffff) + address_delta_)));
    if ((vnet.flags & kNeedsCsum) != 0) {
      // A partial checksum is the uncomplemented sum of the pseudo-header, and ports are not in it.
      store16(check, fold(load16(check) + address_delta_));
    } else if (ip[9] == IPPROTO_TCP || load16(check) != 0) {
      const auto sum = static_cast<uint16_t>(~fold((~load16(check) & 0xffff) + both_delta_));
      store16(check, ip[9] == IPPROTO_UDP && sum == 0 ? 0xffff : sum);
    }
    return true;
  }

 private:
  Endpoint from_;
  Endpoint to_;
  size_t address_at_;
  size_t port_at_;
  uint32_t address_delta_;
  uint32_t both_delta_;
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "floor: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

enum class Offload { on, off };

int open_queue(const char* device, Offload offloads) {
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) fail("/dev/net/tun");
  ifreq request{};
  std::strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE;
  if (offloads == Offload::on) request.ifr_flags |= IFF_VNET_HDR;
  if (ioctl(fd, TUNSETIFF, &request) < 0) fail("TUNSETIFF");
  if (offloads == Offload::off) return fd;
  const unsigned offload = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  if (ioctl(fd, TUNSETOFFLOAD, offload | TUN_F_USO4 | TUN_F_USO6) < 0 &&
      ioctl(fd, TUNSETOFFLOAD, offload) < 0) {
    fail("TUNSETOFFLOAD");
  }
  return fd;
}

void run(int fd, size_t header, const std::vector<Rewrite>& rewrites) {
  auto buffer = std::make_unique<uint8_t[]>(kSuperpacket);
  for (;;) {
    pollfd polled{fd, POLLIN, 0};
    poll(&polled, 1, -1);
    for (;;) {
      const ssize_t size = read(fd, buffer.get(), kSuperpacket);
      if (size < 0) {
        if (errno != EAGAIN) fail("read");
        break;
      }
      if (static_cast<size_t>(size) < header + kIpv4 + 8) continue;
      VnetHeader vnet{};
      std::memcpy(&vnet, buffer.get(), header);
      uint8_t* ip = buffer.get() + header;
      const auto applies = [&](const Rewrite& rewrite) { return rewrite.apply(vnet, ip); };
      if (ip[0] != 0x45 || std::none_of(rewrites.begin(), rewrites.end(), applies)) continue;
      if (write(fd, buffer.get(), static_cast<size_t>(size)) < 0 && errno == EBADFD) fail("write");
    }
  }
}

Endpoint parse(const std::string& text) {
  const size_t colon = text.find(':');
  Endpoint endpoint{};
  const int port = colon == std::string::npos ? 0 : std::atoi(text.c_str() + colon + 1);
  if (port <= 0 || port > 65535 ||
      inet_pton(AF_INET, text.substr(0, colon).c_str(), &endpoint.address) != 1) {
    std::fprintf(stderr, "floor: expected ADDRESS:PORT, got %s\n", text.c_str());
    std::exit(2);
  }
  endpoint.port = htons(static_cast<uint16_t>(port));
  return endpoint;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string offload = argc > 4 ? argv[3] : "";
  if ((offload != "on" && offload != "off") || std::atoi(argv[2]) < 1) {
    std::fputs("usage: floor DEVICE QUEUES on|off VIP:PORT=RIP:PORT...\n", stderr);
    return 2;
  }
  std::vector<Rewrite> rewrites;
  for (int i = 4; i < argc; ++i) {
    const std::string mapping = argv[i];
    const size_t equals = mapping.find('=');
    const Endpoint vip = parse(mapping.substr(0, equals));
    const Endpoint rip = parse(equals == std::string::npos ? "" : mapping.substr(equals + 1));
    rewrites.emplace_back(vip, rip, 16, 2);  // destination address, destination port
    rewrites.emplace_back(rip, vip, 12, 0);  // source address, source port
  }
  const size_t header = offload == "on" ? kVnetHeader : 0;

  std::vector<int> queues;
  for (int i = 0; i < std::atoi(argv[2]); ++i)
    queues.push_back(open_queue(argv[1], offload == "on" ? Offload::on : Offload::off));
  std::vector<std::thread> threads;
  for (const int fd : queues) threads.emplace_back(run, fd, header, std::cref(rewrites));
  std::puts("ready");
  std::fflush(stdout);
  for (std::thread& thread : threads) thread.join();
}
