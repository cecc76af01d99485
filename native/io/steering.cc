// SPDX-License-Identifier: Apache-2.0
#include "io/steering.h"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cstring>
#include <vector>

namespace vsnat::io {
namespace {

long bpf(int command, bpf_attr& attr) {
  return ::syscall(__NR_bpf, command, &attr, sizeof(attr));
}

/** Just enough of an assembler: one function per instruction form, labels by patching. */
class Assembler {
 public:
  using Label = size_t;

  void load(int size, int dst, int src, int offset) {
    emit(uint8_t(BPF_LDX | BPF_MEM | size), dst, src, offset, 0);
  }
  void store(int size, int dst, int offset, int src) {
    emit(uint8_t(BPF_STX | BPF_MEM | size), dst, src, offset, 0);
  }
  void store_imm(int size, int dst, int offset, int imm) {
    emit(uint8_t(BPF_ST | BPF_MEM | size), dst, 0, offset, imm);
  }
  void alu_imm(int op, int dst, int imm) { emit(uint8_t(BPF_ALU64 | BPF_K | op), dst, 0, 0, imm); }
  void alu(int op, int dst, int src) { emit(uint8_t(BPF_ALU64 | BPF_X | op), dst, src, 0, 0); }
  void alu32_imm(int op, int dst, int imm) { emit(uint8_t(BPF_ALU | BPF_K | op), dst, 0, 0, imm); }
  void alu32(int op, int dst, int src) { emit(uint8_t(BPF_ALU | BPF_X | op), dst, src, 0, 0); }
  void call(int helper) { emit(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }
  void exit() { emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }
  void load_map(int dst, int map_fd) {
    emit(BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_FD, 0, map_fd);
    emit(0, 0, 0, 0, 0);
  }
  /** A jump whose target is set later with here(). */
  Label jump_if(int op, int dst, int imm) {
    emit(uint8_t(BPF_JMP | BPF_K | op), dst, 0, 0, imm);
    return code_.size() - 1;
  }
  Label jump() { return jump_if(BPF_JA, 0, 0); }
  void here(Label from) { code_[from].off = int16_t(code_.size() - from - 1); }

  const std::vector<bpf_insn>& code() const { return code_; }

 private:
  void emit(uint8_t code, int dst, int src, int offset, int imm) {
    bpf_insn insn{};
    insn.code = code;
    insn.dst_reg = uint8_t(dst) & 15;
    insn.src_reg = uint8_t(src) & 15;
    insn.off = int16_t(offset);
    insn.imm = imm;
    code_.push_back(insn);
  }
  std::vector<bpf_insn> code_;
};

enum Register { R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, FP };

// The stack frame: the map key, the IP header, and the port.
constexpr int kKey = -16, kHeader = -56, kPort = -64;

/** r0 = bpf_skb_load_bytes(ctx, offset register or constant, fp + at, length) */
void load_bytes(Assembler& a, int at, int length) {
  a.alu(BPF_MOV, R1, R6);
  a.alu(BPF_MOV, R3, FP);
  a.alu_imm(BPF_ADD, R3, at);
  a.alu_imm(BPF_MOV, R4, length);
  a.call(BPF_FUNC_skb_load_bytes);
}

/** r0 = pointer into the map for the key on the stack, or null. */
void look_up_vip(Assembler& a, int map_fd) {
  a.load_map(R1, map_fd);
  a.alu(BPF_MOV, R2, FP);
  a.alu_imm(BPF_ADD, R2, kKey);
  a.call(BPF_FUNC_map_lookup_elem);
}

/** r7 = XOR of `words` 32-bit words from fp + at on. */
void fold_address(Assembler& a, int at, int words) {
  a.load(BPF_W, R7, FP, at);
  for (int i = 1; i < words; ++i) {
    a.load(BPF_W, R1, FP, at + 4 * i);
    a.alu(BPF_XOR, R7, R1);
  }
}

/**
 * After the VIP lookup: r7 becomes the folded client address and r8 moves to the client's port, the source
 * for a request and the destination for a reply.
 */
void choose_client(Assembler& a, int source, int destination, int words) {
  const auto reply = a.jump_if(BPF_JEQ, R0, 0);
  fold_address(a, source, words);
  const auto chosen = a.jump();
  a.here(reply);
  fold_address(a, destination, words);
  a.alu_imm(BPF_ADD, R8, 2);
  a.here(chosen);
}

// r6 context, r7 folded client address, r8 offset of the transport header and then of the client's port, r9
// protocol.
std::vector<bpf_insn> client_endpoint_program(int map_fd) {
  Assembler a;
  a.alu(BPF_MOV, R6, R1);
  a.alu_imm(BPF_MOV, R2, 0);
  load_bytes(a, kHeader, 20);
  const auto too_short = a.jump_if(BPF_JNE, R0, 0);
  a.load(BPF_B, R7, FP, kHeader);
  a.alu_imm(BPF_RSH, R7, 4);
  const auto is_v6 = a.jump_if(BPF_JEQ, R7, 6);

  a.load(BPF_B, R8, FP, kHeader);
  a.alu_imm(BPF_AND, R8, 15);
  a.alu_imm(BPF_LSH, R8, 2);
  a.load(BPF_B, R9, FP, kHeader + 9);
  // A fragment: ports only in the first, so none for any. The mask is the wire's 0x3fff in this machine's
  // order.
  a.load(BPF_H, R1, FP, kHeader + 6);
  a.alu_imm(BPF_AND, R1, std::endian::native == std::endian::little ? 0xff3f : 0x3fff);
  const auto whole = a.jump_if(BPF_JEQ, R1, 0);
  a.alu_imm(BPF_MOV, R9, 0);
  a.here(whole);
  a.store_imm(BPF_DW, FP, kKey, 0);
  a.store_imm(BPF_H, FP, kKey + 8, 0);
  a.store_imm(BPF_H, FP, kKey + 10, 0xffff);
  a.load(BPF_W, R1, FP, kHeader + 16);
  a.store(BPF_W, FP, kKey + 12, R1);
  look_up_vip(a, map_fd);
  choose_client(a, kHeader + 12, kHeader + 16, 1);
  const auto v4_done = a.jump();

  a.here(is_v6);
  a.alu_imm(BPF_MOV, R2, 0);
  load_bytes(a, kHeader, 40);
  const auto too_short6 = a.jump_if(BPF_JNE, R0, 0);
  a.alu_imm(BPF_MOV, R8, 40);
  a.load(BPF_B, R9, FP, kHeader + 6);
  for (int i = 0; i < 16; i += 4) {
    a.load(BPF_W, R1, FP, kHeader + 24 + i);
    a.store(BPF_W, FP, kKey + i, R1);
  }
  look_up_vip(a, map_fd);
  choose_client(a, kHeader + 8, kHeader + 24, 4);

  a.here(v4_done);
  const auto is_tcp = a.jump_if(BPF_JEQ, R9, 6);
  const auto is_sctp = a.jump_if(BPF_JEQ, R9, 132);
  const auto no_ports = a.jump_if(BPF_JNE, R9, 17);
  a.here(is_tcp);
  a.here(is_sctp);
  a.alu(BPF_MOV, R2, R8);
  load_bytes(a, kPort, 2);
  const auto no_port = a.jump_if(BPF_JNE, R0, 0);
  a.load(BPF_H, R1, FP, kPort);
  a.alu32_imm(BPF_MUL, R1, int(0x85ebca6b));
  a.alu32(BPF_XOR, R7, R1);
  a.here(no_ports);
  a.here(no_port);
  // Mix: neighbouring addresses and ports must not all meet on one queue.
  a.alu32_imm(BPF_MUL, R7, int(0x9e3779b1));
  a.alu32(BPF_MOV, R0, R7);
  a.alu32_imm(BPF_RSH, R0, 15);
  a.alu32(BPF_XOR, R0, R7);
  a.alu32_imm(BPF_MUL, R0, int(0x2c1b3c6d));
  a.alu32(BPF_MOV, R7, R0);
  a.alu32_imm(BPF_RSH, R7, 16);
  a.alu32(BPF_XOR, R0, R7);
  a.exit();

  a.here(too_short);
  a.here(too_short6);
  a.alu_imm(BPF_MOV, R0, 0);
  a.exit();
  return a.code();
}

std::vector<bpf_insn> random_program() {
  Assembler a;
  a.call(BPF_FUNC_get_prandom_u32);
  a.exit();
  return a.code();
}

Result<UniqueFd> load(const std::vector<bpf_insn>& code, const char* name) {
  bpf_attr attr{};
  attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  attr.insn_cnt = uint32_t(code.size());
  attr.insns = reinterpret_cast<uint64_t>(code.data());
  attr.license = reinterpret_cast<uint64_t>("Dual BSD/GPL");
  std::strncpy(attr.prog_name, name, sizeof(attr.prog_name) - 1);
  UniqueFd program{int(bpf(BPF_PROG_LOAD, attr))};
  if (!program) return SysError{errno, "BPF_PROG_LOAD"};
  return program;
}

}  // namespace

Result<Steering> Steering::by_client_endpoint() {
  constexpr uint32_t kMaxVips = 1 << 16;
  bpf_attr attr{};
  attr.map_type = BPF_MAP_TYPE_HASH;
  attr.key_size = sizeof(VipKey);
  attr.value_size = 4;
  attr.max_entries = kMaxVips;
  attr.map_flags = BPF_F_NO_PREALLOC;
  std::strncpy(attr.map_name, "vsnat_vips", sizeof(attr.map_name) - 1);
  UniqueFd map{int(bpf(BPF_MAP_CREATE, attr))};
  if (!map) return SysError{errno, "BPF_MAP_CREATE"};
  Result<UniqueFd> program = load(client_endpoint_program(map.get()), "vsnat_steer");
  if (!program) return program.error();
  return Steering{std::move(map), std::move(program.value())};
}

Result<Steering> Steering::random() {
  Result<UniqueFd> program = load(random_program(), "vsnat_random");
  if (!program) return program.error();
  return Steering{UniqueFd{}, std::move(program.value())};
}

int Steering::add_vip(const VipKey& vip) {
  const uint32_t present = 1;
  bpf_attr attr{};
  attr.map_fd = uint32_t(map_.get());
  attr.key = reinterpret_cast<uint64_t>(&vip);
  attr.value = reinterpret_cast<uint64_t>(&present);
  return bpf(BPF_MAP_UPDATE_ELEM, attr) < 0 ? errno : 0;
}

int Steering::remove_vip(const VipKey& vip) {
  bpf_attr attr{};
  attr.map_fd = uint32_t(map_.get());
  attr.key = reinterpret_cast<uint64_t>(&vip);
  return bpf(BPF_MAP_DELETE_ELEM, attr) < 0 ? errno : 0;
}

}  // namespace vsnat::io
