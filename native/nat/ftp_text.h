// SPDX-License-Identifier: Apache-2.0
//
// What is said on an FTP control connection about data connections (RFC 959 section 4.1.2, RFC 2428). Pure: text in,
// meaning out. Only whole lines count, the first of a segment included: a line that comes in two segments is not put
// together, in which IPVS is no different.
//
//   client   PORT h1,h2,h3,h4,p1,p2     EPRT |1|a.b.c.d|port|     EPRT |2|a:b::c|port|     PASV     EPSV [1|2]
//   server   227 Entering Passive Mode (h1,h2,h3,h4,p1,p2).       229 Entering Extended Passive Mode (|||port|)
//
// The brackets of 227 are optional: RFC 1123 section 4.1.2.6 tells clients to look for the digits.
#pragma once

#include <cstdint>
#include <string_view>

#include "service/snapshot.h"

namespace vsnat::nat {

/** The longest line that is read; what a host is asked to be able to say of a data connection is far shorter. */
inline constexpr size_t kLongestFtpLine = 512;

struct FtpLine {
  enum class Kind : uint8_t {
    none,              // no line about data connections is left
    passive,           // PASV
    extended_passive,  // EPSV
    port,              // PORT or EPRT: `address` and `port`
    entering,          // 227: `address` and `port`, which stand at [begin, end)
    entering_extended  // 229: `port`
  };
  Kind kind = Kind::none;
  bool readable = false;  // false: the line is of this kind, but what it says cannot be made out
  size_t line = 0;        // where it begins in the text
  size_t next = 0;        // where to read on
  size_t begin = 0, end = 0;
  service::IpAddress address;
  uint16_t port = 0;
};

/** The next line about data connections at `from` or later, which must be where a line begins. */
FtpLine next_ftp_command(std::string_view text, size_t from);
FtpLine next_ftp_reply(std::string_view text, size_t from);

/** "h1,h2,h3,h4,p1,p2" in `out`, which has room for kFtpAddressText bytes; the length. */
inline constexpr size_t kFtpAddressText = 24;
size_t write_ftp_address(char* out, const wire::Addr4& address, uint16_t port);

}  // namespace vsnat::nat
