// SPDX-License-Identifier: Apache-2.0
//
// Policy as data. A Snapshot is built whole on the control thread, checked, published by one pointer and never changed
// again. It answers the packet path's questions: is this address a VIP, which service listens here, is this server
// still configured, how long does a flow of that state stay.
//
// Snapshots share what they have in common. A change names the services that differ; the others are carried over as they
// are, with the steps their cycles have taken and what their local plans have learnt, and so is the directory where nobody
// has moved. Copied are one pointer for each service and server slot.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "service/directory.h"
#include "service/load.h"
#include "service/policy.h"
#include "service/service.h"
#include "service/spec.h"

namespace vsnat::service {

class Snapshot {
 public:
  using Built = std::variant<std::unique_ptr<Snapshot>, std::string>;

  /** A snapshot, or the sentence that says where the spec is wrong. Nothing is published by building. */
  static Built build(const SnapshotSpec& spec, Limits limits, uint64_t generation) {
    return build(spec, limits, generation, nullptr);
  }
  /** The same from `before`, which has the same limits, and what `spec` says has changed. */
  static Built change(const Snapshot& before, const SnapshotSpec& spec, Limits limits, uint64_t generation) {
    return build(spec, limits, generation, &before);
  }

  /**
   * For the services that are new here: take over what the local plans of `before`, now in use, have learnt, and share the
   * cursors of the cycles that continue. Control thread, before publishing.
   */
  void inherit(const Snapshot& before);
  /**
   * Have the standings of the services that are new here told what becomes of `loads`, and those of `before`, now in use,
   * that have no place here no more. Control thread, before publishing; `before` is null when nothing was published.
   */
  void watch(ServerLoad* loads, const Snapshot* before);

  template <class Addr>
  bool is_vip(const Addr& address) const {
    return directory_->is_vip(address);
  }
  /** Whether some service has a real server there. */
  template <class Addr>
  bool is_real_server(const Addr& address) const {
    return directory_->is_real_server(address);
  }
  /** A mark's service first, then the one on this very port, then the one on every port. */
  template <class Addr>
  Listener find_listener(uint8_t protocol, const Addr& address, wire::be16 port) const;
  /** Null when nobody listens there. */
  template <class Addr>
  const Service* find_service(uint8_t protocol, const Addr& address, wire::be16 port) const {
    return find_listener(protocol, address, port).service;
  }
  /** Null when the endpoint is no server of a one-packet service, or their replies are left alone. */
  template <class Addr>
  const OnePacketReply* find_one_packet_reply(const Addr& address, wire::be16 port) const {
    return directory_->find_one_packet_reply(address, port);
  }
  /** A service with this very server, or null. Known only with nat_icmp_send, which alone asks. */
  template <class Addr>
  const Service* find_service_of_server(uint8_t protocol, const Addr& address, wire::be16 port) const {
    return service_or_null(directory_->find_real_endpoint(protocol, address, port));
  }

  /** Whether health checks through a VIP come from there. */
  template <class Addr>
  bool is_check_source(const Addr& address) const {
    const auto& sources = check_sources_.of<Addr>();
    return !sources.empty() && std::find(sources.begin(), sources.end(), address) != sources.end();
  }
  /** Limits::check_slot(). There stands a server that takes everything and never leaves. */
  uint32_t check_slot() const { return uint32_t(server_at_.size() - 1); }

  const CallingServers& calling_servers() const { return directory_->calling_servers(); }

  /** A server that left while its service stayed: its flows have nowhere to go. */
  bool server_gone(uint32_t server_slot, uint32_t service_slot) const {
    return !has(present_, server_slot) &&
           (service_at_[service_slot] != kAbsent || policy.services_take_connections);
  }
  /** Whether this server is to be left, if it is there. */
  bool is_withdrawn(uint32_t server_slot) const { return has(withdrawn_, server_slot); }
  /** Null when the slot is not one of this service's. */
  const Server* server_of(const Service& service, uint32_t slot) const {
    const Server* server = server_at_[slot];
    const Server* first = service.servers.data();
    return server >= first && server < first + service.servers.size() ? server : nullptr;
  }
  /** Null when the slot is not in this snapshot. */
  const Server* server_at(uint32_t slot) const { return server_at_[slot]; }
  /** Null when the slot is not in this snapshot. */
  const Service* service_at(uint32_t slot) const { return service_or_null(service_at_[slot]); }

  uint64_t generation = 0;
  RemovedServer removed_server = RemovedServer::reset;
  bool expire_quiescent_template = false;
  Policy policy;
  std::vector<std::shared_ptr<Service>> services;

  /** Those that are not shared with the snapshot this one was made from. Control thread, before publishing. */
  const std::vector<Service*>& fresh() const { return fresh_; }
  const std::vector<IpAddress>& lingering_vips() const { return directory_->settings().lingering_vips; }
  /** Whether every address that is looked up finds what it found in `before`. */
  bool shares_directory(const Snapshot& before) const { return directory_ == before.directory_; }

  /**
   * Ticks an idle flow of this service stays in `state`. By service slot, so that a flow keeps its service's timeouts
   * across reloads and gets changed ones with its next packet; the kernel's defaults when the service is gone.
   */
  uint32_t timeout_ticks(uint32_t service_slot, flow::State state) const {
    return timeout_classes_[timeout_class_of_[service_slot]][size_t(state)];
  }

 private:
  static constexpr uint32_t kAbsent = Directory::kNobody;

  static Built build(const SnapshotSpec& spec, Limits limits, uint64_t generation, const Snapshot* before);

  static bool has(const std::vector<uint64_t>& slots, uint32_t slot) {
    return (slots[slot / 64] >> slot % 64 & 1) != 0;
  }
  void place_server(uint32_t slot, const Server* server);

  const Service* service_or_null(uint32_t position) const {
    return position == kAbsent ? nullptr : services[position].get();
  }
  /** Empty, or what is wrong. */
  std::string drop_removed(const SnapshotSpec& spec);
  void forget_servers(const Service& service);
  std::string add_services(const SnapshotSpec& spec, Limits limits);
  std::string add_servers(const Service& service, size_t s, Limits limits);
  std::string index_places(const SnapshotSpec& spec, const Snapshot* before);
  std::string sort_timeouts();
  /** For each server of `service`, its index within `next`, or Locality::kGone. */
  std::vector<uint32_t> moved_servers(const Service& service, const Service& next) const;

  struct CheckSources {
    std::vector<wire::Addr4> v4;
    std::vector<wire::Addr6> v6;

    template <class Addr>
    const std::vector<Addr>& of() const {
      if constexpr (Addr::kFamily == 4) {
        return v4;
      } else {
        return v6;
      }
    }
  };

  std::shared_ptr<const Directory> directory_;
  std::vector<Service*> fresh_;
  /** By slot; they point into the services. The last is no service's: check_slot(). */
  std::vector<const Server*> server_at_;
  /** A bit for each: is it there, is it withdrawn? What packets ask; all of it fits the first caches. */
  std::vector<uint64_t> present_, withdrawn_;
  /** By slot, the position in `services`. */
  std::vector<uint32_t> service_at_;
  /** Services with equal timeouts share a class; class 0 is the kernel's defaults. */
  std::vector<std::array<uint32_t, flow::kStateCount>> timeout_classes_;
  std::vector<uint16_t> timeout_class_of_;  // by service slot
  CheckSources check_sources_;
};

template <class Addr>
Listener Snapshot::find_listener(uint8_t protocol, const Addr& address, wire::be16 port) const {
  const Service* service = service_or_null(directory_->find(protocol, address, port.host()));
  const bool any_port_of_mark = directory_->any_port_of_mark();
  if (service != nullptr && (service->mark != 0 || !any_port_of_mark)) {
    return {service, service->mark != 0 ? uint16_t{0} : port.host()};
  }
  if (any_port_of_mark || (directory_->any_port() && service == nullptr)) {
    const Service* whole = service_or_null(directory_->find(protocol, address, uint16_t{0}));
    if (whole != nullptr && (service == nullptr || whole->mark != 0)) return {whole, 0};
  }
  return {service, port.host()};
}

}  // namespace vsnat::service
