// SPDX-License-Identifier: Apache-2.0
//
// The program at an interface, run by the kernel on packets that are made up (BPF_PROG_TEST_RUN), beside what a few plain
// lines of C++ would do with them. Who may not use bpf() skips this, and says so.
#include "io/ingress.h"

#include <cstring>
#include <optional>

#include "test/native/check.h"
#include "test/native/support/packets.h"
#include "test/native/support/reference.h"

namespace vsnat::test {
namespace {

using Side = io::Endpoint::Side;

constexpr uint8_t kTcp = 6, kUdp = 17, kSctp = 132;
constexpr unsigned kLoopback = 1;
constexpr int kLeft = -1, kTaken = 7;  // TCX_NEXT and TCX_REDIRECT of linux/bpf.h
constexpr uint16_t kIpv4 = 0x0800, kIpv6 = 0x86dd;

io::Endpoint place(Side side, const Endpoint& at, uint8_t protocol) {
  io::Endpoint key{.port = {uint8_t(at.port >> 8), uint8_t(at.port)}, .protocol = protocol, .side = side};
  const size_t size = at.address.size();
  if (size == 4) key.address[10] = key.address[11] = 0xff;
  std::memcpy(key.address + 16 - size, at.address.bytes.data(), size);
  return key;
}

struct Frame {
  Bytes packet;
  uint16_t ethertype = kIpv4;
  bool is_ours = true;  // addressed to the interface
};

struct Fate {
  int verdict = 0;
  Bytes packet;
};

/** A director with a virtual service and a real server in each family, TCP and UDP. */
struct Host {
  std::optional<io::DirectIngress> ingress;

  Host() {
    auto opened = io::DirectIngress::open(kLoopback, 64, 0);
    if (!opened) {
      std::fprintf(stderr, "SKIPPED, no TCX here: %s: %s\n", opened.error().operation.c_str(),
                   std::strerror(opened.error().error));
      return;
    }
    ingress.emplace(std::move(opened.value()));
    for (const io::Endpoint& known : places()) CHECK_EQ(ingress->add(known), 0);
  }

  static std::vector<io::Endpoint> places() {
    std::vector<io::Endpoint> all;
    for (const int family : {4, 6}) {
      for (const uint8_t protocol : {kTcp, kUdp, kSctp}) {
        all.push_back(place(Side::destination, virtual_endpoint(family), protocol));
        all.push_back(place(Side::source, real_endpoint(family), protocol));
      }
    }
    return all;
  }

  Fate meets(const Frame& frame) const {
    Bytes in(14, 0);  // the loopback device's own address is all zeros
    if (!frame.is_ours) in[0] = 2;
    put16(in, 12, frame.ethertype);
    in.insert(in.end(), frame.packet.begin(), frame.packet.end());
    Bytes out(in.size() + 64);
    bpf_attr attr{};
    attr.test.prog_fd = uint32_t(ingress->program());
    attr.test.data_in = reinterpret_cast<uint64_t>(in.data());
    attr.test.data_size_in = uint32_t(in.size());
    attr.test.data_out = reinterpret_cast<uint64_t>(out.data());
    attr.test.data_size_out = uint32_t(out.size());
    CHECK_EQ(io::bpf(BPF_PROG_TEST_RUN, attr), 0);
    out.resize(attr.test.data_size_out);
    return {int(attr.test.retval), Bytes(out.begin() + 14, out.end())};
  }
};

Frame frame_of(const PacketBuilder& packet) {
  return {packet.bytes(), packet.family() == 4 ? kIpv4 : kIpv6};
}

/** The slow way to the same judgement. */
bool is_to_be_taken(const Frame& frame) {
  const Bytes& p = frame.packet;
  const bool v4 = frame.ethertype == kIpv4;
  if (!frame.is_ours || (!v4 && frame.ethertype != kIpv6)) return false;
  const size_t header = v4 ? 20 : 40;
  if (p.size() < header + 4) return false;
  if (v4 && (p[0] != 0x45 || get16(p, 2) == 0 || (get16(p, 6) & 0x3fff) != 0)) return false;
  if (!v4 && (get16(p, 4) == 0 || p[8] == 0xfe)) return false;
  if (p[v4 ? 8 : 7] < 2) return false;
  const uint8_t protocol = p[v4 ? 9 : 6];
  const auto end = [&](size_t address, size_t port) {
    Endpoint at{{v4 ? 4 : 6, {}}, get16(p, port)};
    std::memcpy(at.address.bytes.data(), p.data() + address, at.address.size());
    return at;
  };
  const auto source = place(Side::source, end(v4 ? 12 : 8, header), protocol);
  const auto destination = place(Side::destination, end(v4 ? 16 : 24, header + 2), protocol);
  for (const io::Endpoint& known : Host::places())
    if (known == source || known == destination) return true;
  return false;
}

/** What a router does to it. */
Bytes one_hop_on(Bytes packet, bool v4) {
  --packet[v4 ? 8 : 7];
  if (v4) reseal(packet);
  return packet;
}

void is_treated_rightly(const Host& host, const Frame& frame) {
  const Fate fate = host.meets(frame);
  const bool taken = is_to_be_taken(frame);
  CHECK_EQ(fate.verdict, taken ? kTaken : kLeft);
  CHECK(fate.packet == (taken ? one_hop_on(frame.packet, frame.ethertype == kIpv4) : frame.packet));
}

TEST("requests to a virtual service and replies of its servers are taken, one hop older") {
  const Host host;
  if (!host.ingress) return;
  for (const int family : {4, 6}) {
    for (const auto& make : {tcp, udp, sctp}) {
      for (const Frame& frame :
           {frame_of(make(family).payload_bytes(32)),
            frame_of(
                make(family).from(real_endpoint(family)).to(client_endpoint(family)).payload_bytes(32))}) {
        CHECK_EQ(host.meets(frame).verdict, kTaken);
        is_treated_rightly(host, frame);
      }
    }
  }
}

TEST("the header's checksum stays right whatever it was, as that of the TTL changes") {
  const Host host;
  if (!host.ingress) return;
  for (int id = 0; id < scaled(65536); ++id) {
    const Fate fate = host.meets(frame_of(tcp4().ip_id(uint16_t(id))));
    if (!CHECK(fate.verdict == kTaken && ip_checksum_right(fate.packet))) return;
  }
}

TEST("a header's checksum that was wrong stays wrong") {
  const Host host;
  if (!host.ingress) return;
  Random random("wrong sums");
  for (int round = 0; round < scaled(2000); ++round) {
    const auto off = uint16_t(1 + random.below(0xfffe));  // all ones is another zero
    const Fate fate = host.meets(frame_of(tcp4().ip_id(uint16_t(random.next())).ip_checksum_off_by(off)));
    CHECK(fate.verdict == kTaken && !ip_checksum_right(fate.packet));
  }
}

TEST("what is not plain is left to the kernel as it is") {
  const Host host;
  if (!host.ingress) return;
  const Frame not_ours{tcp4().bytes(), kIpv4, false};
  const Frame no_ip{tcp4().bytes(), 0x0806};
  for (const Frame& frame :
       {frame_of(tcp4().ttl(1)), frame_of(tcp4().ttl(0)), frame_of(tcp6().ttl(1)),
        frame_of(tcp4().ip_options({1, 1, 1, 1})), frame_of(udp4().fragment_field(0x2000)),
        frame_of(udp4().fragment_field(0x0010)), frame_of(udp6().fragment_header(1)),
        frame_of(tcp6().extension(60)), frame_of(icmp4()), frame_of(icmp6()),
        frame_of(tcp4().to({virtual_endpoint(4).address, 81})),
        frame_of(tcp4().from(virtual_endpoint(4)).to(real_endpoint(4))), frame_of(tcp4().truncate(23)),
        frame_of(tcp6().truncate(43)), frame_of(tcp4().length_field(0)),
        frame_of(tcp6().from({ip6({0xfe80, 0, 0, 0, 0, 0, 0, 7}), 49153})), not_ours, no_ip}) {
    CHECK_EQ(host.meets(frame).verdict, kLeft);
    is_treated_rightly(host, frame);
  }
}

TEST("a packet with any bytes in its headers is treated as a few plain lines would treat it") {
  const Host host;
  if (!host.ingress) return;
  Random random("bytes in headers");
  for (int round = 0; round < scaled(20000); ++round) {
    const int family = random.below(2) ? 4 : 6;
    PacketBuilder packet = random.below(2) ? tcp(family) : udp(family);
    if (random.below(2)) packet.from(real_endpoint(family)).to(client_endpoint(family));
    Frame frame = frame_of(packet.ttl(uint8_t(random.below(4))).payload_bytes(random.below(40)));
    for (uint32_t flips = random.below(3); flips > 0; --flips)
      frame.packet[random.below(family == 4 ? 24 : 44)] = uint8_t(random.next());
    if (frame.packet[0] == 0x45) reseal(frame.packet);
    is_treated_rightly(host, frame);
  }
}

TEST("what is forgotten is left, and what was taken is counted") {
  Host host;
  if (!host.ingress) return;
  const Frame request = frame_of(tcp4());
  const uint64_t before = host.ingress->taken();
  for (int i = 0; i < 5; ++i) host.meets(request);
  CHECK_EQ(host.ingress->taken(), before + 5);
  CHECK_EQ(host.ingress->remove(place(Side::destination, virtual_endpoint(4), kTcp)), 0);
  CHECK_EQ(host.meets(request).verdict, kLeft);
  CHECK_EQ(host.ingress->taken(), before + 5);
}

TEST("an interface that is not there refuses, and the others do not mind") {
  Host host;
  if (!host.ingress) return;
  const unsigned interfaces[] = {0x7ffffff0, kLoopback};
  CHECK_EQ(host.ingress->attach(interfaces), size_t(1));
  CHECK_EQ(host.ingress->attached(), size_t(1));
  CHECK_EQ(host.ingress->attach({}), size_t(0));
  CHECK_EQ(host.ingress->attached(), size_t(0));
}

}  // namespace
}  // namespace vsnat::test
