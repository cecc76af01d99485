// SPDX-License-Identifier: Apache-2.0
//
// What the programs in the kernel know of a snapshot: the VIPs, for steering; the places of virtual services and real
// servers, for direct ingress. They learn what is new before the workers do, and forget what is gone after them, so that
// nothing is led here which nobody knows yet.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "io/ingress.h"
#include "io/steering.h"
#include "service/snapshot.h"

namespace vsnat::engine {

class KernelMaps {
 public:
  void use(io::Steering steering) { steering_.emplace(std::move(steering)); }
  void use(io::DirectIngress ingress) { ingress_.emplace(std::move(ingress)); }

  /** null where there is none. */
  io::DirectIngress* ingress() { return ingress_ ? &*ingress_ : nullptr; }

  void learn(const service::Snapshot& next);
  /** What the snapshot of the last learn() does not have. */
  void forget();

 private:
  /** The keys of a map in the kernel. */
  template <class Key>
  class Mirror {
   public:
    /** A key the map refuses is tried again next time; its packets take the slower way. */
    template <class Add>
    void learn(std::vector<Key> wanted, Add&& add) {
      std::sort(wanted.begin(), wanted.end());
      wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
      std::vector<Key> added;
      for (const Key& key : wanted)
        if (!std::binary_search(held_.begin(), held_.end(), key) && add(key) == 0) added.push_back(key);
      const auto middle = held_.insert(held_.end(), added.begin(), added.end());
      std::inplace_merge(held_.begin(), middle, held_.end());
      wanted_ = std::move(wanted);
    }

    template <class Remove>
    void forget(Remove&& remove) {
      std::erase_if(held_, [&](const Key& key) {
        if (std::binary_search(wanted_.begin(), wanted_.end(), key)) return false;
        remove(key);
        return true;
      });
      wanted_ = {};
    }

   private:
    std::vector<Key> held_, wanted_;  // sorted
  };

  std::optional<io::Steering> steering_;
  std::optional<io::DirectIngress> ingress_;
  Mirror<io::VipKey> vips_;
  Mirror<io::Endpoint> endpoints_;
};

}  // namespace vsnat::engine
