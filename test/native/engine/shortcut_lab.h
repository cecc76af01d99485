// SPDX-License-Identifier: Apache-2.0
//
// A director whose connections take shortcuts through this machine's kernel: real maps, the program at an interface, which the
// kernel runs on packets that are made up (BPF_PROG_TEST_RUN), next hops filled in by hand, and the keeper. No place is known
// to the program, so that what takes no shortcut is left as it is.
//
// Who may not use bpf() skips what needs this, and says so.
#pragma once

#include <cstring>
#include <memory>
#include <optional>

#include "engine/shortcut_keeper.h"
#include "io/ingress.h"
#include "test/native/check.h"
#include "test/native/nat/nat_lab.h"

namespace vsnat::test {

/** What the kernel is told about a packet beside its bytes. */
struct Offload {
  uint32_t gso_size = 0, gso_segs = 0;
};

struct Fate {
  bool took_shortcut = false;
  Bytes packet;
};

/** A packet that came up, and stays as it is until the burst is over. */
struct Upward {
  Bytes buffer;
  nat::Packet native;
  nat::Pending pending;
  nat::Outcome outcome;

  Bytes bytes() const { return {native.data, native.data + native.length}; }
};

class ShortcutLab {
 public:
  static constexpr uint32_t kMtu = 1500, kInterface = 1;
  using Backlog = engine::Backlog;

  explicit ShortcutLab(uint32_t most = 64) {
    auto opened = io::DirectIngress::open(kInterface, 64, most);
    if (!opened) {
      std::fprintf(stderr, "SKIPPED, no TCX here: %s: %s\n", opened.error().operation.c_str(),
                   std::strerror(opened.error().error));
      return;
    }
    ingress_.emplace(std::move(opened.value()));
    if (!CHECK(ingress_->shortcuts() != nullptr)) return;
    maps().the_switch().on = 1;
    hops.announce_editions_at(maps().the_switch().edition);
    shortcuts_.emplace(maps().shortcuts());
    lab.shortcuts = lane.core.shortcuts = &*shortcuts_;
    lane.core.defence = &lab.defence;
    lane.core.ftp = &lab.ftp;
    keeper_.emplace(engine::ShortcutSharing{maps(), *shortcuts_, hops}, engine::ShortcutShare{0, most},
                    kTestLimits.check_slot());
    const io::Mac mac{2, 0, 0, 0, 0, 1};
    neighbour = hops.add_neighbour();
    hops.set_neighbour(neighbour, &mac);
    know_everybody();
  }
  ShortcutLab(const ShortcutLab&) = delete;

  explicit operator bool() const { return keeper_.has_value(); }
  io::ShortcutMaps& maps() { return *ingress_->shortcuts(); }
  flow::Shortcuts& shortcuts() { return *shortcuts_; }
  engine::ShortcutKeeper& keeper() { return *keeper_; }

  /** The client and the servers are on the link, each its own next hop. */
  void know_everybody() {
    for (const int family : {4, 6}) {
      know(client_endpoint(family).address);
      for (int n = 0; n < 3; ++n) know(web_server(family, n).address);
    }
  }
  void know(const Address& address, uint32_t mtu = kMtu) {
    const io::Host host = host_of(address);
    hops.put(host, {kInterface, mtu, host}, {}, neighbour);
  }
  /** The kernel routes to it. */
  void know_no_way_to(const Address& address) {
    hops.put(host_of(address), {}, {}, io::NextHops::kNoNeighbour);
  }

  /** What the program at the interface does with it; `family` is what the frame says of it. */
  Fate meets(const Bytes& packet, int family, Offload offload = {}) {
    Bytes in(14, 0);  // the loopback device's own address is all zeros
    put16(in, 12, family == 6 ? 0x86dd : 0x0800);
    in.insert(in.end(), packet.begin(), packet.end());
    Bytes out(in.size() + 64);
    __sk_buff context{};
    context.gso_size = offload.gso_size;
    context.gso_segs = offload.gso_segs;
    bpf_attr attr{};
    attr.test.prog_fd = uint32_t(ingress_->program());
    attr.test.data_in = reinterpret_cast<uint64_t>(in.data());
    attr.test.data_size_in = uint32_t(in.size());
    attr.test.data_out = reinterpret_cast<uint64_t>(out.data());
    attr.test.data_size_out = uint32_t(out.size());
    attr.test.ctx_in = reinterpret_cast<uint64_t>(&context);
    attr.test.ctx_size_in = sizeof(context);
    CHECK_EQ(io::bpf(BPF_PROG_TEST_RUN, attr), 0);
    out.resize(attr.test.data_size_out);
    constexpr int kRedirect = 7, kNext = -1;  // of linux/bpf.h: TCX_REDIRECT, TCX_NEXT
    const int verdict = int(attr.test.retval);
    CHECK(verdict == kRedirect || verdict == kNext);
    return {verdict == kRedirect, Bytes(out.begin() + 14, out.end())};
  }
  Fate meets(const PacketBuilder& packet, Offload offload = {}) {
    return meets(packet.bytes(), packet.family(), offload);
  }

  /** Comes up by the device, one hop older, and leaves as it is. */
  std::unique_ptr<Upward> comes_up(Packet packet) {
    auto up = std::make_unique<Upward>();
    up->buffer = std::move(packet.bytes);
    const size_t length = up->buffer.size();
    up->buffer.resize(length + nat::kAnswerHeadroom);
    up->native = {up->buffer.data(), uint32_t(length), uint32_t(up->buffer.size()), packet.vnet};
    nat::prepare(lane.core, *lab.snapshot, up->native, up->pending);
    up->outcome = nat::finish(lane.core, *lab.snapshot, lab.now, up->native, up->pending);
    return up;
  }
  /** A burst of one, which leaves as a frame. */
  std::unique_ptr<Upward> passes(const PacketBuilder& packet, Backlog backlog = Backlog::none) {
    auto up = comes_up(packet.build());
    CHECK(up->outcome.verdict == nat::Verdict::forward);
    settle(*up, backlog);
    return up;
  }
  void settle(const Upward& up, Backlog backlog = Backlog::none) {
    keeper().note(up.pending);
    settle(backlog);
  }
  void settle(Backlog backlog = Backlog::none) {
    keeper().settle(lane.core, *lab.snapshot, lab.now, backlog);
  }
  void tick() { keeper().tick(lane, egress, *lab.snapshot, lab.now); }
  /** Time goes by, and the keeper is called when it wants to be. */
  void wait_seconds(uint32_t seconds) {
    for (uint32_t i = 0; i < seconds; ++i) {
      lab.advance_seconds(1);
      if (lab.now.ms >= keeper().next_tick_ms()) tick();
    }
  }

  NatLab lab;
  engine::Lane lane{*lab.tables, lab.fragments, lab.loads.data(), kTestLimits, 0};
  engine::EgressCounters egress;
  io::NextHops hops{1024};
  uint32_t neighbour = 0;

 private:
  static io::Host host_of(const Address& address) {
    return address.family == 4 ? io::Host::of(address.v4()) : io::Host::of(address.v6());
  }

  std::optional<io::DirectIngress> ingress_;
  std::optional<flow::Shortcuts> shortcuts_;
  std::optional<engine::ShortcutKeeper> keeper_;
};

/** An open TCP connection as its ends see it; its server has answered once. */
struct Talk {
  Talk(ShortcutLab& in, int f, uint16_t client_port = client_endpoint(4).port, NatLab* beside = nullptr)
      : family(f), client{client_endpoint(f).address, client_port} {
    for (NatLab* lab : {&in.lab, beside}) {
      if (lab == nullptr) continue;
      server = web_server(f, Handshake::open(*lab, f, client, virtual_endpoint(f)));
      CHECK(lab->send(says(flow::Direction::request, 10)).forwarded());
      client_next += 10;
      CHECK(lab->send(says(flow::Direction::reply, 20)).forwarded());
      client_next -= 10;
    }
    client_next += 10;
    server_next += 20;
  }

  /** The next segment of one end; take() says that it is on its way. */
  PacketBuilder says(flow::Direction direction, size_t payload = 0) const {
    PacketBuilder packet = tcp(family);
    packet.flags(kAck).payload_bytes(payload);
    if (direction == flow::Direction::request)
      return packet.from(client).to(virtual_endpoint(family)).seq(client_next).ack(server_next);
    return packet.from(server).to(client).seq(server_next).ack(client_next);
  }
  void take(flow::Direction direction, uint32_t payload) {
    (direction == flow::Direction::request ? client_next : server_next) += payload;
  }

  /** `f(flow)` of its record. */
  template <class F>
  auto in(NatLab& lab, F&& f) const {
    if (family == 4) return f(lab.flow_of<wire::Addr4>(kTcp, client, virtual_endpoint(4)));
    return f(lab.flow_of<wire::Addr6>(kTcp, client, virtual_endpoint(6)));
  }

  int family;
  Endpoint client, server;
  uint32_t client_next = Handshake::kClientNext, server_next = Handshake::kServerNext;
};

}  // namespace vsnat::test
