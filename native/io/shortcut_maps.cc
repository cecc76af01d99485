// SPDX-License-Identifier: Apache-2.0
#include "io/shortcut_maps.h"

namespace vsnat::io {

Result<ShortcutMaps> ShortcutMaps::open(uint32_t shortcuts) {
  Result<BpfHash> keys4 = BpfHash::open(sizeof(ShortcutKey4), 2 * shortcuts, "vsnat_short4");
  if (!keys4) return keys4.error();
  Result<BpfHash> keys6 = BpfHash::open(sizeof(ShortcutKey6), 2 * shortcuts, "vsnat_short6");
  if (!keys6) return keys6.error();
  Result<BpfArray> ways = BpfArray::open(sizeof(flow::Shortcut), shortcuts, "vsnat_shortcuts");
  if (!ways) return ways.error();
  Result<BpfArray> the_switch = BpfArray::open(sizeof(flow::ShortcutSwitch), 1, "vsnat_switch");
  if (!the_switch) return the_switch.error();
  return ShortcutMaps{std::move(keys4.value()), std::move(keys6.value()), std::move(ways.value()),
                      std::move(the_switch.value())};
}

}  // namespace vsnat::io
