// SPDX-License-Identifier: Apache-2.0
#include "io/ingress.h"

#include <linux/if_packet.h>
#include <net/ethernet.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <optional>

#include "io/shortcut_program.h"

namespace vsnat::io {
namespace {

// linux/bpf.h of 6.6.
constexpr uint32_t kTcxIngress = 46;
constexpr int kTcxNext = -1;

constexpr int wire16(uint16_t value) {
  return std::endian::native == std::endian::little ? __builtin_bswap16(value) : value;
}

// The stack frame: the key, then the packet from its IP header on, ports included: 24 bytes, or 44.
constexpr int kKey = -24, kPacket = -72, kScratch = -104;
constexpr int kKeyPort = kKey + int(offsetof(Endpoint, port));
constexpr int kKeyProtocol = kKey + int(offsetof(Endpoint, protocol));
constexpr int kKeySide = kKey + int(offsetof(Endpoint, side));

/** Writes the program. r6: the context; r7: the protocol. All ways that lead nowhere end at leave(). */
class Author {
 public:
  Author(int endpoints, int counts, unsigned tun, const ShortcutMaps* shortcuts)
      : endpoints_(endpoints), counts_(counts), tun_(tun) {
    if (shortcuts) shortcuts_.emplace(a_, *shortcuts, ShortcutFrame{kPacket, kScratch});
  }

  BpfAssembler write() {
    a_.alu(BPF_MOV, R6, R1);
    a_.load(BPF_W, R1, R6, offsetof(__sk_buff, pkt_type));
    leave_if(BPF_JNE, R1, PACKET_HOST);
    a_.load(BPF_W, R1, R6, offsetof(__sk_buff, vlan_present));
    leave_if(BPF_JNE, R1, 0);
    a_.load(BPF_W, R1, R6, offsetof(__sk_buff, protocol));
    const auto is_v4 = a_.jump_if(BPF_JEQ, R1, wire16(ETHERTYPE_IP));
    leave_if(BPF_JNE, R1, wire16(ETHERTYPE_IPV6));
    write_v6();
    a_.here(is_v4);
    write_v4();
    for (const auto from : leaving_) a_.here(from);
    a_.alu_imm(BPF_MOV, R0, kTcxNext);
    a_.exit();
    return std::move(a_);
  }

 private:
  void leave_if(int op, int reg, int imm) { leaving_.push_back(a_.jump_if(op, reg, imm)); }

  void load_packet(int bytes) {
    a_.alu(BPF_MOV, R1, R6);
    a_.alu_imm(BPF_MOV, R2, ETH_HLEN);
    a_.alu(BPF_MOV, R3, FP);
    a_.alu_imm(BPF_ADD, R3, kPacket);
    a_.alu_imm(BPF_MOV, R4, bytes);
    a_.call(BPF_FUNC_skb_load_bytes);
    leave_if(BPF_JNE, R0, 0);
  }

  /** r7 = the protocol at `at`, one of those with ports. */
  void load_protocol(int at) {
    a_.load(BPF_B, R7, FP, at);
    const auto is_tcp = a_.jump_if(BPF_JEQ, R7, 6);
    const auto is_udp = a_.jump_if(BPF_JEQ, R7, 17);
    leave_if(BPF_JNE, R7, 132);
    a_.here(is_tcp);
    a_.here(is_udp);
    a_.store(BPF_B, FP, kKeyProtocol, R7);
  }

  /** Jumps where the place is known. */
  BpfAssembler::Label look_up(Endpoint::Side side, int address, int words, int port) {
    for (int i = 0; i < words; ++i) {
      a_.load(BPF_W, R1, FP, address + 4 * i);
      a_.store(BPF_W, FP, kKey + 4 * (4 - words + i), R1);
    }
    a_.load(BPF_H, R1, FP, port);
    a_.store(BPF_H, FP, kKeyPort, R1);
    a_.store_imm(BPF_B, FP, kKeySide, int(side));
    a_.load_map(R1, endpoints_);
    a_.alu(BPF_MOV, R2, FP);
    a_.alu_imm(BPF_ADD, R2, kKey);
    a_.call(BPF_FUNC_map_lookup_elem);
    return a_.jump_if(BPF_JNE, R0, 0);
  }

  void look_up_both(int source, int destination, int words, int ports) {
    const auto is_request = look_up(Endpoint::Side::destination, destination, words, ports + 2);
    const auto is_reply = look_up(Endpoint::Side::source, source, words, ports);
    leaving_.push_back(a_.jump());
    a_.here(is_request);
    a_.here(is_reply);
  }

  void store_back(int at, int bytes) {
    a_.alu(BPF_MOV, R1, R6);
    a_.alu_imm(BPF_MOV, R2, ETH_HLEN + at - kPacket);
    a_.alu(BPF_MOV, R3, FP);
    a_.alu_imm(BPF_ADD, R3, at);
    a_.alu_imm(BPF_MOV, R4, bytes);
    a_.alu_imm(BPF_MOV, R5, 0);
    a_.call(BPF_FUNC_skb_store_bytes);
    leave_if(BPF_JNE, R0, 0);
  }

  void redirect() {
    a_.store_imm(BPF_W, FP, kKey, 0);
    a_.load_map(R1, counts_);
    a_.alu(BPF_MOV, R2, FP);
    a_.alu_imm(BPF_ADD, R2, kKey);
    a_.call(BPF_FUNC_map_lookup_elem);
    const auto uncounted = a_.jump_if(BPF_JEQ, R0, 0);
    a_.load(BPF_DW, R1, R0, 0);
    a_.alu_imm(BPF_ADD, R1, 1);
    a_.store(BPF_DW, R0, 0, R1);
    a_.here(uncounted);
    a_.alu_imm(BPF_MOV, R1, int(tun_));
    a_.alu_imm(BPF_MOV, R2, 0);
    a_.call(BPF_FUNC_redirect);
    a_.exit();
  }

  void write_v4() {
    load_packet(24);
    a_.load(BPF_B, R1, FP, kPacket);
    leave_if(BPF_JNE, R1, 0x45);  // no options
    a_.load(BPF_H, R1, FP, kPacket + 2);
    leave_if(BPF_JEQ, R1, 0);  // longer than 64 KiB
    a_.load(BPF_H, R1, FP, kPacket + 6);
    a_.alu_imm(BPF_AND, R1, wire16(0x3fff));
    leave_if(BPF_JNE, R1, 0);  // a piece of a datagram
    a_.load(BPF_B, R8, FP, kPacket + 8);
    leave_if(BPF_JLE, R8, 1);
    load_protocol(kPacket + 9);
    if (shortcuts_) shortcuts_->write_v4();
    a_.store_imm(BPF_DW, FP, kKey, 0);
    a_.store_imm(BPF_H, FP, kKey + 8, 0);
    a_.store_imm(BPF_H, FP, kKey + 10, 0xffff);
    look_up_both(kPacket + 12, kPacket + 16, 1, kPacket + 20);
    // As ip_decrease_ttl() does it: 0x0100 less in the word of TTL and protocol is as much more in the sum.
    a_.alu_imm(BPF_SUB, R8, 1);
    a_.store(BPF_B, FP, kPacket + 8, R8);
    a_.load(BPF_H, R1, FP, kPacket + 10);
    a_.alu_imm(BPF_ADD, R1, wire16(0x0100));
    const auto no_carry = a_.jump_if(BPF_JLT, R1, 0xffff);
    a_.alu_imm(BPF_ADD, R1, 1);
    a_.here(no_carry);
    a_.store(BPF_H, FP, kPacket + 10, R1);
    store_back(kPacket + 8, 4);
    redirect();
  }

  void write_v6() {
    load_packet(44);
    a_.load(BPF_H, R1, FP, kPacket + 4);
    leave_if(BPF_JEQ, R1, 0);  // longer than 64 KiB
    a_.load(BPF_B, R1, FP, kPacket + 8);
    leave_if(BPF_JEQ, R1, 0xfe);  // link-local: goes no further than its link (RFC 4291, 2.5.6)
    a_.load(BPF_B, R8, FP, kPacket + 7);
    leave_if(BPF_JLE, R8, 1);
    load_protocol(kPacket + 6);
    if (shortcuts_) shortcuts_->write_v6();
    look_up_both(kPacket + 8, kPacket + 24, 4, kPacket + 40);
    a_.alu_imm(BPF_SUB, R8, 1);
    a_.store(BPF_B, FP, kPacket + 7, R8);
    store_back(kPacket + 7, 1);
    redirect();
  }

  BpfAssembler a_;
  const int endpoints_, counts_;
  const unsigned tun_;
  std::optional<ShortcutAuthor> shortcuts_;
  std::vector<BpfAssembler::Label> leaving_;
};

Result<UniqueFd> open_link(int program, unsigned interface) {
  bpf_attr attr{};
  attr.link_create.prog_fd = uint32_t(program);
  attr.link_create.target_ifindex = interface;
  attr.link_create.attach_type = kTcxIngress;
  UniqueFd link{int(bpf(BPF_LINK_CREATE, attr))};
  if (!link) return SysError{errno, "BPF_LINK_CREATE at an interface (TCX, of Linux 6.6)"};
  return link;
}

Result<UniqueFd> open_counts() {
  bpf_attr attr{};
  attr.map_type = BPF_MAP_TYPE_PERCPU_ARRAY;
  attr.key_size = sizeof(uint32_t);
  attr.value_size = sizeof(uint64_t);
  attr.max_entries = 1;
  std::strncpy(attr.map_name, "vsnat_ingress", sizeof(attr.map_name) - 1);
  UniqueFd counts{int(bpf(BPF_MAP_CREATE, attr))};
  if (!counts) return SysError{errno, "BPF_MAP_CREATE"};
  return counts;
}

std::unique_ptr<ShortcutMaps> open_shortcuts(uint32_t count) {
  Result<ShortcutMaps> maps = ShortcutMaps::open(count);
  return maps ? std::make_unique<ShortcutMaps>(std::move(maps.value())) : nullptr;
}

}  // namespace

Result<DirectIngress> DirectIngress::open(unsigned tun, uint32_t most, uint32_t shortcuts) {
  Result<BpfHash> endpoints = BpfHash::open(sizeof(Endpoint), most, "vsnat_places");
  if (!endpoints) return endpoints.error();
  Result<UniqueFd> counts = open_counts();
  if (!counts) return counts.error();
  const auto load = [&](const ShortcutMaps* maps) {
    const BpfAssembler code = Author(endpoints.value().fd(), counts.value().get(), tun, maps).write();
    return load_bpf(code, BPF_PROG_TYPE_SCHED_CLS, "vsnat_ingress");
  };
  std::unique_ptr<ShortcutMaps> maps = shortcuts > 0 ? open_shortcuts(shortcuts) : nullptr;
  Result<UniqueFd> program = load(maps.get());
  if (!program && maps) {  // without them everything is as it is, only slower
    maps.reset();
    program = load(nullptr);
  }
  if (!program) return program.error();
  // The device itself tells whether there is TCX: nothing comes in by it that the program would take.
  if (auto link = open_link(program.value().get(), tun); !link) return link.error();
  return DirectIngress{std::move(endpoints.value()), std::move(counts.value()), std::move(program.value()),
                       std::move(maps)};
}

uint64_t DirectIngress::taken() const {
  constexpr size_t kMostCpus = 8192;  // the kernel's own bound; it fills in as many as there may be
  std::vector<uint64_t> counts(kMostCpus);
  const uint32_t first = 0;
  bpf_attr attr{};
  attr.map_fd = uint32_t(counts_.get());
  attr.key = reinterpret_cast<uint64_t>(&first);
  attr.value = reinterpret_cast<uint64_t>(counts.data());
  bpf(BPF_MAP_LOOKUP_ELEM, attr);
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

size_t DirectIngress::attach(std::span<const unsigned> interfaces) {
  std::erase_if(links_, [&](const Link& link) {
    return std::find(interfaces.begin(), interfaces.end(), link.interface) == interfaces.end();
  });
  size_t refused = 0;
  for (const unsigned interface : interfaces) {
    const bool is_there = std::any_of(links_.begin(), links_.end(),
                                      [&](const Link& link) { return link.interface == interface; });
    if (is_there) continue;
    if (auto link = open_link(program_.get(), interface)) {
      links_.push_back({interface, std::move(link.value())});
    } else {
      ++refused;
    }
  }
  return refused;
}

}  // namespace vsnat::io
