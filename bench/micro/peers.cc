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

std::vector<std::string> peer_versions() {
  std::vector<std::string> versions{"libstdc++ " + std::to_string(_GLIBCXX_RELEASE)};
#ifdef VSNAT_WITH_ABSEIL
  versions.push_back("Abseil " + std::to_string(ABSL_LTS_RELEASE_VERSION) + "." +
                     std::to_string(ABSL_LTS_RELEASE_PATCH_LEVEL));
#endif
#ifdef VSNAT_WITH_BOOST_FLAT
  versions.push_back("Boost " + std::to_string(BOOST_VERSION / 100000) + "." +
                     std::to_string(BOOST_VERSION / 100 % 1000));
#endif
  return versions;
}

void add_peers() {
  each_peer([]<class Table>(const std::string& name) { add_lookups<Table>(name); });
}

}  // namespace vsnat::bench
