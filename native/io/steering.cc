// SPDX-License-Identifier: Apache-2.0
#include "io/steering.h"

#include <bit>

namespace vsnat::io {
namespace {

// The stack frame: the map key, the IP header, and the port.
constexpr int kKey = -16, kHeader = -56, kPort = -64;

/** r0 = bpf_skb_load_bytes(ctx, offset register or constant, fp + at, length) */
void load_bytes(BpfAssembler& a, int at, int length) {
  a.alu(BPF_MOV, R1, R6);
  a.alu(BPF_MOV, R3, FP);
  a.alu_imm(BPF_ADD, R3, at);
  a.alu_imm(BPF_MOV, R4, length);
  a.call(BPF_FUNC_skb_load_bytes);
}

/** r0 = pointer into the map for the key on the stack, or null. */
void look_up_vip(BpfAssembler& a, int map_fd) {
  a.load_map(R1, map_fd);
  a.alu(BPF_MOV, R2, FP);
  a.alu_imm(BPF_ADD, R2, kKey);
  a.call(BPF_FUNC_map_lookup_elem);
}

/** r7 = XOR of `words` 32-bit words from fp + at on. */
void fold_address(BpfAssembler& a, int at, int words) {
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
void choose_client(BpfAssembler& a, int source, int destination, int words) {
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
BpfAssembler client_endpoint_program(int map_fd) {
  BpfAssembler a;
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
  return a;
}

BpfAssembler random_program() {
  BpfAssembler a;
  a.call(BPF_FUNC_get_prandom_u32);
  a.exit();
  return a;
}

}  // namespace

Result<Steering> Steering::by_client_endpoint() {
  constexpr uint32_t kMaxVips = 1 << 16;
  Result<BpfHash> vips = BpfHash::open(sizeof(VipKey), kMaxVips, "vsnat_vips");
  if (!vips) return vips.error();
  Result<UniqueFd> program =
      load_bpf(client_endpoint_program(vips.value().fd()), BPF_PROG_TYPE_SOCKET_FILTER, "vsnat_steer");
  if (!program) return program.error();
  return Steering{std::move(vips.value()), std::move(program.value())};
}

Result<Steering> Steering::random() {
  Result<UniqueFd> program = load_bpf(random_program(), BPF_PROG_TYPE_SOCKET_FILTER, "vsnat_random");
  if (!program) return program.error();
  return Steering{BpfHash{}, std::move(program.value())};
}

}  // namespace vsnat::io
