// SPDX-License-Identifier: Apache-2.0
//
// What comes twice, and what only looks as if it did. The slow reference at the end keeps every sequence number that it
// has seen in a set.
#include <algorithm>
#include <set>
#include <vector>

#include "test/native/nat/scene.h"

namespace vsnat::test {
namespace {

using flow::Direction;

TEST("a segment that was all seen before is a retransmission; what only looks like one is not") {
  const struct {
    const char* name;
    PacketBuilder packet;
    uint64_t in, out;
  } rows[] = {
      {"the client's, whole", client_says(4, kAck, kC, kS + 200, 100), 1, 0},
      {"the client's, a part of it", client_says(4, kAck, kC + 50, kS + 200, 50), 1, 0},
      {"the server's, acknowledged long ago", server_says(4, kAck, kS, kC + 100, 200), 0, 1},
      {"new data", client_says(4, kAck, kC + 100, kS + 200, 100), 0, 0},
      {"old data with new behind it", client_says(4, kAck, kC + 50, kS + 200, 100), 0, 0},
      {"an acknowledgment", client_says(4, kAck, kC + 100, kS + 200), 0, 0},
      {"a keep-alive without a byte", client_says(4, kAck, kC + 99, kS + 200), 0, 0},
      {"a keep-alive with one", client_says(4, kAck, kC + 99, kS + 200, 1), 0, 0},
      {"behind a hole", client_says(4, kAck, kC + 500, kS + 200, 100), 0, 0},
      {"a stranger's guess", client_says(4, kAck, kC - 0x10000000, kS + 200, 100), 0, 0},
      {"the SYN-ACK", server_says(4, kSyn | kAck, kS - 1, kC), 0, 1},
      {"a SYN-ACK of another number", server_says(4, kSyn | kAck, kS - 2'000'000, kC), 0, 0},
      {"a SYN-ACK farther back than a first window", server_says(4, kSyn | kAck, kS - 70'000, kC), 0, 0},
      {"the SYN, which was answered", client_says(4, kSyn, kC - 1, 0), 1, 0},
      {"another SYN", client_says(4, kSyn, kC + 100'000, 0), 0, 0},
      {"a FIN", client_says(4, kFin | kAck, kC + 100, kS + 200), 0, 0},
      {"old data with a FIN behind it", client_says(4, kFin | kAck, kC, kS + 200, 100), 1, 0},
      {"a RST", client_says(4, kRst | kAck, kC + 99, kS + 200), 0, 0},
  };
  for (const auto& row : rows) {
    ROW(row.name);
    Scene s(4);
    s.open();
    s.after(10, client_says(4, kAck | kPsh, kC, kS, 100));
    s.after(10, server_says(4, kAck | kPsh, kS, kC + 100, 200));
    s.after(10, client_says(4, kAck, kC + 100, kS + 200));
    s.after(10, row.packet);
    CHECK_EQ(s.signals().retransmissions[0].read(), row.in);
    CHECK_EQ(s.signals().retransmissions[1].read(), row.out);
  }
}

TEST("one byte that was never acknowledged is sent again, not a keep-alive") {
  Scene s(4);
  s.open();
  s.after(10, client_says(4, kAck | kPsh, kC, kS, 1));
  s.after(10, client_says(4, kAck | kPsh, kC, kS, 1));
  CHECK_EQ(s.signals().retransmissions[0].read(), uint64_t{1});
}

TEST("segments out of order are no retransmissions; each that comes again is one") {
  Random random("retransmissions");
  for (int round = 0; round < scaled(300); ++round) {
    // Twenty segments, each neighbouring pair perhaps swapped, each perhaps repeated later by one.
    Scene s(4);
    s.open();
    std::vector<uint32_t> order;
    for (uint32_t i = 0; i < 20; ++i) order.push_back(i);
    for (size_t i = 0; i + 1 < order.size(); i += 2) {
      if (random.one_in(4)) std::swap(order[i], order[i + 1]);
    }
    uint32_t acknowledged = 0;
    uint64_t repeats = 0;
    std::vector<bool> sent(20);
    const auto send = [&](uint32_t i) { s.after(1, client_says(4, kAck, kC + i * 100, kS, 100)); };
    for (const uint32_t i : order) {
      send(i);
      sent[i] = true;
      while (acknowledged < 20 && sent[acknowledged]) ++acknowledged;
      s.after(1, server_says(4, kAck, kS, kC + acknowledged * 100));
      if (acknowledged > 0 && random.one_in(5)) {
        send(random.below(acknowledged));
        ++repeats;
      }
    }
    CHECK_EQ(s.signals().retransmissions[0].read(), repeats);
  }
}

TEST(
    "a SYN that comes again is a repeated SYN while there is no answer, and a retransmission later: never "
    "both") {
  for (const int family : {4, 6}) {
    Scene s(family);
    s.syn();
    s.syn();
    CHECK_EQ(s.signals().syn_repeated.read(), uint64_t{1});
    CHECK_EQ(s.signals().retransmissions[0].read(), uint64_t{0});
    s.syn_ack(1);
    s.syn();
    s.syn_ack(1);
    CHECK_EQ(s.signals().syn_repeated.read(), uint64_t{1});
    CHECK_EQ(s.signals().retransmissions[0].read(), uint64_t{1});
    CHECK_EQ(s.signals().retransmissions[1].read(), uint64_t{1});
  }
}

TEST("a SYN-ACK of another number, as of a server that has forgotten the first, is no retransmission") {
  Scene s(4);
  s.syn();
  s.syn_ack(1);
  s.after(1, server_says(4, kSyn | kAck, kS + 4999, kC));
  CHECK_EQ(s.signals().retransmissions[1].read(), uint64_t{0});
  s.after(1, server_says(4, kSyn | kAck, kS + 4999, kC));
  CHECK_EQ(s.signals().retransmissions[1].read(), uint64_t{1});
}

TEST("a FIN that comes again is a retransmission in every state that follows it") {
  for (const int family : {4, 6}) {
    const auto client_fin = client_says(family, kFin | kAck, kC, kS);
    const auto server_fin = server_says(family, kFin | kAck, kS, kC + 1);
    Scene s(family);
    s.open();
    const auto expect = [&s](uint64_t in, uint64_t out) {
      CHECK_EQ(s.signals().retransmissions[0].read(), in);
      CHECK_EQ(s.signals().retransmissions[1].read(), out);
    };
    s.after(1, client_fin);
    expect(0, 0);
    s.after(1, client_fin);
    expect(1, 0);
    s.after(1, server_says(family, kAck, kS, kC + 1));
    s.after(1, client_fin);  // the acknowledgment was lost
    expect(2, 0);
    s.after(1, server_fin);
    expect(2, 0);
    s.after(1, server_fin);
    expect(2, 1);
    s.after(1, client_says(family, kAck, kC + 1, kS + 1));
    s.after(1, server_fin);
    expect(2, 2);
  }
}

TEST("a FIN that comes again while the server thinks makes its reply no less certain") {
  Scene s(4);
  s.open();
  s.after(10, client_says(4, kAck | kPsh, kC, kS, 100));
  s.after(10, client_says(4, kFin | kAck, kC + 100, kS));
  s.after(10, client_says(4, kFin | kAck, kC + 100, kS));
  s.after(80, server_says(4, kAck | kPsh, kS, kC + 101, 10));
  CHECK_EQ(s.signals().retransmissions[0].read(), uint64_t{1});
  CHECK_EQ(text_of(s.signals().first_byte), std::string("1 in 100us"));
}

/** One end of a conversation, and the slow reference's knowledge of it. */
struct End {
  struct Segment {
    uint8_t flags;
    uint32_t seq, payload;
  };

  uint32_t next = 0, acknowledges = 0;
  bool has_finished = false;
  std::vector<Segment> sent;
  std::set<uint32_t> heard;  // each number of its data, its SYN and its FIN that has come by

  /** Is there nothing new in it? To be asked before hear(). */
  bool has_heard(const Segment& segment) const {
    const std::set<uint32_t> numbers = numbers_of(segment);
    return !numbers.empty() && std::includes(heard.begin(), heard.end(), numbers.begin(), numbers.end());
  }
  void hear(const Segment& segment) { heard.merge(numbers_of(segment)); }

 private:
  static std::set<uint32_t> numbers_of(const Segment& segment) {
    std::set<uint32_t> numbers;
    const bool syn = (segment.flags & kSyn) != 0, fin = (segment.flags & kFin) != 0;
    for (uint32_t i = 0; i < segment.payload + uint32_t(syn) + uint32_t(fin); ++i)
      numbers.insert(segment.seq + i);
    return numbers;
  }
};

/** Two ends that take turns by chance, each of which may repeat what it has said. */
class Conversation {
 public:
  Conversation(int family, Random& random) : scene_(family), random_(random) {
    for (End& end : ends_)
      end.next = random.one_in(2) ? 0xffffff80 + random.below(128) : random.below(1u << 31);
  }

  void open() {
    say_new(Direction::request, kSyn, 0);
    for (uint32_t repeats = random_.below(3); repeats > 0; --repeats) {
      say(Direction::request, of(Direction::request).sent[0]);
      ++syn_repeated_;
    }
    expected_[0] = 0;  // those were without an answer
    acknowledge(Direction::reply);
    say_new(Direction::reply, kSyn | kAck, 0);
    for (uint32_t repeats = random_.below(4); repeats > 0; --repeats) repeat_first(either());
    acknowledge(Direction::request);
    say(Direction::request, {kAck, of(Direction::request).next, 0});
  }

  void go_on() {
    const Direction direction = either();
    End& end = of(direction);
    if (random_.one_in(2)) acknowledge(direction);
    const bool has_begun_to_close = ends_[0].has_finished || ends_[1].has_finished;
    switch (random_.below(8)) {
      case 0:
        return say(direction, {kAck, end.next, 0});
      case 1:
        return has_begun_to_close ? say(direction, {kAck, end.next, 0}) : repeat_first(direction);
      case 2:
        return ask_for_life(direction);
      case 3:
        if (end.has_finished || !random_.one_in(6)) return;
        say_new(direction, kFin | kAck, random_.one_in(2) ? 0 : random_.between(2, 300));
        end.has_finished = true;
        return;
      case 4:
      case 5:
        return repeat_one(direction);
      default:
        if (!end.has_finished) say_new(direction, kAck, random_.between(2, 300));
    }
  }

  bool agrees() {
    const nat::ServerSignals& signals = scene_.signals();
    return CHECK_EQ(signals.syn_repeated.read(), syn_repeated_) &&
           CHECK_EQ(signals.retransmissions[0].read(), expected_[0]) &&
           CHECK_EQ(signals.retransmissions[1].read(), expected_[1]);
  }
  uint64_t repeats() const { return expected_[0] + expected_[1]; }

 private:
  End& of(Direction direction) { return ends_[size_t(direction)]; }
  Direction either() { return random_.one_in(2) ? Direction::request : Direction::reply; }
  void acknowledge(Direction direction) { of(direction).acknowledges = of(nat::opposite(direction)).next; }

  void say(Direction direction, const End::Segment& segment) {
    End& end = of(direction);
    if (end.has_heard(segment)) ++expected_[size_t(direction)];
    end.hear(segment);
    const auto words = direction == Direction::request ? client_says : server_says;
    scene_.after(1, words(scene_.family, segment.flags, segment.seq, end.acknowledges, segment.payload));
  }
  void say_new(Direction direction, uint8_t flags, uint32_t payload) {
    End& end = of(direction);
    const End::Segment segment{flags, end.next, payload};
    end.next += payload + uint32_t((flags & (kSyn | kFin)) != 0);
    end.sent.push_back(segment);
    say(direction, segment);
  }
  /** The SYN or SYN-ACK, by a side that has not been told of its answer. */
  void repeat_first(Direction direction) { say(direction, of(direction).sent[0]); }
  /** Anything behind it, whole or the later part of it. */
  void repeat_one(Direction direction) {
    const End& end = of(direction);
    if (end.sent.size() < 2) return;
    End::Segment segment = end.sent[random_.between(1, uint32_t(end.sent.size()) - 1)];
    if (segment.payload > 3 && random_.one_in(2)) {
      const uint32_t cut = random_.below(segment.payload - 1);
      segment.seq += cut;
      segment.payload -= cut;
    }
    if (segment.flags & kFin && random_.one_in(2)) segment = {segment.flags, end.next - 1, 0};
    say(direction, segment);
  }
  /** A keep-alive is told from data by what its peer has acknowledged: everything. It is nothing new and does not count. */
  void ask_for_life(Direction direction) {
    End& end = of(direction);
    if (end.has_finished || of(nat::opposite(direction)).acknowledges != end.next) return;
    const auto other = nat::opposite(direction);
    say(other, {kAck, of(other).next, 0});  // which has been seen here
    const uint64_t before = expected_[size_t(direction)];
    say(direction, {kAck, end.next - 1, random_.below(2)});
    expected_[size_t(direction)] = before;
  }

  Scene scene_;
  Random& random_;
  End ends_[2];
  uint64_t expected_[2] = {}, syn_repeated_ = 0;
};

TEST("what is counted as sent again is what a set of all numbers has heard before") {
  Random random("a set of all numbers");
  uint64_t repeats = 0;
  for (int round = 0; round < scaled(300); ++round) {
    Conversation conversation(random.one_in(2) ? 4 : 6, random);
    conversation.open();
    for (int step = 0; step < 60; ++step) {
      conversation.go_on();
      if (!conversation.agrees()) return;
    }
    repeats += conversation.repeats();
  }
  CHECK(repeats > uint64_t(scaled(300)) * 10);  // or nothing was compared
}

}  // namespace
}  // namespace vsnat::test
