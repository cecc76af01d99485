// SPDX-License-Identifier: Apache-2.0
//
// What the workers read of next hops, beside a plain map that remembers everything; and what may not be read.
#include "io/next_hops.h"

#include <atomic>
#include <map>
#include <thread>

#include "io/packet_socket.h"
#include "test/native/check.h"

namespace vsnat {
namespace {

using io::Host;
using io::Mac;
using io::NextHop;
using io::NextHops;
using Way = io::NextHops::Way;

Host host(uint32_t number) {
  return Host::of(wire::Addr4{wire::be32::from_host(number)});
}

constexpr Mac kOurs{2, 0, 0, 0, 0, 1}, kTheirs{2, 0, 0, 0, 0xfe, 2};

struct Hops {
  NextHops table{64};
  NextHop hop;
  uint32_t neighbour = table.add_neighbour();

  Hops() { table.set_neighbour(neighbour, &kTheirs); }
  Way find(uint32_t number, uint64_t now_ms = 0) { return table.find(host(number), now_ms, hop); }
  void put(uint32_t number) { table.put(host(number), {3, 1500, host(number)}, kOurs, neighbour); }
};

TEST("a host nobody asked about is unknown") {
  Hops hops;
  CHECK_EQ(int(hops.find(1)), int(Way::unknown));
}

TEST("a host is reached over its neighbour, with the interface and MTU it was put with") {
  Hops hops;
  hops.put(1);
  CHECK_EQ(int(hops.find(1)), int(Way::direct));
  CHECK_EQ(hops.hop.interface, 3u);
  CHECK_EQ(hops.hop.mtu, 1500u);
  CHECK(hops.hop.source == kOurs);
  CHECK(hops.hop.destination == kTheirs);
}

TEST("IPv4 and IPv6 hosts are told apart") {
  const Host six = Host::of(wire::Addr6{{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 1}});
  CHECK(host(1).is_v4());
  CHECK(!six.is_v4());
  CHECK(!(host(1) == six));
}

TEST("a neighbour without a valid address sends its hosts through the kernel until it has one") {
  Hops hops;
  hops.put(1);
  hops.table.set_neighbour(hops.neighbour, nullptr);
  CHECK_EQ(int(hops.find(1)), int(Way::route));
  hops.table.set_neighbour(hops.neighbour, &kTheirs);
  CHECK_EQ(int(hops.find(1)), int(Way::direct));
}

TEST("an edition ends with a route or with a neighbour that was there, not with one that never was") {
  Hops hops;
  std::atomic<uint32_t> told{0};
  hops.table.announce_editions_at(told);
  const auto begins_another = [&](auto&& change) {
    const uint32_t before = hops.table.edition();
    change();
    CHECK_EQ(told.load(), hops.table.edition());
    return hops.table.edition() != before;
  };
  CHECK(!begins_another([&] { hops.put(1); }));
  CHECK(!begins_another([&] { hops.table.set_neighbour(hops.table.add_neighbour(), nullptr); }));
  CHECK(begins_another([&] { hops.table.set_neighbour(hops.neighbour, nullptr); }));
  CHECK(!begins_another([&] { hops.table.set_neighbour(hops.neighbour, nullptr); }));
  CHECK(!begins_another([&] { hops.table.set_neighbour(hops.neighbour, &kTheirs); }));
  CHECK(begins_another([&] { hops.table.forget_hosts(); }));
}

TEST("a route to a host is known whoever is there, and asking for it keeps no neighbour alive") {
  Hops hops;
  const auto route = [&hops](uint32_t number) { return int(hops.table.route_to(host(number))); };
  CHECK_EQ(route(1), int(Way::unknown));
  hops.put(1);
  hops.table.put(host(2), {}, {}, NextHops::kNoNeighbour);
  CHECK_EQ(route(1), int(Way::direct));
  CHECK_EQ(route(2), int(Way::route));
  // The packet to the host has its turn still.
  CHECK_EQ(int(hops.find(1, NextHops::kRefreshMs)), int(Way::route));
  CHECK_EQ(int(hops.find(1, NextHops::kRefreshMs)), int(Way::direct));
  hops.table.set_neighbour(hops.neighbour, nullptr);
  CHECK_EQ(route(1), int(Way::direct));
  hops.table.forget_hosts();
  CHECK_EQ(route(1), int(Way::unknown));
}

TEST("what was known before a change is unknown after it") {
  Hops hops;
  hops.put(1);
  hops.table.forget_hosts();
  CHECK_EQ(int(hops.find(1)), int(Way::unknown));
  hops.put(1);
  CHECK_EQ(int(hops.find(1)), int(Way::direct));
}

TEST("a neighbour's number that is given out again leads nobody to the new one") {
  Hops hops;
  hops.put(1);
  hops.table.forget_neighbours();
  const Mac other{2, 9, 9, 9, 9, 9};
  const uint32_t again = hops.table.add_neighbour();
  hops.table.set_neighbour(again, &other);
  CHECK_EQ(again, hops.neighbour);
  CHECK_EQ(int(hops.find(1)), int(Way::unknown));
}

TEST("one packet per neighbour and interval keeps the kernel's entry alive") {
  Hops hops;
  hops.put(1);
  hops.put(2);
  const uint64_t later = NextHops::kRefreshMs + 1;
  CHECK_EQ(int(hops.find(1, later)), int(Way::route));
  CHECK_EQ(int(hops.find(1, later)), int(Way::direct));
  CHECK_EQ(int(hops.find(2, later)), int(Way::direct));
  CHECK_EQ(int(hops.find(2, later + NextHops::kRefreshMs)), int(Way::route));
}

TEST("whatever is put and forgotten, a host is never sent another host's way") {
  test::Random random("next hops");
  Hops hops;
  std::map<uint32_t, uint32_t> mtus;  // all that was put since the last change; the table may know less
  for (int i = 0; i < test::scaled(100'000); ++i) {
    const uint32_t number = random.below(200);
    if (random.below(1000) == 0) {
      hops.table.forget_hosts();
      mtus.clear();
    } else if (random.below(4) == 0) {
      mtus[number] = 1000 + random.below(1000);
      hops.table.put(host(number), {3, mtus[number], host(number)}, kOurs, hops.neighbour);
      CHECK_EQ(int(hops.find(number)), int(Way::direct));
    }
    if (hops.find(number) == Way::direct) {
      CHECK(mtus.count(number) == 1);
      CHECK_EQ(hops.hop.mtu, mtus[number]);
    }
  }
}

TEST("a reader beside the writer sees a whole entry or none") {
  NextHops table(16);
  const uint32_t neighbour = table.add_neighbour();
  table.set_neighbour(neighbour, &kTheirs);
  std::atomic<bool> done{false};
  std::thread reader([&] {
    NextHop hop;
    while (!done.load()) {
      for (uint32_t number = 0; number < 64; ++number) {
        if (table.find(host(number), 0, hop) != Way::direct) continue;
        CHECK_EQ(hop.mtu, 1000 + number);
        CHECK_EQ(hop.interface, number + 1);
      }
    }
  });
  for (int i = 0; i < test::scaled(200'000); ++i) {
    const auto number = uint32_t(i % 64);
    table.put(host(number), {number + 1, 1000 + number, host(number)}, kOurs, neighbour);
  }
  done.store(true);
  reader.join();
}

TEST("a frame counts its metadata from the link header on") {
  uint8_t buffer[io::PacketSocket::kHeadroom + 40] = {};
  uint8_t* const ip = buffer + io::PacketSocket::kHeadroom;
  wire::vnet_hdr vnet;
  vnet.flags = wire::vnet_hdr::kNeedsCsum;
  vnet.csum_start = 20;
  vnet.csum_offset = 16;
  vnet.gso_type = wire::vnet_hdr::kGsoTcp4;
  vnet.gso_size = 1448;
  vnet.hdr_len = 52;
  const auto frame = io::PacketSocket::frame(ip, 40, vnet, 4, {7, 1500, kTheirs, kOurs});
  wire::vnet_hdr sent;
  std::memcpy(&sent, frame.begin, sizeof(sent));
  CHECK(frame.begin == buffer);
  CHECK_EQ(frame.length, uint32_t(sizeof(buffer)));
  CHECK_EQ(frame.interface, 7u);
  CHECK_EQ(sent.csum_start, 34);
  CHECK_EQ(sent.csum_offset, 16);
  CHECK_EQ(sent.hdr_len, 66);
  CHECK_EQ(sent.gso_size, 1448);
  CHECK(std::memcmp(ip - 14, kTheirs.data(), 6) == 0);
  CHECK(std::memcmp(ip - 8, kOurs.data(), 6) == 0);
  CHECK_EQ(int(ip[-2]), 0x08);
  CHECK_EQ(int(ip[-1]), 0x00);
}

TEST("a frame without offload carries empty metadata, and IPv6 its own type") {
  uint8_t buffer[io::PacketSocket::kHeadroom + 40];
  std::memset(buffer, 0xee, sizeof(buffer));
  uint8_t* const ip = buffer + io::PacketSocket::kHeadroom;
  const auto frame = io::PacketSocket::frame(ip, 40, {}, 6, {7, 1500, kTheirs, kOurs});
  for (size_t i = 0; i < sizeof(wire::vnet_hdr); ++i) CHECK_EQ(int(frame.begin[i]), 0);
  CHECK_EQ(int(ip[-2]), 0x86);
  CHECK_EQ(int(ip[-1]), 0xdd);
}

}  // namespace
}  // namespace vsnat
