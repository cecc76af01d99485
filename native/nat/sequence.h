// SPDX-License-Identifier: Apache-2.0
//
// The numbering of a byte stream some of whose text was replaced by text of another length. Here one side of it is the
// sender's numbering ("sent"), the other what the receiver was given ("given"). Linux does the same in
// nf_conntrack_seqadj.c with one correction and the one before it; this keeps the last kRemembered, so that late
// retransmissions and pipelined replacements come out right too.
//
//   sent    ... begin ~~~~old text~~~~ end ..........            given = sent + shift of the last correction behind
//   given   ... begin ~~~~~~new text~~~~~~ end .....                      whose end the number lies
//
// A number inside replaced text has no counterpart. An acknowledgment from there is taken back to the beginning, since
// the sender must not forget text of which the receiver has a part only, and the beginning is where a retransmission
// is recognised (find()). All-zero memory is a stream without corrections.
#pragma once

#include <cstdint>

namespace vsnat::nat {

class SequenceMap {
 public:
  static constexpr unsigned kRemembered = 4;

  struct Correction {
    uint32_t begin, end;     // the old text, in the sender's numbers
    uint32_t before, shift;  // given minus sent (modulo 2^32), in front of the text and behind it
  };
  enum class Rounding : uint8_t { down, up };

  bool changed() const { return count_ != 0; }

  /** The text from `begin` to `end`, in the sender's numbers, is `growth` bytes longer where it is given. False when it
   * lies before text that was replaced already, or in it. */
  bool replace(uint32_t begin, uint32_t end, int32_t growth) {
    const uint32_t before = count_ == 0 ? 0 : corrections_[count_ - 1].shift;
    if (count_ != 0 && !at_or_after(begin, corrections_[count_ - 1].end)) return false;
    if (count_ == kRemembered) {
      for (unsigned i = 1; i < kRemembered; ++i) corrections_[i - 1] = corrections_[i];
      --count_;
    }
    corrections_[count_++] = {begin, end, before, before + uint32_t(growth)};
    return true;
  }

  /** The replacement whose old text began there, if it is remembered: the segment is a retransmission. */
  const Correction* find(uint32_t begin) const {
    for (unsigned i = 0; i < count_; ++i) {
      if (corrections_[i].begin == begin) return &corrections_[i];
    }
    return nullptr;
  }

  uint32_t given(uint32_t sent) const {
    for (unsigned i = count_; i > 0; --i) {
      const Correction& c = corrections_[i - 1];
      if (at_or_after(sent, c.end)) return sent + c.shift;
    }
    return count_ == 0 ? sent : sent + corrections_[0].before;
  }

  uint32_t sent(uint32_t given, Rounding rounding = Rounding::down) const {
    for (unsigned i = count_; i > 0; --i) {
      const Correction& c = corrections_[i - 1];
      if (at_or_after(given, c.end + c.shift)) return given - c.shift;
      if (!at_or_after(c.begin + c.before, given)) return rounding == Rounding::down ? c.begin : c.end;
    }
    return count_ == 0 ? given : given - corrections_[0].before;
  }

 private:
  /** a >= b in the circle of sequence numbers (RFC 9293 section 3.4). */
  static constexpr bool at_or_after(uint32_t a, uint32_t b) { return int32_t(a - b) >= 0; }

  Correction corrections_[kRemembered];
  uint32_t count_;
};

}  // namespace vsnat::nat
