// SPDX-License-Identifier: Apache-2.0
//
// The same cases for every table: find what is there, find what is not, forget, remember. A `Table` answers for numbered
// flows:
//
//   Table(flows)           with room for so many
//   bool find(Request)     the whole tuple of a request is compared
//   void insert(Request)   one that is not there
//   void erase(Request)    one that is there
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/micro/case.h"
#include "bench/micro/clients.h"
#include "bench/micro/director.h"
#include "bench/micro/kept.h"
#include "wire/headers.h"

namespace vsnat::bench {

/** What a table is asked: who asks whom. 16 bytes of IPv4, which all tables look for. */
struct Request {
  wire::Addr4 client{}, virt{};
  wire::be16 client_port{}, virtual_port{};
  uint8_t protocol = wire::kProtoTcp;
  uint8_t unused[3] = {};

  friend bool operator==(const Request&, const Request&) = default;
};
static_assert(sizeof(Request) == 16);

inline Request request_of(uint32_t flow) {
  Request request;
  request.client = client_address<wire::Addr4>(flow);
  request.client_port = wire::be16::from_host(client_port(flow));
  request.virt = virtual_address<wire::Addr4>(0);
  request.virtual_port = wire::be16::from_host(kVirtualPort);
  return request;
}

inline constexpr uint32_t kLookups = 1 << 20, kLookupsOfBatch = 256;

/** Full of flows 0 .. flows - 1; those from `flows` on are not there. */
template <class Table>
Table& full_table(const std::string& table, uint32_t flows) {
  return kept<Table>("table " + table + std::to_string(flows), [&] {
    auto made = std::make_unique<Table>(flows);
    for (uint32_t i = 0; i < flows; ++i) made->insert(request_of(i));
    return made;
  });
}

/** `first` is added to every number of the sequence: 0 for hits, `flows` for misses. */
template <class Table>
void add_find(const std::string& what, const std::string& table, uint32_t flows, Popularity popularity,
              uint32_t first) {
  const std::string name = "table/" + what + "/" + table + "/" + short_number(flows);
  add(name, [=](State& state) {
    Table& asked = full_table<Table>(table, flows);
    const std::vector<uint32_t> sequence = drawn(flows, popularity, kLookups);
    uint32_t at = 0, found = 0;
    measure(state, name, kLookupsOfBatch, [&] {
      found += asked.find(std::span(sequence).subspan(at, kLookupsOfBatch), first);
      at = (at + kLookupsOfBatch) % kLookups;
    });
    const auto looked = uint64_t(state.iterations()) * kLookupsOfBatch;
    if (uint32_t(first == 0 ? looked : 0) != found)
      fail("a table does not find what it holds, or finds more");
  });
}

/**
 * A table that is an eighth from full: flows come and go in an order that no cache follows, so those that come were gone for
 * long. Measured is one of the two.
 */
template <class Table>
void add_churn(const std::string& what, const std::string& table, uint32_t flows) {
  const std::string name = "table/" + what + "/" + table + "/" + short_number(flows);
  add_prepared(name, [=](State& state) {
    struct Churned {
      explicit Churned(uint32_t size) : table(size) {}
      Table table;
      uint32_t oldest = 0;
    };
    const uint32_t there = flows - flows / 8;
    auto& churned = kept<Churned>("churned " + table + std::to_string(flows), [&] {
      auto made = std::make_unique<Churned>(flows);
      for (uint32_t i = 0; i < there; ++i) made->table.insert(request_of(scattered(i, flows)));
      return made;
    });
    const uint32_t batch = std::min(kLookupsOfBatch, flows / 8);
    const bool inserts = what == "insert";
    const auto unmeasured = [](auto&& part) { part(); };
    measure_prepared(state, name, batch, [&](auto&& measured) {
      const auto each = [&](uint32_t from, auto&& act) {
        for (uint32_t i = 0; i < batch; ++i) act(request_of(scattered((from + i) % flows, flows)));
      };
      const auto insert = [&] {
        each(churned.oldest + there, [&](const Request& request) { churned.table.insert(request); });
      };
      const auto erase = [&] {
        each(churned.oldest, [&](const Request& request) { churned.table.erase(request); });
      };
      if (inserts) {
        measured(insert);
        unmeasured(erase);
      } else {
        unmeasured(insert);
        measured(erase);
      }
      churned.oldest = (churned.oldest + batch) % flows;
    });
  });
}

template <class Table>
void add_lookups(const std::string& table) {
  for (const uint32_t flows : sizes()) {
    add_find<Table>("hit-uniform", table, flows, Popularity::uniform, 0);
    add_find<Table>("hit-zipf", table, flows, Popularity::zipf, 0);
    add_find<Table>("miss", table, flows, Popularity::uniform, flows);
    add_churn<Table>("insert", table, flows);
    add_churn<Table>("erase", table, flows);
  }
}

}  // namespace vsnat::bench
