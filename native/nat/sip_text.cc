// SPDX-License-Identifier: Apache-2.0
#include "nat/sip_text.h"

#include <cstdint>
#include <optional>

namespace vsnat::nat {
namespace {

bool is_line_end(char c) {
  return c == '\r' || c == '\n';
}
bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c;
}

/** The kernel's characters are Latin-1 (lib/ctype.c). */
bool is_letter(char c) {
  const char small = lower(c);
  const auto byte = uint8_t(c);
  return (small >= 'a' && small <= 'z') || (byte >= 0xc0 && byte != 0xd7 && byte != 0xf7);
}

/** RFC 3261 section 25.1, `word`. */
bool is_word(char c) {
  return is_letter(c) || (c >= '0' && c <= '9') ||
         std::string_view("-.!%*_+`'~()<>:\\\"/[]?{}").find(c) != std::string_view::npos;
}

/** A message and a place in it. Every step that leaves the message answers false. */
class Reader {
 public:
  Reader(std::string_view text, size_t at) : text_(text), at_(at) {}

  size_t at() const { return at_; }
  std::string_view rest() const { return text_.substr(at_); }
  bool inside() const { return at_ < text_.size(); }

  bool step() { return ++at_ < text_.size(); }

  /** Past the end of a line, CR, LF or both. */
  bool leave_line() {
    const bool is_cr = text_[at_] == '\r';
    if (!step()) return false;
    return !is_cr || text_[at_] != '\n' || step();
  }

  void skip_blanks() {
    while (inside() && is_blank(text_[at_])) ++at_;
  }

  /** Past blanks, and at most one end of a line when the next one continues it (RFC 3261 section 7.3.1). */
  bool skip_space() {
    skip_blanks();
    if (inside() && is_line_end(text_[at_])) {
      if (!leave_line() || !is_blank(text_[at_])) return false;
      skip_blanks();
    }
    return inside();
  }

  /** Past "Call-ID", or "i" when no letter follows, in any case. */
  bool skip_name() {
    constexpr std::string_view kName = "call-id";
    const std::string_view here = rest();
    size_t same = 0;
    while (same < kName.size() && same < here.size() && lower(here[same]) == kName[same]) ++same;
    if (same == kName.size()) {
      at_ += same;
      return true;
    }
    if (here.size() < 2 || lower(here[0]) != 'i' || is_letter(here[1])) return false;
    ++at_;
    return true;
  }

 private:
  std::string_view text_;
  size_t at_;
};

size_t word_length(std::string_view text) {
  size_t length = 0;
  while (length < text.size() && is_word(text[length])) ++length;
  return length;
}

/** word [ "@" word ]; 0 when it is none. */
size_t call_id_length(std::string_view text) {
  const size_t local = word_length(text);
  if (local == 0 || local == text.size() || text[local] != '@') return local;
  const size_t domain = word_length(text.substr(local + 1));
  return domain == 0 ? 0 : local + 1 + domain;
}

/**
 * Where the value of the next such header begins, that ends a line behind `from`. Nothing when there is none, or a header
 * that begins like one and then is not.
 */
std::optional<size_t> next_value(std::string_view message, size_t from) {
  for (Reader reader(message, from); reader.inside(); reader.step()) {
    if (!is_line_end(reader.rest()[0])) continue;
    if (!reader.leave_line()) return std::nullopt;
    // The kernel goes on behind the first character of a line, so that a line behind an empty one that ends in a bare LF
    // is not looked at.
    if (is_blank(reader.rest()[0]) || !reader.skip_name()) continue;
    if (!reader.skip_space() || reader.rest()[0] != ':' || !reader.step() || !reader.skip_space())
      return std::nullopt;
    return reader.at();
  }
  return std::nullopt;
}

}  // namespace

std::string_view find_call_id(std::string_view message) {
  for (size_t from = 0; from < message.size();) {
    const auto value = next_value(message, from);
    if (!value) return {};
    const std::string_view rest = message.substr(*value);
    const size_t length = call_id_length(rest);
    if (length == 0) {
      from += *value;  // not `from = *value`: so does the kernel
      continue;
    }
    const bool is_whole = length < rest.size() && is_line_end(rest[length]);
    return is_whole && length <= kLongestCallId ? rest.substr(0, length) : std::string_view{};
  }
  return {};
}

}  // namespace vsnat::nat
