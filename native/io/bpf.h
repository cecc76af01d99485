// SPDX-License-Identifier: Apache-2.0
//
// Small programs for the kernel, assembled by hand, and the maps they look into: no compiler or ELF loader at run time.
// bpf(2) may be refused to a process; whoever asks has to live without.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <span>
#include <vector>

#include "base/mapping.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace vsnat::io {

/** bpf(2), with errno. */
long bpf(int command, bpf_attr& attr);

enum BpfRegister { R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, FP };

/** Just enough of an assembler: one function per instruction form, labels by patching. */
class BpfAssembler {
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
  /** `*(dst + offset) += src`, whoever else does the same. */
  void add_to(int size, int dst, int offset, int src) {
    emit(uint8_t(BPF_STX | BPF_ATOMIC | size), dst, src, offset, BPF_ADD);
  }
  /** Between the order of the network and the processor's. */
  void swap_be(int dst, int bits) { emit(BPF_ALU | BPF_END | BPF_TO_BE, dst, 0, 0, bits); }
  void call(int helper) { emit(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }
  void exit() { emit(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }
  void load_map(int dst, int map_fd) {
    emit(BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_FD, 0, map_fd);
    emit(0, 0, 0, 0, 0);
  }
  /** The address of an array's first value, of a map that has no other. */
  void load_value(int dst, int map_fd) {
    emit(BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_VALUE, 0, map_fd);
    emit(0, 0, 0, 0, 0);
  }
  /** A jump whose target is set later with here(). */
  Label jump_if(int op, int dst, int imm) {
    emit(uint8_t(BPF_JMP | BPF_K | op), dst, 0, 0, imm);
    return code_.size() - 1;
  }
  Label jump_if32(int op, int dst, int imm) {
    emit(uint8_t(BPF_JMP32 | BPF_K | op), dst, 0, 0, imm);
    return code_.size() - 1;
  }
  Label jump_if_reg32(int op, int dst, int src) {
    emit(uint8_t(BPF_JMP32 | BPF_X | op), dst, src, 0, 0);
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

/** `name` is for bpftool, at most 15 letters. */
Result<UniqueFd> load_bpf(const BpfAssembler& program, bpf_prog_type type, const char* name);

/** A hash map whose entries take memory as they come. */
class BpfHash {
 public:
  BpfHash() = default;
  static Result<BpfHash> open(uint32_t key_bytes, uint32_t most_entries, const char* name);

  int fd() const { return fd_.get(); }
  explicit operator bool() const { return bool(fd_); }

  /** 0 or errno. `key` has the bytes that open() was told. */
  int add(const void* key) { return put(key, 1, BPF_ANY); }
  /** EEXIST when the key has a value. */
  int add_new(const void* key, uint32_t value) { return put(key, value, BPF_NOEXIST); }
  int remove(const void* key);

 private:
  explicit BpfHash(UniqueFd fd) : fd_(std::move(fd)) {}
  int put(const void* key, uint32_t value, uint64_t flags);

  UniqueFd fd_;
};

/** An array that this process and its programs in the kernel share, all zero at first. */
class BpfArray {
 public:
  BpfArray() = default;
  static Result<BpfArray> open(uint32_t value_bytes, uint32_t values, const char* name);

  int fd() const { return fd_.get(); }
  std::span<std::byte> bytes() const { return memory_.bytes(); }

 private:
  BpfArray(UniqueFd fd, Mapping memory) : fd_(std::move(fd)), memory_(std::move(memory)) {}

  UniqueFd fd_;
  Mapping memory_;
};

}  // namespace vsnat::io
