// SPDX-License-Identifier: Apache-2.0
#include "nat/volumes.h"

#include <atomic>
#include <thread>

#include "test/native/check.h"

namespace vsnat::test {
namespace {

using flow::Direction;
using nat::Volume;
using nat::Volumes;

constexpr uint32_t kSlots = 20;
/** What IP has at most: 128 of these are the most that wait to be carried over. */
constexpr uint32_t kLongest = 40 + 65535;

void has(const Volumes& volumes, uint32_t slot, Direction direction, const Volume& want) {
  const Volume got = volumes.read(slot, direction);
  CHECK_EQ(got.packets, want.packets);
  CHECK_EQ(got.bytes, want.bytes);
}

TEST("packets and bytes of each server and direction are what plain sums of them are") {
  Random random("volumes");
  Volumes volumes(kSlots);
  Volume want[kSlots][2];
  const int packets = scaled(100'000);
  for (int n = 0; n < packets; ++n) {
    const uint32_t slot = random.below(kSlots), way = random.below(2);
    const uint32_t bytes = random.one_in(2) ? kLongest : random.below(kLongest);
    const uint64_t many = random.one_in(20) ? random.below(1000) : 1;
    if (many == 1) {
      volumes.count(slot, Direction(way), bytes);
    } else {
      volumes.add(slot, Direction(way), {many, many * bytes});
    }
    want[slot][way].packets += many;
    want[slot][way].bytes += many * bytes;
    has(volumes, slot, Direction(way), want[slot][way]);
  }
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    for (const uint32_t way : {0u, 1u}) has(volumes, slot, Direction(way), want[slot][way]);
  }
}

TEST("as many of the longest packets as are carried over at once, and one more and one less, are all there") {
  for (const uint32_t count :
       {Volumes::kCarriedEvery - 1, Volumes::kCarriedEvery, Volumes::kCarriedEvery + 1}) {
    Volumes volumes(kSlots);
    for (uint32_t n = 0; n < count; ++n) volumes.count(7, Direction::reply, kLongest);
    has(volumes, 7, Direction::reply, {count, uint64_t{count} * kLongest});
    has(volumes, 7, Direction::request, {});
    has(volumes, 6, Direction::reply, {});
    has(volumes, 8, Direction::reply, {});
  }
}

TEST("who reads while packets are counted sees whole packets, and never fewer than before") {
  constexpr uint32_t kBytes = 1000;
  Volumes volumes(kSlots);
  std::atomic<bool> is_reading{false};
  const int packets = scaled(2'000'000);
  std::thread writer([&] {
    while (!is_reading) std::this_thread::yield();
    for (int n = 0; n < packets; ++n) volumes.count(3, Direction::request, kBytes);
  });
  uint64_t seen = 0;
  while (seen < uint64_t(packets)) {
    const Volume now = volumes.read(3, Direction::request);
    if (!CHECK(now.packets >= seen) || !CHECK_EQ(now.bytes, now.packets * kBytes)) break;
    seen = now.packets;
    is_reading = true;
  }
  is_reading = true;
  writer.join();
}

}  // namespace
}  // namespace vsnat::test
