// SPDX-License-Identifier: Apache-2.0
//
// What takes long to set up, a table of ten million flows, is kept from one case to the next that wants the same. One thing
// at a time: two would not fit together everywhere.
#pragma once

#include <memory>
#include <string>

#include "bench/micro/case.h"

namespace vsnat::bench {

struct KeptThing {
  std::string key;
  std::shared_ptr<void> thing;
};
inline KeptThing kept_thing;

/** What `make()` made for this key, which names the type as well. */
template <class Thing, class Make>
Thing& kept(const std::string& key, Make&& make) {
  if (kept_thing.key != key) {
    sets_up();
    kept_thing = {};
    kept_thing = {key, std::shared_ptr<Thing>(make())};
  }
  return *static_cast<Thing*>(kept_thing.thing.get());
}

}  // namespace vsnat::bench
