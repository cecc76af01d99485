// SPDX-License-Identifier: Apache-2.0
//
// Anything said on an FTP control connection. Rules, besides those NatLab checks for every packet:
//
//   the two readers agree on every text
//   commands reach the server as they were said, and each side keeps its own sequence numbers: what the client
//     receives has no gap and no overlap
//   an answer that is sent again comes out as the first time
//   nothing but addresses in lines 227 changes: with them taken out, what was said is what is heard
#include <algorithm>
#include <string>
#include <vector>

#include "test/fuzz/targets.h"
#include "test/native/check.h"
#include "test/native/nat/ftp_lab.h"
#include "test/native/support/ftp_reference.h"

namespace vsnat::test {
namespace {

constexpr int kTurns = 12;

struct Spoken {
  std::string said, heard;
  uint32_t sent, given;
};

void say_again(FtpLab& ftp, const Spoken& once) {
  const Result again = ftp.lab.send(ftp.answering(once.said).seq(once.sent));
  CHECK(again.forwarded());
  CHECK_EQ(seq_of(again.packet), once.given);
  CHECK_EQ(said(again.packet), once.heard);
  FtpLab::check_sums(again.packet);
}

}  // namespace

void fuzz_ftp(std::span<const uint8_t> input) {
  if (input.empty()) return;
  FtpLab ftp(input[0] & 0x40 ? 6 : 4);
  ftp.open();
  std::vector<Spoken> spoken;
  for (int turn = 0; turn < kTurns && input.size() > 2; ++turn) {
    const uint8_t control = input[0];
    const size_t length = std::min<size_t>(input[1], input.size() - 2);
    const std::string text(input.begin() + 2, input.begin() + long(2 + length));
    input = input.subspan(2 + length);
    check_ftp_readers(text);
    if (control & 1) {
      ftp.ask(text);
      continue;
    }
    Spoken once{text, "", ftp.server_next, ftp.given_next};
    once.heard = said(ftp.answer(text, control & 2 ? Csum::partial : Csum::full));
    CHECK_EQ(without_addresses(once.heard), without_addresses(text));
    // What was rewritten stays known for the last few corrections only; that is what a window holds.
    if (control & 4) say_again(ftp, once);
    spoken.push_back(std::move(once));
    if (control & 8 && spoken.size() > 1 && text.size() < 40) say_again(ftp, spoken[spoken.size() - 2]);
  }
}

std::vector<Bytes> ftp_seeds() {
  std::vector<Bytes> seeds;
  const auto story = [&](const std::vector<std::pair<uint8_t, std::string>>& turns) {
    Bytes seed;
    for (const auto& [control, text] : turns) {
      seed.push_back(control);
      seed.push_back(uint8_t(text.size()));
      seed.insert(seed.end(), text.begin(), text.end());
    }
    seeds.push_back(std::move(seed));
  };
  const std::string entering = "227 Entering Passive Mode (10,0,0,1,156,64).\r\n";
  story(
      {{1, "PASV\r\n"}, {4, entering}, {1, "RETR a\r\n"}, {8, "150 Ok\r\n"}, {1, "PASV\r\n"}, {6, entering}});
  story({{1, "PASV\r\nPASV\r\n"}, {0, "200 x\r\n" + entering + entering}, {12, "226 Done\r\n"}});
  story({{1, "EPSV\r\n"},
         {0, "229 Extended (|||4000|)\r\n"},
         {1, "EPRT |1|198.51.100.7|5000|\r\n"},
         {0, "200\r\n"}});
  story({{65, "EPSV 2\r\n"},
         {64, "229 (|||4000|)\r\n"},
         {65, "EPRT |2|2001:db8::7|5000|\r\n"},
         {64, "200\r\n"}});
  story({{1, "PORT 198,51,100,7,9,9\r\n"}, {0, "200 Ok\r\n"}, {1, "PASV\r\n"}, {0, "227 192,0,2,10,1,2\n"}});
  return seeds;
}

}  // namespace vsnat::test
