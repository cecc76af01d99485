// SPDX-License-Identifier: Apache-2.0
#include "nat/ftp_text.h"

#include <arpa/inet.h>

#include <cstring>

namespace vsnat::nat {

namespace {

using Kind = FtpLine::Kind;

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr char upper(char c) {
  return c >= 'a' && c <= 'z' ? char(c - 'a' + 'A') : c;
}

/** RFC 2428 section 2: any printable character; a digit could not be told from the numbers. */
constexpr bool can_be_bar(char c) {
  return c >= 33 && c <= 126 && !is_digit(c);
}

bool begins_with(std::string_view line, std::string_view word) {
  if (line.size() < word.size()) return false;
  for (size_t i = 0; i < word.size(); ++i) {
    if (upper(line[i]) != word[i]) return false;
  }
  return true;
}

/** A number of at most `most` at the head of `text`, which is shortened by it. */
bool take_number(std::string_view& text, uint32_t most, uint32_t& value) {
  value = 0;
  size_t digits = 0;
  for (; digits < text.size() && is_digit(text[digits]); ++digits) {
    if (digits == 5) return false;
    value = value * 10 + uint32_t(text[digits] - '0');
  }
  text.remove_prefix(digits);
  return digits > 0 && value <= most;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

/** "h1,h2,h3,h4,p1,p2", then anything but a digit. */
bool take_address_list(std::string_view& text, FtpLine& out) {
  uint32_t n[6];
  for (int i = 0; i < 6; ++i) {
    if ((i > 0 && !take(text, ',')) || !take_number(text, 255, n[i])) return false;
  }
  out.address = {};
  out.address.family = 4;
  out.address.v4.value = wire::be32::from_host(n[0] << 24 | n[1] << 16 | n[2] << 8 | n[3]);
  out.port = uint16_t(n[4] << 8 | n[5]);
  return out.port != 0;
}

/** "|1|10.2.1.2|2121|", or with another bar. */
bool read_extended_port(std::string_view text, FtpLine& out) {
  if (text.empty()) return false;
  const char bar = text.front();
  if (!can_be_bar(bar)) return false;
  text.remove_prefix(1);
  uint32_t family, port;
  if (!take_number(text, 2, family) || family == 0 || !take(text, bar)) return false;
  char address[INET6_ADDRSTRLEN] = {};
  const size_t length = text.find(bar);
  if (length == text.npos || length >= sizeof(address)) return false;
  std::memcpy(address, text.data(), length);
  text.remove_prefix(length + 1);
  out.address.family = family == 1 ? 4 : 6;
  const int read = family == 1 ? ::inet_pton(AF_INET, address, &out.address.v4)
                               : ::inet_pton(AF_INET6, address, &out.address.v6);
  if (read != 1 || std::strlen(address) != length) return false;
  if (!take_number(text, 65535, port) || port == 0 || !take(text, bar)) return false;
  out.port = uint16_t(port);
  return true;
}

std::string_view without_spaces(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

/** `line` is without its end. */
void read_command(std::string_view line, FtpLine& out) {
  const bool has_word = line.size() >= 4 && (line.size() == 4 || line[4] == ' ');
  if (!has_word) return;
  std::string_view rest = without_spaces(line.substr(4));
  if (begins_with(line, "PASV")) {
    out.kind = Kind::passive;
    out.readable = true;
  } else if (begins_with(line, "EPSV")) {
    // "EPSV ALL" announces no data connection, but that there will be no other command for them.
    if (begins_with(rest, "ALL")) return;
    out.kind = Kind::extended_passive;
    out.readable = rest.empty() || rest == "1" || rest == "2";
  } else if (begins_with(line, "PORT")) {
    out.kind = Kind::port;
    out.readable = take_address_list(rest, out) && rest.empty();
  } else if (begins_with(line, "EPRT")) {
    out.kind = Kind::port;
    out.readable = read_extended_port(rest, out);
  }
}

void read_reply(std::string_view line, FtpLine& out) {
  if (begins_with(line, "227 ")) {
    out.kind = Kind::entering;
    for (size_t i = 4; i < line.size(); ++i) {
      if (!is_digit(line[i]) || is_digit(line[i - 1])) continue;
      std::string_view rest = line.substr(i);
      if (!take_address_list(rest, out)) continue;
      out.begin = out.line + i;
      out.end = out.line + line.size() - rest.size();
      out.readable = true;
      return;
    }
  } else if (begins_with(line, "229 ")) {
    out.kind = Kind::entering_extended;
    for (size_t i = 4; i + 4 < line.size(); ++i) {
      const char bar = line[i + 1];
      if (line[i] != '(' || !can_be_bar(bar) || line[i + 2] != bar || line[i + 3] != bar) continue;
      std::string_view rest = line.substr(i + 4);
      uint32_t port;
      if (!take_number(rest, 65535, port) || port == 0 || !take(rest, bar) || !take(rest, ')')) continue;
      out.port = uint16_t(port);
      out.readable = true;
      return;
    }
  }
}

template <class Read>
FtpLine next_line(std::string_view text, size_t from, Read&& read) {
  while (from < text.size()) {
    const size_t end = text.find('\n', from);
    if (end == text.npos) break;
    std::string_view line = text.substr(from, end - from);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    FtpLine out;
    out.line = from;
    out.next = end + 1;
    if (line.size() <= kLongestFtpLine) read(line, out);
    if (out.kind != Kind::none) return out;
    from = end + 1;
  }
  return {};
}

char* write_number(char* out, uint32_t n) {
  if (n >= 100) *out++ = char('0' + n / 100);
  if (n >= 10) *out++ = char('0' + n / 10 % 10);
  *out++ = char('0' + n % 10);
  return out;
}

}  // namespace

FtpLine next_ftp_command(std::string_view text, size_t from) {
  return next_line(text, from, read_command);
}

FtpLine next_ftp_reply(std::string_view text, size_t from) {
  return next_line(text, from, read_reply);
}

size_t write_ftp_address(char* out, const wire::Addr4& address, uint16_t port) {
  const uint32_t a = address.value.host();
  const uint32_t numbers[] = {a >> 24, a >> 16 & 255,       a >> 8 & 255,
                              a & 255, uint32_t(port) >> 8, port & 255u};
  char* end = out;
  for (int i = 0; i < 6; ++i) {
    if (i > 0) *end++ = ',';
    end = write_number(end, numbers[i]);
  }
  return size_t(end - out);
}

}  // namespace vsnat::nat
