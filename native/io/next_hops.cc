// SPDX-License-Identifier: Apache-2.0
#include "io/next_hops.h"

namespace vsnat::io {
namespace {

constexpr uint64_t kMacMask = (uint64_t{1} << 48) - 1;
constexpr uint32_t kTenureMask = 0x7fff;

uint64_t packed(const Mac& mac) {
  uint64_t value = 0;
  for (const uint8_t byte : mac) value = value << 8 | byte;
  return value;
}

Mac unpacked(uint64_t value) {
  Mac mac;
  for (int i = 5; i >= 0; --i, value >>= 8) mac[size_t(i)] = uint8_t(value);
  return mac;
}

}  // namespace

NextHops::NextHops(uint32_t hosts)
    : mask_(hosts - 1),
      most_neighbours_(hosts / 4),
      entries_(std::make_unique<Entry[]>(hosts)),
      neighbour_table_(std::make_unique<Neighbour[]>(hosts / 4)) {}

/** Not keyed: whoever makes hosts collide only sends their packets the ordinary way. */
uint32_t NextHops::home(const Host& host) const {
  const uint64_t mixed = (host.half(0) ^ host.half(1) * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
  return uint32_t(mixed >> 32) & mask_;
}

bool NextHops::look_up(const Host& host, Known& known) const {
  const uint32_t epoch = epoch_.load(std::memory_order_acquire);
  const uint32_t first = home(host);
  for (uint32_t way = 0; way < kWays; ++way) {
    const Entry& entry = entries_[(first + way) & mask_];
    const uint32_t sequence = entry.sequence.load(std::memory_order_acquire);
    if (sequence & 1) continue;  // being written
    // Acquire, so that whoever reads a word of a later writing also sees the odd count that came before it.
    if (entry.host[0].load(std::memory_order_acquire) != host.half(0) ||
        entry.host[1].load(std::memory_order_acquire) != host.half(1) ||
        entry.epoch.load(std::memory_order_acquire) != epoch) {
      continue;
    }
    known.source = entry.source.load(std::memory_order_acquire);
    known.neighbour = entry.neighbour.load(std::memory_order_acquire);
    known.tenure = entry.tenure.load(std::memory_order_acquire);
    known.step.interface = entry.interface.load(std::memory_order_acquire);
    known.step.mtu = entry.mtu.load(std::memory_order_acquire);
    known.step.gateway = Host::of_halves(entry.gateway[0].load(std::memory_order_acquire),
                                         entry.gateway[1].load(std::memory_order_acquire));
    if (entry.sequence.load(std::memory_order_relaxed) == sequence) return true;
  }
  return false;
}

NextHops::Way NextHops::route_to(const Host& host) const {
  Known known;
  if (!look_up(host, known)) return Way::unknown;
  return known.neighbour == kNoNeighbour ? Way::route : Way::direct;
}

uint64_t NextHops::neighbour_of(const Known& known) const {
  if (known.neighbour == kNoNeighbour) return 0;
  const uint64_t word = neighbour_table_[known.neighbour].word.load(std::memory_order_acquire);
  return (word & kValid) != 0 && (uint32_t(word >> 48) & kTenureMask) == known.tenure ? word : 0;
}

NextHops::Way NextHops::find(const Host& host, uint64_t now_ms, NextHop& hop) {
  Known known;
  if (!look_up(host, known)) return Way::unknown;
  const uint64_t word = neighbour_of(known);
  if (word == 0) return Way::route;
  Neighbour& neighbour = neighbour_table_[known.neighbour];
  uint32_t refreshed = neighbour.refreshed_ms.load(std::memory_order_relaxed);
  if (uint32_t(now_ms) - refreshed >= kRefreshMs &&
      neighbour.refreshed_ms.compare_exchange_strong(refreshed, uint32_t(now_ms),
                                                     std::memory_order_relaxed)) {
    return Way::route;
  }
  hop.interface = known.step.interface;
  hop.mtu = known.step.mtu;
  hop.source = unpacked(known.source);
  hop.destination = unpacked(word & kMacMask);
  return Way::direct;
}

std::optional<Step> NextHops::step_to(const Host& host) const {
  Known known;
  if (!look_up(host, known) || neighbour_of(known) == 0) return {};
  return known.step;
}

void NextHops::begin_edition() {
  uint32_t next = edition_.load(std::memory_order_relaxed) + 1;
  if (next == 0) next = 1;
  edition_.store(next, std::memory_order_release);
  if (announced_) announced_->store(next, std::memory_order_release);
}

void NextHops::forget_hosts() {
  epoch_.fetch_add(1, std::memory_order_release);
  begin_edition();
}

void NextHops::forget_neighbours() {
  forget_hosts();
  for (uint32_t i = 0; i < neighbours_; ++i) neighbour_table_[i].word.store(0, std::memory_order_release);
  neighbours_ = 0;
  tenure_ = tenure_ == kTenureMask ? 1 : tenure_ + 1;
}

uint32_t NextHops::add_neighbour() {
  if (neighbours_ == most_neighbours_) return kNoNeighbour;
  return neighbours_++;
}

void NextHops::set_neighbour(uint32_t neighbour, const Mac* address) {
  const uint64_t word = address ? kValid | uint64_t(tenure_) << 48 | packed(*address) : 0;
  const uint64_t before = neighbour_table_[neighbour].word.exchange(word, std::memory_order_acq_rel);
  // One that was never there is in nobody's step.
  if (!address && (before & kValid) != 0) begin_edition();
}

NextHops::Entry& NextHops::place_for(const Host& host) {
  const uint32_t epoch = epoch_.load(std::memory_order_relaxed);
  const uint32_t first = home(host);
  Entry* old = nullptr;
  for (uint32_t way = 0; way < kWays; ++way) {
    Entry& entry = entries_[(first + way) & mask_];
    const bool same = entry.host[0].load(std::memory_order_relaxed) == host.half(0) &&
                      entry.host[1].load(std::memory_order_relaxed) == host.half(1);
    if (same) return entry;
    if (old == nullptr && entry.epoch.load(std::memory_order_relaxed) != epoch) old = &entry;
  }
  return old ? *old : entries_[(first + victim_++ % kWays) & mask_];
}

void NextHops::put(const Host& host, const Step& step, const Mac& source, uint32_t neighbour) {
  Entry& entry = place_for(host);
  const uint32_t sequence = entry.sequence.load(std::memory_order_relaxed);
  entry.sequence.store(sequence + 1, std::memory_order_relaxed);
  entry.host[0].store(host.half(0), std::memory_order_release);
  entry.host[1].store(host.half(1), std::memory_order_release);
  entry.source.store(packed(source), std::memory_order_release);
  entry.neighbour.store(neighbour, std::memory_order_release);
  entry.tenure.store(tenure_, std::memory_order_release);
  entry.interface.store(step.interface, std::memory_order_release);
  entry.mtu.store(step.mtu, std::memory_order_release);
  for (const int i : {0, 1}) entry.gateway[i].store(step.gateway.half(i), std::memory_order_release);
  entry.epoch.store(epoch_.load(std::memory_order_relaxed), std::memory_order_release);
  entry.sequence.store(sequence + 2, std::memory_order_release);
}

}  // namespace vsnat::io
