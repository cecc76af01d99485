// SPDX-License-Identifier: Apache-2.0
//
// The tool's commands. A client command prints one JSON line and returns 0 when nothing was lost, damaged or
// refused, else 1; so a test may look at either. Servers run until the process is ended.
#pragma once

#include <cstdint>
#include <string>

#include "options.h"

namespace vsnat::load {

int run_stream(Options& options);
int run_http(Options& options);
int run_udp(Options& options);
int run_ping(Options& options);
int run_flood(Options& options);
int run_talk(Options& options);

/// Each binds before it returns and serves on threads of its own.
void serve_stream(uint16_t port);
void serve_http(uint16_t port, const std::string& name);
void serve_udp(uint16_t port, const std::string& name);
void serve_sink(uint16_t port, const std::string& count_file);
void serve_talk(uint16_t port);

}  // namespace vsnat::load
