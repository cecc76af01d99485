// SPDX-License-Identifier: Apache-2.0
//
// HostChanges(subjects, routeProtocol, heard) in JavaScript: calls `heard` once when something of the subjects has changed on
// this host, and then no more until listen(). It keeps no process alive.
#pragma once

#include <napi.h>

namespace vsnat::binding {

Napi::Function define_host_changes(Napi::Env env);

}  // namespace vsnat::binding
