// SPDX-License-Identifier: Apache-2.0
//
// Which word of a message is its Call-ID. The oracle's scenario "Messages that are odd" asked the kernel the same.
#include "nat/sip_text.h"

#include <string>

#include "test/native/check.h"

namespace vsnat::test {
namespace {

const std::string kHead = "OPTIONS sip:a SIP/2.0\r\n";

TEST("a Call-ID is found where the kernel finds it, and only there") {
  struct Case {
    const char* text;
    const char* call_id;
  };
  const Case cases[] = {
      {"Call-ID: a\r\n", "a"},
      {"call-id:a\r\n", "a"},
      {"CALL-ID \t:\t a\r\n", "a"},
      {"i: a\r\n", "a"},
      {"I : a\r\n", "a"},
      {"i:a\n", "a"},
      {"i:a\r", "a"},
      {"Via: x\r\nCall-ID: a@b.c:5060\r\n", "a@b.c:5060"},
      {"i: -.!%*_+`'~()<>:\\\"/[]?{}\r\n", "-.!%*_+`'~()<>:\\\"/[]?{}"},
      {"i: gr\xfc\xdf\xff\r\n", "gr\xfc\xdf\xff"},
      {"i: 2\xd7"
       "2\r\n",
       ""},
      {"i:\r\n a\r\n", "a"},
      {"i\r\n :\r\n a\r\n", "a"},
      {"i:\r\n \r\n a\r\n", ""},  // one line may go on, and then there must be a word
      {"i:\r\na\r\n", ""},
      {"i: a b\r\n", ""},
      {"i: a;b\r\n", ""},
      {"i: a$\r\n", ""},
      {"i: a@\r\n", ""},
      {"i: @a\r\n", ""},
      {"i: a@b@c\r\n", ""},
      {"i: a", ""},
      {"i: ", ""},
      {"i:", ""},
      {"i", ""},
      {"Call-ID", ""},
      {"In-Reply-To: a\r\ni: b\r\n", "b"},
      {"Call-Identity: a\r\ni: b\r\n", ""},  // it begins like one, and the kernel gives up
      {"i-am: a\r\ni: b\r\n", ""},
      {"i: a\r\ni: b\r\n", "a"},
      {"i: $\r\ni: b\r\n", "b"},
      {"i: $\r\ni: $\r\ni: b\r\n", ""},  // the second search begins too far on
      {"a: b\r\n\r\ni: c\r\n", "c"},
      {"a: b\n\ni: c\n", ""},  // the line behind an empty one is passed over when it ends in LF alone
      {"a: b\r\n i: c\r\n", ""},
      {"\r\n", ""},
      {"", ""},
  };
  for (const Case& c : cases) {
    ROW(c.text);
    const std::string message = kHead + c.text;
    CHECK_EQ(std::string(nat::find_call_id(message)), std::string(c.call_id));
  }
  // The first line is no header.
  CHECK_EQ(std::string(nat::find_call_id("i: a\r\n")), std::string());
  CHECK_EQ(std::string(nat::find_call_id("\ni: a\r\n")), std::string("a"));
}

TEST("a Call-ID of 255 bytes is the longest, and one of 256 hides those behind it") {
  const std::string longest(255, 'x');
  CHECK_EQ(std::string(nat::find_call_id(kHead + "i: " + longest + "\r\n")), longest);
  CHECK(nat::find_call_id(kHead + "i: " + longest + "x\r\ni: a\r\n").empty());
}

TEST("whatever the message, a Call-ID is a line's end, words inside it, and a colon before it") {
  Random random("Call-IDs of nonsense");
  const char* pieces[] = {"\r\n", "\n", "\r",      " ",       "\t", ":", "@",
                          "i",    "I",  "Call-ID", "call-id", "ab", "$", "\xe4"};
  int found = 0;
  for (int round = 0; round < scaled(200'000); ++round) {
    std::string message;
    for (uint32_t n = random.below(24); n > 0; --n) message += pieces[random.below(std::size(pieces))];
    const std::string_view whole = message;
    const std::string_view id = nat::find_call_id(whole);
    if (id.empty()) continue;
    ++found;
    const auto at = size_t(id.data() - whole.data());
    const auto words_end = whole.find_first_of("\r\n", at);
    const auto colon = whole.find_last_not_of(" \t\r\n", at - 1);
    const bool fine = at > 0 && words_end == at + id.size() &&
                      id.find_first_of(" \t$") == std::string_view::npos && colon != std::string_view::npos &&
                      whole[colon] == ':' && id.find('@') == id.rfind('@') && id.front() != '@' &&
                      id.back() != '@';
    if (!CHECK(fine)) return;
  }
  CHECK(found > 0);
}

}  // namespace
}  // namespace vsnat::test
