// SPDX-License-Identifier: Apache-2.0
//
// The part of the program at an interface (io/ingress.cc) that takes shortcuts: what nat/usual.h does with the next segment
// of an established connection, done by the kernel, and the packet sent on to its next hop.
//
//   the packet's addresses, ports, protocol ── keys ──▶ a shortcut and a direction ── open? ──▶ a right header? ── the next
//   segment? ── small enough? ──▶ numbers, counters ──▶ addresses, ports, hop, checksums ──▶ out
//
// Whatever is not so goes on as if there were no shortcut. The packet is written to by helpers, as in the rest of the
// program, and only once nothing can be against it any more.
#pragma once

#include <cstdint>
#include <vector>

#include "io/bpf.h"
#include "io/shortcut_maps.h"

namespace vsnat::io {

/** Places in the program's stack frame, which it shares with io/ingress.cc. */
struct ShortcutFrame {
  /** The packet from its IP header on, ports included: 24 bytes, or 44; four more behind it. */
  int packet;
  /** 32 bytes of no other use. */
  int scratch;
};

class ShortcutAuthor {
 public:
  ShortcutAuthor(BpfAssembler& assembler, const ShortcutMaps& maps, ShortcutFrame frame)
      : a_(assembler), maps_(maps), frame_(frame) {}

  /** r6: the context; r7: the protocol; r8: the TTL, which it is again where this goes on. r9 is lost. */
  void write_v4() { write({.family = 4, .header = 20, .length = 2, .hop = 8, .tuple = 12, .written = 8}); }
  void write_v6() { write({.family = 6, .header = 40, .length = 4, .hop = 7, .tuple = 8, .written = 4}); }

 private:
  /** A header in the frame: its bytes, and the places of what is read of it and of the first byte that is written back. */
  struct Ip {
    int family, header, length, hop, tuple, written;
  };

  void write(const Ip& ip);
  void pass_if(int op, int reg, int imm) { passing_.push_back(a_.jump_if(op, reg, imm)); }
  void look_up();
  void load_bytes(int from, int to, int bytes);
  void check_header();
  void fold(int sum, int other);
  void measure_length();
  void take_next_segment();
  void take_datagram();
  void check_size();
  void count();
  void translate();
  void fix_checksum();
  void send_on();

  int in_frame(int at) const { return frame_.packet + at; }

  BpfAssembler& a_;
  const ShortcutMaps& maps_;
  const ShortcutFrame frame_;
  Ip ip_{};
  std::vector<BpfAssembler::Label> passing_, dropping_;
};

}  // namespace vsnat::io
