// SPDX-License-Identifier: Apache-2.0
//
// The ring on a socket that keeps packet boundaries, as a device does. Kernels and containers that refuse io_uring skip
// this, and say so.
#include "io/tun_ring.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "test/native/check.h"

namespace vsnat::test {
namespace {

using Kind = io::RingEvent::Kind;

constexpr uint32_t kRoom = 65536;

struct Pair {
  UniqueFd ours, theirs, wake{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  std::vector<uint8_t> memory = std::vector<uint8_t>(io::TunRing::kBuffers * kRoom);
  std::optional<io::TunRing> ring;

  Pair() {
    int ends[2];
    if (!CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0)) return;
    ours = UniqueFd{ends[0]};
    theirs = UniqueFd{ends[1]};
    auto opened = io::TunRing::open();
    if (!opened) {
      std::fprintf(stderr, "SKIPPED, no io_uring here: %s: %s\n", opened.error().operation.c_str(),
                   std::strerror(opened.error().error));
      return;
    }
    ring.emplace(std::move(opened.value()));
    CHECK(bool(ring->begin(ours.get(), wake.get(), {memory.data(), kRoom, kRoom})));
  }

  void say(const std::string& text) {
    CHECK_EQ(::send(theirs.get(), text.data(), text.size(), 0), ssize_t(text.size()));
  }

  std::string heard() {
    char text[2048];
    const ssize_t got = ::recv(theirs.get(), text, sizeof(text), MSG_DONTWAIT);
    return got < 0 ? "(nothing)" : std::string(text, size_t(got));
  }

  std::string text_of(const io::RingEvent& event) const {
    return {reinterpret_cast<const char*>(memory.data()) + event.buffer * kRoom, event.length};
  }

  /** The next event, waiting for it up to five seconds. */
  io::RingEvent await() {
    io::RingEvent event;
    for (int i = 0; i < 50; ++i) {
      if (ring->next(event)) return event;
      ring->enter_and_wait(100);
    }
    CHECK(!"an event within five seconds");
    return event;
  }
};

TEST("packets come out of a ring whole and in order") {
  Pair pair;
  if (!pair.ring) return;
  for (const char* text : {"one", "two", "three"}) pair.say(text);
  for (const char* text : {"one", "two", "three"}) {
    const io::RingEvent event = pair.await();
    CHECK(event.kind == Kind::packet);
    CHECK_EQ(pair.text_of(event), std::string(text));
  }
}

TEST("a read goes on after every buffer was taken and given back, many times over") {
  Pair pair;
  if (!pair.ring) return;
  unsigned sent = 0, seen = 0;
  for (unsigned round = 0; round < 20; ++round) {
    std::vector<uint16_t> held;
    for (unsigned i = 0; i < io::TunRing::kBuffers; ++i) pair.say(std::to_string(sent++));
    while (held.size() < io::TunRing::kBuffers) {
      const io::RingEvent event = pair.await();
      if (!CHECK(event.kind == Kind::packet)) return;
      CHECK_EQ(pair.text_of(event), std::to_string(seen++));
      held.push_back(event.buffer);
    }
    // None is left: a packet more waits in the device and not in somebody's buffer.
    pair.say(std::to_string(sent++));
    pair.ring->enter();
    io::RingEvent none;
    CHECK(!pair.ring->next(none));
    for (const uint16_t buffer : held) pair.ring->give_back(buffer);
    const io::RingEvent late = pair.await();
    CHECK_EQ(pair.text_of(late), std::to_string(seen++));
    pair.ring->give_back(late.buffer);
  }
}

TEST("one call brings few packets while they are large, and many again when they are small") {
  Pair pair;
  if (!pair.ring) return;
  // More must wait than one call may bring.
  const std::string large(50'000, 'x');
  constexpr uint32_t kFit = io::TunRing::kBytesAtOnce / 50'000;
  const int bytes = 8 << 20;
  ::setsockopt(pair.theirs.get(), SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
  int room = 0;
  socklen_t length = sizeof(room);
  ::getsockopt(pair.theirs.get(), SOL_SOCKET, SO_SNDBUF, &room, &length);
  if (room < bytes) {
    std::fprintf(stderr, "SKIPPED, a large send buffer needs CAP_NET_ADMIN\n");
    return;
  }
  const auto most_at_once = [&pair](const std::string& text) {
    unsigned most = 0;
    for (unsigned round = 0; round < 20; ++round) {
      unsigned sent = 0;
      while (sent < 40 && ::send(pair.theirs.get(), text.data(), text.size(), MSG_DONTWAIT) > 0) ++sent;
      unsigned seen = 0;
      while (seen < sent) {
        pair.ring->enter_and_wait(1000);
        unsigned at_once = 0;
        for (io::RingEvent event; pair.ring->next(event); ++at_once) {
          if (!CHECK(event.kind == Kind::packet)) return most;
          CHECK_EQ(event.length, text.size());
          pair.ring->give_back(event.buffer);
        }
        if (!CHECK(at_once > 0)) return most;
        seen += at_once;
        if (round > 10) most = std::max(most, at_once);  // by then the size is known
      }
    }
    return most;
  };
  CHECK_EQ(most_at_once("small"), 40u);
  CHECK_EQ(most_at_once(large), kFit);
  CHECK_EQ(most_at_once("small"), 40u);
}

TEST("writes are issued together, arrive in order, and each is reported with its buffer") {
  Pair pair;
  if (!pair.ring) return;
  const std::string texts[] = {"alpha", "beta", "gamma"};
  for (uint16_t i = 0; i < 3; ++i) {
    uint8_t* at = pair.memory.data() + i * kRoom;
    std::memcpy(at, texts[i].data(), texts[i].size());
    CHECK(pair.ring->write(i, at, uint32_t(texts[i].size())));
  }
  CHECK(pair.ring->has_queued_writes());
  CHECK_EQ(pair.heard(), std::string("(nothing)"));
  pair.ring->enter();
  CHECK(!pair.ring->has_queued_writes());
  for (const std::string& text : texts) CHECK_EQ(pair.heard(), text);
  for (uint16_t i = 0; i < 3; ++i) {
    const io::RingEvent event = pair.await();
    CHECK(event.kind == Kind::written);
    CHECK_EQ(event.buffer, i);
    CHECK_EQ(event.error, 0);
  }
}

TEST("a write that fails says why") {
  Pair pair;
  if (!pair.ring) return;
  ::shutdown(pair.ours.get(), SHUT_WR);
  CHECK(pair.ring->write(7, pair.memory.data(), 1));
  const io::RingEvent event = pair.await();
  CHECK(event.kind == Kind::written);
  CHECK_EQ(event.buffer, 7);
  CHECK_EQ(event.error, EPIPE);
}

TEST("whoever wakes the thread is heard, again and again") {
  Pair pair;
  if (!pair.ring) return;
  for (int i = 0; i < 3; ++i) {
    ::eventfd_write(pair.wake.get(), 1);
    CHECK(pair.await().kind == Kind::woken);
    eventfd_t ignored;
    ::eventfd_read(pair.wake.get(), &ignored);
  }
}

TEST("a wait without events ends by itself") {
  Pair pair;
  if (!pair.ring) return;
  pair.ring->enter_and_wait(1);
  io::RingEvent event;
  CHECK(!pair.ring->next(event));
}

TEST("a device that is gone is told apart from one that is silent") {
  Pair pair;
  if (!pair.ring) return;
  pair.theirs.reset(-1);
  const io::RingEvent event = pair.await();
  CHECK(event.kind == Kind::failed);
  CHECK_EQ(event.error, EBADFD);
}

TEST("after the end nothing holds the device any more") {
  Pair pair;
  if (!pair.ring) return;
  pair.ring->enter();
  pair.ring->end();
  pair.ring.reset();
  pair.ours.reset(-1);
  pollfd other{pair.theirs.get(), POLLIN, 0};
  CHECK_EQ(::poll(&other, 1, 5000), 1);
  CHECK((other.revents & POLLHUP) != 0);
}

}  // namespace
}  // namespace vsnat::test
