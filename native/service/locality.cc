// SPDX-License-Identifier: Apache-2.0
#include "service/locality.h"

#include <algorithm>
#include <cstring>
#include <mutex>

namespace vsnat::service {
namespace {

bool less(Locality::Address a, Locality::Address b) {
  return std::memcmp(a.data(), b.data(), a.size()) < 0;
}
bool same(Locality::Address a, Locality::Address b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

bool Locality::Entry::has(uint32_t server) const {
  return std::find(servers_, servers_ + count_, server) != servers_ + count_;
}

void Locality::Entry::add(uint32_t server, Tick now) {
  servers_[count_++] = server;
  changed = now;
}

void Locality::Entry::remove(uint32_t server, Tick now) {
  uint32_t* end = servers_ + count_;
  count_ = uint32_t(std::remove(servers_, end, server) - servers_);
  changed = now;
}

Locality::Locality(const std::vector<Address>& addresses, uint32_t servers) {
  std::vector<Address> sorted = addresses;
  std::sort(sorted.begin(), sorted.end(), less);
  sorted.erase(std::unique(sorted.begin(), sorted.end(), same), sorted.end());
  width_ = sorted.empty() ? 0 : sorted[0].size();
  for (const Address address : sorted) addresses_.insert(addresses_.end(), address.begin(), address.end());
  memory_ = std::make_unique_for_overwrite<uint32_t[]>(sorted.size() * servers);
  entries_.resize(sorted.size());
  for (size_t i = 0; i < entries_.size(); ++i) entries_[i].servers_ = memory_.get() + i * servers;
}

Locality::Entry* Locality::find(Address address) {
  if (address.size() != width_) return nullptr;
  size_t low = 0, high = entries_.size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (less(address_at(middle), address)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < entries_.size() && same(address_at(low), address) ? &entries_[low] : nullptr;
}

void Locality::inherit(Locality& before, std::span<const uint32_t> moved) {
  const std::lock_guard guard(before.lock);
  for (size_t i = 0; i < before.entries_.size(); ++i) {
    const Entry& from = before.entries_[i];
    Entry* to = find(before.address_at(i));
    if (to == nullptr) continue;
    to->clear();
    for (const uint32_t server : from.servers()) {
      if (moved[server] != kGone) to->servers_[to->count_++] = moved[server];
    }
    to->used = from.used;
    to->changed = from.changed;
  }
}

}  // namespace vsnat::service
