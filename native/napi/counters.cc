// SPDX-License-Identifier: Apache-2.0
#include "napi/counters.h"

#include <algorithm>
#include <vector>

#include "napi/values.h"

namespace vsnat::binding {
namespace {

Napi::Object encode_queue(Napi::Env env, engine::Engine& engine, size_t queue) {
  engine::Lane& lane = engine.lane(queue);
  const engine::QueueCounters& c = lane.counters;
  Napi::Object out = Napi::Object::New(env);
  out.Set("queue", number(env, queue));
  out.Set("rxPackets", number(env, c.rx_packets.read()));
  out.Set("rxBytes", number(env, c.rx_bytes.read()));
  out.Set("txPackets", number(env, c.tx_packets.read()));
  out.Set("txBytes", number(env, c.tx_bytes.read()));
  out.Set("forwarded", number(env, c.forwarded.read()));
  out.Set("passed", number(env, c.passed.read()));
  out.Set("fragmentsHeld", number(env, c.held.read()));
  out.Set("fragmentsReleased", number(env, c.released.read()));
  Napi::Object dropped = Napi::Object::New(env);
  for (size_t i = 0; i < kDropReasonCount; ++i)
    dropped.Set(kDropReasons[i].name, number(env, c.dropped[i].read()));
  out.Set("dropped", dropped);
  Napi::Object generated = Napi::Object::New(env);
  for (size_t i = 0; i < kGeneratedCount; ++i) {
    generated.Set(kGeneratedKinds[i].name, number(env, c.generated[i].read()));
  }
  out.Set("generated", generated);
  out.Set("txFailed", number(env, c.tx_failed.read()));
  out.Set("rxGso", number(env, c.rx_gso.read()));
  out.Set("gsoResegmented", number(env, c.gso_resegmented.read()));
  out.Set("syscallsRead", number(env, c.reads.read()));
  out.Set("syscallsWrite", number(env, c.writes.read()));
  out.Set("syscallsPoll", number(env, c.polls.read()));
  out.Set("foreignFlows", number(env, lane.tally.foreign_flows.read()));
  out.Set("suspectResets", number(env, lane.tally.suspect_resets.read()));
  out.Set("ambiguousReplies", number(env, lane.tally.ambiguous_replies.read()));
  out.Set("entriesDropped", number(env, lane.tally.entries_dropped.read()));
  out.Set("orphansEnded", number(env, lane.tally.orphans_ended.read()));
  out.Set("flowsEnded", number(env, lane.tally.flows_ended.read()));
  out.Set("ftpAnnounced", number(env, lane.tally.ftp_announced.read()));
  out.Set("ftpIgnored", number(env, lane.tally.ftp_ignored.read()));
  const engine::EgressCounters* egress = engine.egress_counters(queue);
  out.Set("directPackets", number(env, egress ? egress->direct.read() : 0));
  out.Set("directUnresolved", number(env, egress ? egress->unresolved.read() : 0));
  out.Set("shortcutPackets", number(env, c.shortcut_packets.read()));
  out.Set("shortcutBytes", number(env, c.shortcut_bytes.read()));
  out.Set("directRefused", number(env, egress ? egress->refused.read() : 0));
  out.Set("busyNanoseconds", number(env, engine.cpu_ns(queue)));
  out.Set("generation", number(env, engine.adopted_generation(queue)));
  return out;
}

/** What went to a server or came from it, over all queues. */
nat::Volume volume(engine::Engine& engine, uint32_t slot, flow::Direction direction) {
  nat::Volume sum;
  for (size_t q = 0; q < engine.queue_count(); ++q) {
    const nat::Volume one = engine.lane(q).tally.volume(slot, direction);
    sum.packets += one.packets;
    sum.bytes += one.bytes;
  }
  return sum;
}

/** Connections of health checks through a VIP, which are in no server's numbers. */
Napi::Object encode_checks(Napi::Env env, engine::Engine& engine) {
  const uint32_t slot = engine.limits().check_slot();
  uint64_t connections = 0;
  for (size_t q = 0; q < engine.queue_count(); ++q)
    connections += engine.lane(q).tally.connections(slot).read();
  Napi::Object out = Napi::Object::New(env);
  out.Set("connections", number(env, connections));
  out.Set("inPackets", number(env, volume(engine, slot, flow::Direction::request).packets));
  out.Set("outPackets", number(env, volume(engine, slot, flow::Direction::reply).packets));
  out.Set("flows", number(env, engine.load(slot).total()));
  return out;
}

Napi::Object encode_table(Napi::Env env, const engine::Engine& engine) {
  const flow::TableStats stats = engine.table_stats();
  Napi::Object out = Napi::Object::New(env);
  out.Set("capacity", number(env, stats.capacity));
  out.Set("flows", number(env, stats.flows));
  out.Set("expired", number(env, stats.expired));
  out.Set("evicted", number(env, stats.evicted));
  out.Set("bytes", number(env, stats.bytes));
  out.Set("templates", number(env, engine.template_count()));
  return out;
}

/** Rows of doubles, all equally wide. */
using Rows = std::vector<double>;

Napi::Value encode_rows(Napi::Env env, const Rows& rows) {
  Napi::Float64Array out = Napi::Float64Array::New(env, rows.size());
  std::copy(rows.begin(), rows.end(), out.Data());
  return out;
}

/** One number of one slot, over all queues. */
template <class Of>
double sum(engine::Engine& engine, Of&& of) {
  uint64_t sum = 0;
  for (size_t q = 0; q < engine.queue_count(); ++q) sum += of(engine.lane(q).tally).read();
  return double(sum);
}

void append_histogram(Rows& rows, engine::Engine& engine, uint32_t slot,
                      nat::Histogram nat::ServerSignals::*which) {
  for (size_t bucket = 0; bucket <= nat::kLatencyBounds.size(); ++bucket) {
    rows.push_back(sum(engine, [&](const nat::Tally& t) -> const Counter& {
      return (t.signals(slot).*which).counts[bucket];
    }));
  }
  rows.push_back(
      sum(engine, [&](const nat::Tally& t) -> const Counter& { return (t.signals(slot).*which).sum_us; }));
}

/** The signals of a server as another row; -1, and no row, when there is none. */
double append_signals(Rows& rows, engine::Engine& engine, uint32_t slot) {
  const size_t begin = rows.size();
  append_histogram(rows, engine, slot, &nat::ServerSignals::handshake);
  append_histogram(rows, engine, slot, &nat::ServerSignals::first_byte);
  using Signals = nat::ServerSignals;
  for (const auto which :
       {&Signals::handshakes_ambiguous, &Signals::first_bytes_ambiguous, &Signals::syn_repeated,
        &Signals::syn_unanswered, &Signals::handshakes_refused, &Signals::resets, &Signals::unreachable}) {
    rows.push_back(
        sum(engine, [&](const nat::Tally& t) -> const Counter& { return t.signals(slot).*which; }));
  }
  for (const size_t direction : {0, 1}) {
    rows.push_back(sum(engine, [&](const nat::Tally& t) -> const Counter& {
      return t.signals(slot).retransmissions[direction];
    }));
  }
  const size_t width = rows.size() - begin;
  if (std::all_of(rows.begin() + ptrdiff_t(begin), rows.end(), [](double value) { return value == 0; })) {
    rows.resize(begin);
    return -1;
  }
  return double(begin / width);
}

/** Nothing for a slot that is not configured and has nothing to tell. `signals` is null when nobody wants them. */
void append_server(Rows& rows, Rows* signals, engine::Engine& engine, uint32_t slot, bool configured) {
  const service::ServerLoad& load = engine.load(slot);
  const double persistent = load.persistent.load(std::memory_order_relaxed);
  const nat::Volume in = volume(engine, slot, flow::Direction::request);
  const nat::Volume out = volume(engine, slot, flow::Direction::reply);
  const bool has_counted = in.packets != 0 || out.packets != 0;
  if (!configured && load.total() == 0 && persistent == 0 && !has_counted) return;
  // Before the connections, so that there are never fewer of those. What never carried a packet has none; looking
  // for them would bring its page of counters into being.
  const double signals_at = signals && has_counted ? append_signals(*signals, engine, slot) : -1;
  const double row[] = {
      double(slot),
      double(load.active.load(std::memory_order_relaxed)),
      double(load.inactive.load(std::memory_order_relaxed)),
      persistent,
      double(load.overloaded.load(std::memory_order_relaxed)),
      sum(engine, [&](const nat::Tally& t) -> const Counter& { return t.connections(slot); }),
      double(in.packets),
      double(in.bytes),
      double(out.packets),
      double(out.bytes),
      signals_at,
  };
  rows.insert(rows.end(), std::begin(row), std::end(row));
}

/** `service` is null when the slot is not configured. */
void append_service(Rows& rows, engine::Engine& engine, uint32_t slot, const service::Service* service) {
  using Tally = nat::ServiceTally;
  const auto of = [&](Counter Tally::*which) {
    return sum(engine, [&](const nat::Tally& t) -> const Counter& { return t.service(slot).*which; });
  };
  const double connections = of(&Tally::connections), failures = of(&Tally::schedule_failures);
  if (service == nullptr && connections == 0 && failures == 0) return;
  const double cursor = service ? double(service->cursor->load(std::memory_order_relaxed)) : 0;
  const double row[] = {double(slot), connections, failures, cursor};
  rows.insert(rows.end(), std::begin(row), std::end(row));
}

}  // namespace

Napi::Object encode_counters(Napi::Env env, engine::Engine& engine, CountersPart part) {
  engine.book_shortcuts();
  Napi::Object out = Napi::Object::New(env);
  Napi::Array queues = Napi::Array::New(env);
  for (size_t q = 0; q < engine.queue_count(); ++q) queues.Set(uint32_t(q), encode_queue(env, engine, q));

  const service::Snapshot* snapshot = engine.current();
  Rows servers, signals, services;
  const bool has_slots = part != CountersPart::kQueues;
  const uint32_t server_slots = has_slots ? uint32_t(engine.limits().server_slots) : 0;
  const uint32_t service_slots = has_slots ? uint32_t(engine.limits().service_slots) : 0;
  for (uint32_t slot = 0; slot < server_slots; ++slot) {
    const bool configured = snapshot && snapshot->server_at(slot) != nullptr;
    append_server(servers, part == CountersPart::kAll ? &signals : nullptr, engine, slot, configured);
  }
  std::vector<const service::Service*> configured(service_slots);
  if (snapshot && has_slots) {
    for (const auto& service : snapshot->services) configured[service->slot] = service.get();
  }
  for (uint32_t slot = 0; slot < service_slots; ++slot) {
    append_service(services, engine, slot, configured[slot]);
  }
  out.Set("queues", queues);
  out.Set("servers", encode_rows(env, servers));
  out.Set("signals", encode_rows(env, signals));
  out.Set("services", encode_rows(env, services));
  out.Set("flowTable", encode_table(env, engine));
  out.Set("checks", encode_checks(env, engine));
  out.Set("shortcuts", number(env, engine.shortcut_count()));
  out.Set("ingressPackets", number(env, engine.taken_directly()));
  return out;
}

}  // namespace vsnat::binding
