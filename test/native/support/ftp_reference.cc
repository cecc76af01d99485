// SPDX-License-Identifier: Apache-2.0
#include "test/native/support/ftp_reference.h"

#include <arpa/inet.h>

#include <cstring>

#include "test/native/check.h"

namespace vsnat::test {
namespace {

using nat::FtpLine;
using Kind = FtpLine::Kind;

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == at) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

bool digit(char c) {
  return std::strchr("0123456789", c) != nullptr && c != '\0';
}

bool bar_like(char c) {
  return c > ' ' && c < 127 && !digit(c);
}

constexpr char kNumber = '\1';
const std::string numbers_of_address = "\1,\1,\1,\1,\1,\1";

/**
 * `pattern` at the head of `text`: kNumber is a number, anything else itself. The characters matched, or -1. A number is all
 * the digits there are, at most five.
 */
int match(const std::string& pattern, const std::string& text, std::vector<unsigned>& numbers) {
  size_t at = 0;
  numbers.clear();
  for (const char p : pattern) {
    if (p != kNumber) {
      if (at >= text.size() || text[at] != p) return -1;
      ++at;
      continue;
    }
    std::string digits;
    while (at < text.size() && digit(text[at])) digits += text[at++];
    if (digits.empty() || digits.size() > 5) return -1;
    numbers.push_back(unsigned(std::stoul(digits)));
  }
  return int(at);
}

bool address_list(const std::string& text, FtpLine& line, int& length) {
  std::vector<unsigned> n;
  length = match(numbers_of_address, text, n);
  if (length < 0) return false;
  for (const unsigned number : n) {
    if (number > 255) return false;
  }
  const std::string dotted = std::to_string(n[0]) + "." + std::to_string(n[1]) + "." + std::to_string(n[2]) +
                             "." + std::to_string(n[3]);
  line.address = {};
  line.address.family = 4;
  ::inet_pton(AF_INET, dotted.c_str(), &line.address.v4);
  line.port = uint16_t(n[4] * 256 + n[5]);
  return line.port != 0;
}

std::string trimmed(std::string text) {
  while (!text.empty() && text.front() == ' ') text.erase(0, 1);
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

bool whole_number(const std::string& text, unsigned least, unsigned most, unsigned& value) {
  std::vector<unsigned> n;
  if (match(std::string(1, kNumber), text, n) != int(text.size())) return false;
  value = n[0];
  return value >= least && value <= most;
}

void extended_port(const std::string& rest, FtpLine& line) {
  if (rest.empty() || !bar_like(rest[0])) return;
  const std::vector<std::string> fields = split(rest, rest[0]);
  unsigned family = 0, port = 0;
  if (fields.size() < 5 || !whole_number(fields[1], 1, 2, family) || !whole_number(fields[3], 1, 65535, port))
    return;
  if (fields[2].size() >= INET6_ADDRSTRLEN || fields[2].find('\0') != std::string::npos) return;
  line.address.family = family == 1 ? 4 : 6;
  void* to = family == 1 ? static_cast<void*>(&line.address.v4) : &line.address.v6;
  if (::inet_pton(family == 1 ? AF_INET : AF_INET6, fields[2].c_str(), to) != 1) return;
  line.port = uint16_t(port);
  line.readable = true;
}

void command(const std::string& text, FtpLine& line) {
  std::string word = text.substr(0, 4);
  for (char& c : word) {
    if (c >= 'a' && c <= 'z') c = char(c - 32);
  }
  if (text.size() > 4 && text[4] != ' ') return;
  const std::string rest = text.size() > 4 ? trimmed(text.substr(5)) : "";
  std::string loud = rest.substr(0, 3);
  for (char& c : loud) {
    if (c >= 'a' && c <= 'z') c = char(c - 32);
  }
  if (word == "PASV") {
    line.kind = Kind::passive;
    line.readable = true;
  } else if (word == "EPSV" && loud != "ALL") {
    line.kind = Kind::extended_passive;
    line.readable = rest.empty() || rest == "1" || rest == "2";
  } else if (word == "PORT") {
    line.kind = Kind::port;
    int length = 0;
    line.readable = address_list(rest, line, length) && length == int(rest.size());
  } else if (word == "EPRT") {
    line.kind = Kind::port;
    extended_port(rest, line);
  }
}

void reply(const std::string& text, FtpLine& line) {
  const std::string code = text.substr(0, 4);
  if (code == "227 ") line.kind = Kind::entering;
  if (code == "229 ") line.kind = Kind::entering_extended;
  if (line.kind == Kind::none) return;
  for (size_t i = 4; i < text.size() && !line.readable; ++i) {
    const std::string rest = text.substr(i);
    int length = 0;
    std::vector<unsigned> n;
    if (line.kind == Kind::entering) {
      if (digit(text[i - 1]) || !digit(text[i]) || !address_list(rest, line, length)) continue;
      line.readable = true;
      line.begin = line.line + i;
      line.end = line.begin + size_t(length);
    } else if (rest.size() > 1 && bar_like(rest[1])) {
      const std::string bar(1, rest[1]);
      if (match("(" + bar + bar + bar + kNumber + bar + ")", rest, n) < 0 || n[0] == 0 || n[0] > 65535)
        continue;
      line.port = uint16_t(n[0]);
      line.readable = true;
    }
  }
}

std::string shown(const FtpLine& l) {
  std::string text = "kind " + std::to_string(int(l.kind)) + " at " + std::to_string(l.line) + ".." +
                     std::to_string(l.next) + (l.readable ? " readable" : " unreadable");
  if (!l.readable) return text;
  text += " port " + std::to_string(l.port) + " in " + std::to_string(l.begin) + ".." + std::to_string(l.end);
  if (l.kind != Kind::port && l.kind != Kind::entering) return text;
  char address[INET6_ADDRSTRLEN] = "";
  const void* bytes = l.address.family == 4 ? static_cast<const void*>(&l.address.v4) : &l.address.v6;
  ::inet_ntop(l.address.family == 4 ? AF_INET : AF_INET6, bytes, address, sizeof(address));
  return text + " address " + address;
}

}  // namespace

std::vector<FtpLine> reference_ftp(const std::string& text, bool replies) {
  std::vector<FtpLine> lines;
  size_t at = 0;
  std::vector<std::string> whole = split(text, '\n');
  whole.pop_back();  // what follows the last newline is no whole line
  for (std::string line : whole) {
    FtpLine out;
    out.line = at;
    at += line.size() + 1;
    out.next = at;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.size() > nat::kLongestFtpLine) continue;
    if (replies) {
      reply(line, out);
    } else {
      command(line, out);
    }
    if (out.kind != Kind::none) lines.push_back(out);
  }
  return lines;
}

std::string without_addresses(std::string text) {
  const std::vector<nat::FtpLine> lines = reference_ftp(text, true);
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    if (line->kind == nat::FtpLine::Kind::entering && line->readable)
      text.erase(line->begin, line->end - line->begin);
  }
  return text;
}

void check_ftp_readers(const std::string& text) {
  for (const bool replies : {false, true}) {
    size_t from = 0;
    for (const FtpLine& want : reference_ftp(text, replies)) {
      const FtpLine got = replies ? nat::next_ftp_reply(text, from) : nat::next_ftp_command(text, from);
      CHECK_EQ(shown(got), shown(want));
      if (got.next <= from) return;
      from = got.next;
    }
    const FtpLine last = replies ? nat::next_ftp_reply(text, from) : nat::next_ftp_command(text, from);
    CHECK_EQ(int(last.kind), int(Kind::none));
  }
}

}  // namespace vsnat::test
