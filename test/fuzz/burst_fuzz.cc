// SPDX-License-Identifier: Apache-2.0
//
// Packets that come together against the same packets that come alone, each through a lane of its own as the workers run it. In
// a burst the usual segments go a short way (nat/usual.h), and what a packet will need is asked for before those ahead of it have
// done their work; neither may be seen from outside:
//
//   what leaves     the same packets in the same order, to the last bit of their metadata
//   what became     of every packet, and why
//   what is kept    flows and templates to the last bit of their tables, pieces that wait, the servers' loads
//   what is counted by queue, service and server
//
// That the lone packets are right is for step_fuzz.cc to say.
#include <cstddef>
#include <cstring>

#include "engine/lane.h"
#include "test/fuzz/step_lab.h"
#include "test/native/check.h"
#include "test/native/support/views.h"

namespace vsnat::test {
namespace {

constexpr int kPacketsPerInput = 40;

struct Left {
  nat::Verdict verdict;
  Bytes bytes;
  wire::vnet_hdr vnet;

  bool operator==(const Left& other) const {
    return verdict == other.verdict && bytes == other.bytes &&
           std::memcmp(&vnet, &other.vnet, sizeof(vnet)) == 0;
  }
};

/** A director with connections, and the lane its packets come by. */
struct Side {
  Side() {
    lane.core.defence = &lab->defence;
    lane.core.ftp = &lab->ftp;
    lane.core.check_ports = &lab->check_ports;
  }

  void take(std::span<const Packet> packets) {
    std::vector<ExactBytes> buffers;
    std::vector<nat::Packet> native;
    for (const Packet& packet : packets) {
      Bytes bytes = packet.bytes;
      bytes.resize(bytes.size() + nat::kAnswerHeadroom, 0xee);
      ExactBytes& buffer = buffers.emplace_back(bytes);
      native.push_back(
          {buffer.span().data(), uint32_t(packet.bytes.size()), uint32_t(bytes.size()), packet.vnet});
    }
    nat::Outcome became[engine::kBurst];
    lane.run(*lab->snapshot, lab->now, native.data(), unsigned(native.size()), became,
             [&](const nat::Packet& packet, const nat::Pending&, nat::Verdict verdict) {
               left.push_back({verdict, Bytes(packet.data, packet.data + packet.length), packet.vnet});
               return engine::Emitted::sent;
             });
    outcomes.insert(outcomes.end(), became, became + packets.size());
  }

  void silence() {
    for (uint32_t shard = 0; shard < nat::flow_shards(*lab->tables); ++shard) {
      nat::Goodbyes none;
      uint32_t ended = 0;
      nat::end_flows(lane.core, *lab->snapshot, {.silence = true}, shard, lab->now.tick(), 0, none, ended);
    }
  }

  void expire() {
    for (uint32_t shard = 0; shard < nat::expirable_shards(*lab->tables); ++shard) {
      while (nat::expire(lane.core, *lab->snapshot, shard, lab->now.tick(), 16)) {
      }
    }
    lane.expire_fragments(lab->now);
  }

  std::unique_ptr<NatLab> lab = warm_lab();
  engine::Lane lane{*lab->tables, lab->fragments, lab->loads.data(), kTestLimits, 0};
  std::vector<Left> left;
  std::vector<nat::Outcome> outcomes;
};

template <class T>
bool has_same_bytes(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

bool is_like(const nat::Outcome& a, const nat::Outcome& b) {
  return a.verdict == b.verdict && a.reason == b.reason && a.generated == b.generated;
}

void check_counted(const Side& a, const Side& b) {
  // As far as the last of them: what alignment adds behind it is anything.
  constexpr size_t kCounted = offsetof(engine::QueueCounters, polls) + sizeof(Counter);
  CHECK(std::memcmp(&a.lane.counters, &b.lane.counters, kCounted) == 0);
  const nat::Tally &one = a.lane.tally, &other = b.lane.tally;
  for (uint32_t slot = 0; slot < kTestLimits.counted_slots(); ++slot) {
    for (const auto direction : {flow::Direction::request, flow::Direction::reply}) {
      const nat::Volume volume = one.volume(slot, direction), other_volume = other.volume(slot, direction);
      CHECK_EQ(volume.packets, other_volume.packets);
      CHECK_EQ(volume.bytes, other_volume.bytes);
    }
    CHECK(has_same_bytes(one.connections(slot), other.connections(slot)));
    CHECK(has_same_bytes(one.signals(slot), other.signals(slot)));
  }
  for (uint32_t slot = 0; slot < kTestLimits.service_slots; ++slot)
    CHECK(has_same_bytes(one.service(slot), other.service(slot)));
  for (const Counter nat::Tally::*counter :
       {&nat::Tally::foreign_flows, &nat::Tally::suspect_resets, &nat::Tally::ambiguous_replies,
        &nat::Tally::entries_dropped, &nat::Tally::orphans_ended, &nat::Tally::flows_ended,
        &nat::Tally::ftp_announced, &nat::Tally::ftp_ignored})
    CHECK_EQ((one.*counter).read(), (other.*counter).read());
}

void check_kept(Side& a, Side& b) {
  const auto one = a.lab->table_memory(), other = b.lab->table_memory();
  for (size_t i = 0; i < one.size(); ++i)
    CHECK(std::memcmp(one[i].data(), other[i].data(), one[i].size()) == 0);
  CHECK_EQ(a.lab->fragments.waiting(), b.lab->fragments.waiting());
  for (size_t slot = 0; slot < a.lab->loads.size(); ++slot) {
    CHECK_EQ(a.lab->loads[slot].active.load(), b.lab->loads[slot].active.load());
    CHECK_EQ(a.lab->loads[slot].inactive.load(), b.lab->loads[slot].inactive.load());
    CHECK_EQ(a.lab->loads[slot].persistent.load(), b.lab->loads[slot].persistent.load());
  }
}

void check_same(Side& alone, Side& together) {
  if (CHECK_EQ(together.outcomes.size(), alone.outcomes.size()))
    for (size_t i = 0; i < alone.outcomes.size(); ++i)
      CHECK(is_like(together.outcomes[i], alone.outcomes[i]));
  CHECK(together.left == alone.left);
  check_counted(alone, together);
  check_kept(alone, together);
}

void take(Side& alone, Side& together, std::vector<Packet>& burst) {
  if (burst.empty()) return;
  for (const Packet& packet : burst) alone.take({&packet, 1});
  together.take(burst);
  check_same(alone, together);
  burst.clear();
  for (Side* side : {&alone, &together}) {
    side->left.clear();
    side->outcomes.clear();
  }
}

}  // namespace

void fuzz_burst(std::span<const uint8_t> input) {
  Side alone, together;
  std::vector<Packet> burst;
  for (int i = 0; i < kPacketsPerInput; ++i) {
    const std::optional<Record> record = next_record(input);
    if (!record) break;
    if (record->pause_ms != 0) {
      take(alone, together, burst);
      for (Side* side : {&alone, &together}) side->lab->now.ms += record->pause_ms;
    }
    burst.push_back(record->packet);
    const bool is_last = record->silences || record->expires || burst.size() == engine::kBurst;
    if (is_last) take(alone, together, burst);
    for (Side* side : {&alone, &together}) {
      if (record->silences) side->silence();
      if (record->expires) side->expire();
    }
    if (is_last) check_same(alone, together);
  }
  take(alone, together, burst);
}

/** Beside those of single steps: long streams, which are what bursts are made of. */
std::vector<Bytes> burst_seeds() {
  std::vector<Bytes> seeds = step_seeds();
  for (const int f : {4, 6}) {
    std::vector<PacketBuilder> download, upload, both;
    uint32_t client = Handshake::kClientNext, server = Handshake::kServerNext;
    for (int i = 0; i < 20; ++i) {
      const PacketBuilder data = from_server(f, kAck).seq(server).ack(client).payload_bytes(12),
                          ack = tcp(f).flags(kAck).seq(client).ack(server);
      download.push_back(data);
      if (i % 2 == 1) download.push_back(ack);
      upload.push_back(tcp(f).flags(kAck).seq(client + uint32_t(i) * 8).ack(server).payload_bytes(8));
      both.push_back(i % 2 == 0 ? upload.back() : data);
      server += 12;
    }
    both.push_back(tcp(f).flags(kAck | kFin).seq(client + 20 * 8).ack(server));
    both.push_back(from_server(f, kAck | kFin).seq(server).ack(client));
    // One that is not quite usual between others: without a hop, out of line, with a trailer, not checked yet.
    std::vector<PacketBuilder> odd;
    for (const PacketBuilder& one : upload) {
      const size_t n = odd.size();
      odd.push_back(one);
      if (n % 6 == 1) odd.back().ttl(uint8_t(n / 6 % 2));
      if (n % 6 == 3) odd.back().trailer(3);
      if (n % 6 == 4) odd.back().checksum(n < 10 ? Csum::partial : Csum::wrong);
      if (n % 6 == 5) odd.push_back(one);
    }
    for (const auto* story : {&download, &upload, &both, &odd}) seeds.push_back(seed_of(*story));
    seeds.push_back(seed_of(both));
    seeds.back()[0] |= kSilence;
  }
  return seeds;
}

}  // namespace vsnat::test
