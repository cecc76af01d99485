// SPDX-License-Identifier: Apache-2.0
//
// What is read on FTP control connections, against a table and against the slow reader.
#include "nat/ftp_text.h"

#include <string>

#include "test/native/check.h"
#include "test/native/support/ftp_reference.h"

namespace vsnat::test {
namespace {

using Kind = nat::FtpLine::Kind;

struct Case {
  const char* text;
  Kind kind;
  bool readable = false;
  uint32_t address4 = 0;
  uint16_t port = 0;
};

void check_case(const Case& c, nat::FtpLine (*read)(std::string_view, size_t)) {
  ROW(c.text);
  const nat::FtpLine got = read(c.text, 0);
  CHECK_EQ(got.kind, c.kind);
  CHECK_EQ(got.readable, c.readable);
  if (!c.readable) return;
  CHECK_EQ(got.port, c.port);
  if (c.address4 != 0) CHECK_EQ(got.address.v4.value.host(), c.address4);
  check_ftp_readers(c.text);
}

TEST("an FTP client's commands are understood, and nothing else is") {
  const Case cases[] = {
      {"PASV\r\n", Kind::passive, true},
      {"pasv\r\n", Kind::passive, true},
      {"PASV\n", Kind::passive, true},
      {"PASV", Kind::none},
      {"PASVX\r\n", Kind::none},
      {"XPASV\r\n", Kind::none},
      {"RETR a\r\nPASV\r\n", Kind::passive, true},
      {"EPSV\r\n", Kind::extended_passive, true},
      {"EPSV 1\r\n", Kind::extended_passive, true},
      {"EPSV 2\r\n", Kind::extended_passive, true},
      {"EPSV 3\r\n", Kind::extended_passive, false},
      {"EPSV ALL\r\n", Kind::none},
      {"PORT 10,1,2,3,4,5\r\n", Kind::port, true, 0x0a010203, 1029},
      {"Port 255,255,255,255,255,255\r\n", Kind::port, true, 0xffffffff, 65535},
      {"PORT 10,1,2,3,4,256\r\n", Kind::port, false},
      {"PORT 10,1,2,3,0,0\r\n", Kind::port, false},
      {"PORT 10,1,2,3,4\r\n", Kind::port, false},
      {"PORT 10,1,2,3,4,5,6\r\n", Kind::port, false},
      {"PORT\r\n", Kind::port, false},
      {"EPRT |1|10.1.2.3|1029|\r\n", Kind::port, true, 0x0a010203, 1029},
      {"eprt !1!10.1.2.3!1029!\r\n", Kind::port, true, 0x0a010203, 1029},
      {"EPRT |2|2001:db8::7|65535|\r\n", Kind::port, true, 0, 65535},
      {"EPRT |1|2001:db8::7|1029|\r\n", Kind::port, false},
      {"EPRT |3|10.1.2.3|1029|\r\n", Kind::port, false},
      {"EPRT |1|10.1.2.3|0|\r\n", Kind::port, false},
      {"EPRT |1|10.1.2.3|65536|\r\n", Kind::port, false},
      {"EPRT |1|10.1.2.3|1029\r\n", Kind::port, false},
      {"", Kind::none},
  };
  for (const Case& c : cases) check_case(c, nat::next_ftp_command);
}

TEST("an FTP server's answers are understood, and nothing else is") {
  const Case cases[] = {
      {"227 Entering Passive Mode (10,2,1,2,156,64).\r\n", Kind::entering, true, 0x0a020102, 40000},
      {"227 Entering Passive Mode 10,2,1,2,156,64\r\n", Kind::entering, true, 0x0a020102, 40000},
      {"227 =10,2,1,2,156,64\r\n", Kind::entering, true, 0x0a020102, 40000},
      {"227 mode 2 of 3 (10,2,1,2,156,64)\r\n", Kind::entering, true, 0x0a020102, 40000},
      {"227 Entering Passive Mode (10,2,1,2,156,6", Kind::none},
      {"227 Entering Passive Mode\r\n", Kind::entering, false},
      {"227-10,2,1,2,156,64\r\n", Kind::none},
      {"227 (10,2,1,2,156,640)\r\n", Kind::entering, false},
      {"150 Ok\r\n227 (10,2,1,2,0,21)\r\n", Kind::entering, true, 0x0a020102, 21},
      {"229 Entering Extended Passive Mode (|||40000|)\r\n", Kind::entering_extended, true, 0, 40000},
      {"229 (or so) (!!!7!)\r\n", Kind::entering_extended, true, 0, 7},
      {"229 Entering Extended Passive Mode (|||0|)\r\n", Kind::entering_extended, false},
      {"229 Entering Extended Passive Mode (|||40000|\r\n", Kind::entering_extended, false},
      {"229 (1111111)\r\n", Kind::entering_extended, false},
      {"220 Welcome to 10,2,1,2,156,64\r\n", Kind::none},
  };
  for (const Case& c : cases) check_case(c, nat::next_ftp_reply);
}

TEST("an address that is written is the address that is read") {
  Random random("an address that is written is the address that is read");
  for (int i = 0; i < scaled(20000); ++i) {
    const wire::Addr4 address{wire::be32::from_host(uint32_t(random.next()) >> random.below(32))};
    const auto port = uint16_t(random.between(1, 65535));
    char text[nat::kFtpAddressText];
    const size_t length = nat::write_ftp_address(text, address, port);
    if (!CHECK(length <= sizeof(text))) return;
    const std::string line = "227 (" + std::string(text, length) + ")\r\n";
    const nat::FtpLine read = nat::next_ftp_reply(line, 0);
    CHECK(read.readable && read.address.v4 == address && read.port == port);
    CHECK_EQ(read.begin, size_t{5});
    CHECK_EQ(read.end, 5 + length);
  }
}

TEST("FTP lines are read as the slow reader reads them, whatever is done to them") {
  Random random("FTP lines are read as the slow reader reads them, whatever is done to them");
  const std::string pieces[] = {"227 ",  "229 ", "(",    "|||",   "10,2,1,2,", "7,8", "4000|",
                                ")",     "\r\n", "\n",   "PORT ", "EPRT ",     "|1|", "1.2.3.4|",
                                "|2|",   "::1|", "PASV", "EPSV",  " ",         "ALL", "eprt ",
                                "99999", "0",    ",",    "x",     "\r"};
  for (int i = 0; i < scaled(50000); ++i) {
    std::string text;
    for (uint32_t n = random.between(1, 12); n > 0; --n) {
      text += pieces[random.below(std::size(pieces))];
      if (random.one_in(20)) text += char(random.byte());
    }
    if (random.one_in(50)) text.insert(random.below(uint32_t(text.size() + 1)), 500, 'a');
    check_ftp_readers(text);
  }
}

}  // namespace
}  // namespace vsnat::test
