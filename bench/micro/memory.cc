// SPDX-License-Identifier: Apache-2.0
//
// Bytes a flow takes, told twice: what the table says it was given, by the flows it has room for; and by how much the process
// grew, as the kernel counts it, when a director had opened as many flows as it has room for. Index, records, deadlines, and
// whatever else a flow makes resident are in the second.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

#include "bench/micro/case.h"
#include "bench/micro/groups.h"
#include "bench/micro/kept.h"
#include "bench/micro/peers.h"
#include "bench/micro/traffic.h"

namespace vsnat::bench {
namespace {

/** Of this process, in bytes. */
double resident() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  unsigned long long total = 0, pages = 0;
  const bool read = file != nullptr && std::fscanf(file, "%llu %llu", &total, &pages) == 2;
  if (file != nullptr) std::fclose(file);
  if (!read) fail("/proc/self/statm cannot be read");
  return double(pages) * double(::sysconf(_SC_PAGESIZE));
}

/** What `made()` adds to the resident bytes, in a child, in which nothing was freed before that it could use again. */
template <class Make>
double grown_by(Make&& make) {
  int ends[2];
  if (::pipe(ends) != 0) fail("no pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    const double before = resident();
    const auto made = make();
    const double grown = resident() - before;
    const bool told = made && ::write(ends[1], &grown, sizeof(grown)) == sizeof(grown);
    ::_exit(told ? 0 : 1);
  }
  ::close(ends[1]);
  double grown = 0;
  const bool heard = ::read(ends[0], &grown, sizeof(grown)) == sizeof(grown);
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  if (!heard) fail("the process that was to be measured did not end well");
  return grown;
}

template <class Addr>
void add_flows(uint32_t flows) {
  const std::string family = Addr::kFamily == 4 ? "ipv4" : "ipv6";
  add("memory/vsnat-" + family + "/" + short_number(flows), [=](State& state) {
    kept_thing = {};
    double grown = 0;
    for (auto _ : state) {
      grown = grown_by([&] {
        auto traffic = std::make_unique<Traffic<Addr>>(Layout{.flows = flows});
        traffic->open_all();
        return traffic;
      });
    }
    // What this program remembers of a connection to make its packets is no director's.
    const double of_table = grown - double(flows) * Traffic<Addr>::kOwnBytesPerFlow;
    state.counters["told_bytes_per_flow"] = double(flow::Table<Addr>::bytes_for(flows)) / flows;
    state.counters["resident_bytes_per_flow"] = of_table / flows;
  })->Iterations(1);
}

/** Of IPv4, and of a table alone. */
template <class Table>
void add_peer(const std::string& name, uint32_t flows) {
  add("memory/" + name + "/" + short_number(flows), [=](State& state) {
    kept_thing = {};
    double grown = 0;
    for (auto _ : state) {
      grown = grown_by([&] {
        auto table = std::make_unique<Table>(flows);
        for (uint32_t i = 0; i < flows; ++i) table->insert(request_of(i));
        return table;
      });
    }
    state.counters["resident_bytes_per_flow"] = grown / flows;
  })->Iterations(1);
}

}  // namespace

void add_memory() {
  const uint32_t flows = std::min(1'000'000u, settings().most_flows);
  add_flows<wire::Addr4>(flows);
  add_flows<wire::Addr6>(flows);
  each_peer([flows]<class Table>(const std::string& name) { add_peer<Table>(name, flows); });
}

}  // namespace vsnat::bench
