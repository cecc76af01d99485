// SPDX-License-Identifier: Apache-2.0
#include "bench/micro/peers.h"

#include <string>

#include "bench/micro/groups.h"

#ifdef VSNAT_WITH_BOOST_FLAT
namespace boost {
/** Called in the place of throwing, since the core is built without exceptions. */
[[noreturn]] void throw_exception(const std::exception&) {
  vsnat::bench::fail("Boost wants to throw");
}
[[noreturn]] void throw_exception(const std::exception&, const source_location&) {
  vsnat::bench::fail("Boost wants to throw");
}
}  // namespace boost
#endif

namespace vsnat::bench {

void add_peers() {
  each_peer([]<class Table>(const std::string& name) { add_lookups<Table>(name); });
}

}  // namespace vsnat::bench
