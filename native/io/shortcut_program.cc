// SPDX-License-Identifier: Apache-2.0
#include "io/shortcut_program.h"

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <bit>
#include <cstddef>

namespace vsnat::io {
namespace {

using Way = flow::ShortcutWay;

// linux/bpf.h of 5.10.
constexpr int kRedirectNeigh = 152;

constexpr int kTcp = 6, kUdp = 17;
// Of a TCP header from its sequence number on, as it lies in the scratch memory.
constexpr int kSeq = 0, kAck = 4, kDataOffset = 8, kFlags = 9, kTcpBytes = 16;
// FIN, SYN, RST, ACK; and URG, which no superpacket may have that comes by the device (wire/packet.cc).
constexpr int kFlagsThatDecide = 0x37, kAckAlone = 0x10;
// Of a UDP header from its length on.
constexpr int kUdpLength = 0, kUdpCheck = 2;
// Behind them: the way of the other direction, and the key of the map of ways.
constexpr int kOther = 16, kIndex = 24;

constexpr int at(size_t member) {
  return int(member);
}

}  // namespace

void ShortcutAuthor::load_bytes(int from, int to, int bytes) {
  a_.alu(BPF_MOV, R1, R6);
  a_.alu_imm(BPF_MOV, R2, ETH_HLEN + from);
  a_.alu(BPF_MOV, R3, FP);
  a_.alu_imm(BPF_ADD, R3, to);
  a_.alu_imm(BPF_MOV, R4, bytes);
  a_.call(BPF_FUNC_skb_load_bytes);
  pass_if(BPF_JNE, R0, 0);
}

/** What the host would have asked of the header before it routed the packet (RFC 1812 section 5.2.2). */
void ShortcutAuthor::check_header() {
  if (ip_.family == 6) {
    a_.load(BPF_B, R1, FP, frame_.packet);
    a_.alu_imm(BPF_RSH, R1, 4);
    pass_if(BPF_JNE, R1, 6);
    return;
  }
  a_.load(BPF_W, R1, FP, frame_.packet);
  for (int word = 4; word < ip_.header; word += 4) {
    a_.load(BPF_W, R2, FP, frame_.packet + word);
    a_.alu(BPF_ADD, R1, R2);
  }
  a_.alu(BPF_MOV, R2, R1);
  a_.alu_imm(BPF_RSH, R2, 32);
  a_.alu32(BPF_MOV, R1, R1);
  a_.alu(BPF_ADD, R1, R2);
  for (int carry = 0; carry < 3; ++carry) fold(R1, R2);
  pass_if(BPF_JNE, R1, 0xffff);
}

/** Half of what a sum has above 16 bits is added below. */
void ShortcutAuthor::fold(int sum, int other) {
  a_.alu(BPF_MOV, other, sum);
  a_.alu_imm(BPF_RSH, other, 16);
  a_.alu_imm(BPF_AND, sum, 0xffff);
  a_.alu(BPF_ADD, sum, other);
}

/** r9: the packet's way, which is open; scratch + kOther: that of the other direction. */
void ShortcutAuthor::look_up() {
  a_.load_value(R1, maps_.switch_fd());
  a_.load(BPF_W, R1, R1, at(offsetof(flow::ShortcutSwitch, on)));
  pass_if(BPF_JEQ, R1, 0);
  a_.store(BPF_W, FP, in_frame(ip_.header) + 4, R7);
  a_.load_map(R1, ip_.family == 4 ? maps_.keys4() : maps_.keys6());
  a_.alu(BPF_MOV, R2, FP);
  a_.alu_imm(BPF_ADD, R2, in_frame(ip_.tuple));
  a_.call(BPF_FUNC_map_lookup_elem);
  pass_if(BPF_JEQ, R0, 0);
  a_.load(BPF_W, R9, R0, 0);
  a_.alu(BPF_MOV, R1, R9);
  a_.alu_imm(BPF_RSH, R1, 1);
  a_.store(BPF_W, FP, frame_.scratch + kIndex, R1);
  a_.alu_imm(BPF_AND, R9, 1);
  a_.alu_imm(BPF_MUL, R9, int(sizeof(Way)));
  a_.load_map(R1, maps_.ways());
  a_.alu(BPF_MOV, R2, FP);
  a_.alu_imm(BPF_ADD, R2, frame_.scratch + kIndex);
  a_.call(BPF_FUNC_map_lookup_elem);
  pass_if(BPF_JEQ, R0, 0);
  a_.alu(BPF_MOV, R1, R9);
  a_.alu_imm(BPF_XOR, R1, int(sizeof(Way)));
  a_.alu(BPF_MOV, R2, R0);
  a_.alu(BPF_ADD, R2, R1);
  a_.store(BPF_DW, FP, frame_.scratch + kOther, R2);
  a_.alu(BPF_ADD, R0, R9);
  a_.alu(BPF_MOV, R9, R0);
  a_.load_value(R1, maps_.switch_fd());
  a_.load(BPF_W, R1, R1, at(offsetof(flow::ShortcutSwitch, edition)));
  a_.load(BPF_W, R2, R9, at(offsetof(Way, open)));
  passing_.push_back(a_.jump_if_reg32(BPF_JNE, R1, R2));
}

/** r8: bytes of the packet from its IP header on, by that header. No more than there are. */
void ShortcutAuthor::measure_length() {
  a_.load(BPF_H, R8, FP, in_frame(ip_.length));
  a_.swap_be(R8, 16);
  if (ip_.family == 6) a_.alu_imm(BPF_ADD, R8, ip_.header);
  a_.load(BPF_W, R1, R6, offsetof(__sk_buff, len));
  a_.alu_imm(BPF_SUB, R1, ETH_HLEN);
  passing_.push_back(a_.jump_if_reg32(BPF_JLT, R1, R8));
}

/** What track_next() of nat/track.h asks and does. r5: bytes of headers. */
void ShortcutAuthor::take_next_segment() {
  const int tcp = frame_.scratch;
  load_bytes(ip_.header + 4, tcp, kTcpBytes);
  a_.load(BPF_B, R1, FP, tcp + kFlags);
  a_.alu_imm(BPF_AND, R1, kFlagsThatDecide);
  pass_if(BPF_JNE, R1, kAckAlone);
  a_.load(BPF_B, R5, FP, tcp + kDataOffset);
  a_.alu_imm(BPF_RSH, R5, 4);
  a_.alu_imm(BPF_LSH, R5, 2);
  pass_if(BPF_JLT, R5, 20);
  a_.alu_imm(BPF_ADD, R5, ip_.header);
  passing_.push_back(a_.jump_if_reg32(BPF_JLT, R8, R5));
  check_size();

  a_.load(BPF_DW, R4, FP, frame_.scratch + kOther);
  a_.load(BPF_W, R1, FP, tcp + kSeq);
  a_.swap_be(R1, 32);
  a_.load(BPF_W, R3, R9, at(offsetof(Way, seq_end)));
  passing_.push_back(a_.jump_if_reg32(BPF_JNE, R1, R3));
  const auto pass_unless_at_most = [this](int low, int high) {  // in the circle; r3 is lost
    a_.alu32(BPF_MOV, R3, high);
    a_.alu32(BPF_SUB, R3, low);
    passing_.push_back(a_.jump_if32(BPF_JSLT, R3, 0));
  };
  a_.load(BPF_W, R2, R4, at(offsetof(Way, acked)));
  pass_unless_at_most(R2, R1);
  a_.load(BPF_W, R0, FP, tcp + kAck);
  a_.swap_be(R0, 32);
  a_.load(BPF_W, R2, R9, at(offsetof(Way, acked)));
  pass_unless_at_most(R2, R0);
  a_.load(BPF_W, R2, R4, at(offsetof(Way, seq_end)));
  pass_unless_at_most(R0, R2);
  a_.alu32(BPF_ADD, R1, R8);
  a_.alu32(BPF_SUB, R1, R5);
  a_.store(BPF_W, R9, at(offsetof(Way, seq_end)), R1);
  a_.store(BPF_W, R9, at(offsetof(Way, acked)), R0);
}

/** A datagram has no numbers. Without a checksum it is not touched: which kind of none it is cannot be told here. */
void ShortcutAuthor::take_datagram() {
  load_bytes(ip_.header + 4, frame_.scratch, 4);
  a_.load(BPF_H, R1, FP, frame_.scratch + kUdpCheck);
  pass_if(BPF_JEQ, R1, 0);
  a_.load(BPF_H, R1, FP, frame_.scratch + kUdpLength);
  a_.swap_be(R1, 16);
  pass_if(BPF_JLT, R1, 8);
  a_.alu_imm(BPF_ADD, R1, ip_.header);
  passing_.push_back(a_.jump_if_reg32(BPF_JLT, R8, R1));
  a_.alu_imm(BPF_MOV, R5, ip_.header + 8);
  check_size();
}

/**
 * r5: bytes of headers; with them the largest piece of a superpacket must fit. Any other packet as it is, with what may lie
 * behind its end: nobody cuts that off here.
 */
void ShortcutAuthor::check_size() {
  a_.load(BPF_W, R2, R9, at(offsetof(Way, mtu)));
  a_.load(BPF_W, R1, R6, offsetof(__sk_buff, gso_size));
  const auto is_super = a_.jump_if(BPF_JNE, R1, 0);
  a_.load(BPF_W, R1, R6, offsetof(__sk_buff, len));
  a_.alu_imm(BPF_SUB, R1, ETH_HLEN);
  const auto is_whole = a_.jump();
  a_.here(is_super);
  a_.alu(BPF_ADD, R1, R5);
  a_.here(is_whole);
  passing_.push_back(a_.jump_if_reg32(BPF_JGT, R1, R2));
}

void ShortcutAuthor::count() {
  a_.alu_imm(BPF_MOV, R1, 1);
  a_.add_to(BPF_DW, R9, at(offsetof(Way, packets)), R1);
  a_.add_to(BPF_DW, R9, at(offsetof(Way, bytes)), R8);
}

void ShortcutAuthor::translate() {
  const int hop = in_frame(ip_.hop);
  a_.load(BPF_B, R1, FP, hop);
  a_.alu_imm(BPF_SUB, R1, 1);
  a_.store(BPF_B, FP, hop, R1);
  if (ip_.family == 4) {
    const int check = frame_.packet + 10;
    a_.load(BPF_H, R1, FP, check);
    a_.alu_imm(BPF_XOR, R1, 0xffff);
    a_.load(BPF_W, R2, R9, at(offsetof(Way, header_diff)));
    a_.alu(BPF_ADD, R1, R2);
    for (int carry = 0; carry < 2; ++carry) fold(R1, R2);
    a_.alu_imm(BPF_XOR, R1, 0xffff);
    a_.store(BPF_H, FP, check, R1);
  }
  const int tuple = in_frame(ip_.tuple);
  for (int word = 0; ip_.tuple + word < ip_.header + 4; word += 4) {  // the ports too
    a_.load(BPF_W, R1, R9, at(offsetof(Way, tuple)) + word);
    a_.store(BPF_W, FP, tuple + word, R1);
  }
  a_.alu(BPF_MOV, R1, R6);
  a_.alu_imm(BPF_MOV, R2, ETH_HLEN + ip_.written);
  a_.alu(BPF_MOV, R3, FP);
  a_.alu_imm(BPF_ADD, R3, in_frame(ip_.written));
  a_.alu_imm(BPF_MOV, R4, ip_.header + 4 - ip_.written);
  a_.alu_imm(BPF_MOV, R5, 0);
  a_.call(BPF_FUNC_skb_store_bytes);
  dropping_.push_back(a_.jump_if(BPF_JNE, R0, 0));
}

/** The addresses are part of it also where a device is to finish it (BPF_F_PSEUDO_HDR); the ports only once it is whole. */
void ShortcutAuthor::fix_checksum() {
  const auto replace = [this](size_t diff, int flags) {
    a_.load(BPF_W, R4, R9, at(diff));
    const auto is_same = a_.jump_if(BPF_JEQ, R4, 0);
    a_.alu(BPF_MOV, R1, R6);
    a_.alu_imm(BPF_MOV, R3, 0);
    a_.alu_imm(BPF_MOV, R2, ETH_HLEN + ip_.header + 16);
    a_.alu_imm(BPF_MOV, R5, flags);
    const auto is_tcp = a_.jump_if(BPF_JEQ, R7, kTcp);
    a_.alu_imm(BPF_MOV, R2, ETH_HLEN + ip_.header + 6);
    a_.alu_imm(BPF_MOV, R5, flags | int(BPF_F_MARK_MANGLED_0));
    a_.here(is_tcp);
    a_.call(BPF_FUNC_l4_csum_replace);
    dropping_.push_back(a_.jump_if(BPF_JNE, R0, 0));
    a_.here(is_same);
  };
  replace(offsetof(Way, addr_diff), BPF_F_PSEUDO_HDR);
  replace(offsetof(Way, port_diff), 0);
}

void ShortcutAuthor::send_on() {
  a_.load(BPF_W, R1, R9, at(offsetof(Way, interface)));
  a_.alu(BPF_MOV, R2, R9);
  a_.alu_imm(BPF_ADD, R2, at(offsetof(Way, hop)));
  a_.alu_imm(BPF_MOV, R3, int(sizeof(flow::ShortcutHop)));
  a_.alu_imm(BPF_MOV, R4, 0);
  a_.call(kRedirectNeigh);
  a_.exit();
  for (const auto from : dropping_) a_.here(from);
  dropping_.clear();
  a_.alu_imm(BPF_MOV, R0, TC_ACT_SHOT);
  a_.exit();
}

void ShortcutAuthor::write(const Ip& ip) {
  ip_ = ip;
  look_up();
  check_header();
  measure_length();
  const auto is_tcp = a_.jump_if(BPF_JEQ, R7, kTcp);
  pass_if(BPF_JNE, R7, kUdp);
  take_datagram();
  const auto is_datagram = a_.jump();
  a_.here(is_tcp);
  take_next_segment();
  a_.here(is_datagram);
  count();
  translate();
  fix_checksum();
  send_on();
  for (const auto from : passing_) a_.here(from);
  passing_.clear();
  a_.load(BPF_B, R8, FP, in_frame(ip_.hop));
}

}  // namespace vsnat::io
