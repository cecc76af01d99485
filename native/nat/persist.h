// SPDX-License-Identifier: Apache-2.0
//
// Persistence of one new connection: which server its client's network has, and the connection's place among the
// children of that memory. What a template is and how long it lives: flow/templates.h. This file knows what
// belongs together, as ip_vs_core.c ip_vs_sched_persist does:
//
//   service                         template found by                 its target port
//   on a port                       protocol, network, VIP:port       the server's
//   on every port, or FTP's (21)    protocol, network, VIP:0          0
//   of a mark                       any protocol, network, mark:0     0
//
// and the call's Call-ID, where that is what connections belong together by.
//
// Weight and thresholds do not matter to a network that has a server; only one that has left the service, is withdrawn, or
// is drained while expire_quiescent_template is set, is exchanged for another.
#pragma once

#include <cstring>

#include "nat/step.h"

namespace vsnat::nat {

/** What of an address the service goes by: the bits of a mask, which may have holes. */
inline wire::Addr4 network_of(const wire::Addr4& address, const service::Service& service) {
  return {wire::be32::from_host(address.value.host() & service.persistence_mask)};
}

/** The first bits of an address, the rest zero. */
inline wire::Addr6 network_of(const wire::Addr6& address, const service::Service& service) {
  wire::Addr6 network = address;
  for (unsigned i = 0; i < network.bytes.size(); ++i) {
    const unsigned kept = service.persistence_bits < 8 * i ? 0 : service.persistence_bits - 8 * i;
    if (kept < 8) network.bytes[i] &= uint8_t(0xff00 >> kept);
  }
  return network;
}

template <class Addr>
typename flow::Templates<Addr>::Key template_key(const service::Listener& at, uint8_t protocol,
                                                 const Addr& client, const Addr& virt,
                                                 std::string_view call_id) {
  constexpr uint16_t kFtp = 21;
  const service::Service& service = *at.service;
  typename flow::Templates<Addr>::Key key;
  key.protocol = protocol;
  key.client = network_of(client, service);
  key.virt = virt;
  key.virtual_port = wire::be16::from_host(at.port == kFtp ? 0 : at.port);
  key.service_slot = service.slot;
  key.word = call_id;
  if (service.mark != 0) {
    // Where an address would be, its first four bytes, as the kernel keeps and shows it.
    const auto mark = wire::be32::from_host(service.mark);
    key.protocol = flow::Templates<Addr>::kAnyProtocol;
    key.virt = Addr{};
    std::memcpy(reinterpret_cast<uint8_t*>(&key.virt), &mark, sizeof(mark));
  }
  return key;
}

/** What to do when a template ends. */
inline auto template_gone(Core& core) {
  return [&core](const auto& record) {
    core.loads[record.server_slot].persistent.fetch_sub(1, std::memory_order_relaxed);
  };
}

/** One of its connections has ended. */
template <class Addr>
void leave_template(Core& core, uint32_t parent, Tick now, flow::Ended ended) {
  if (parent == flow::kNoFlow) return;
  core.tables.templates_of<Addr>().release(parent, now, ended, template_gone(core));
}

template <class Addr>
class Persistence {
 public:
  Persistence(Core& core, const service::Snapshot& snapshot, const service::Listener& at, uint8_t protocol,
              const Addr& client, const Addr& virt, std::string_view call_id, Tick now)
      : core_(core),
        snapshot_(snapshot),
        at_(at),
        now_(now),
        templates_(core.tables.templates_of<Addr>()),
        key_(template_key(at, protocol, client, virt, call_id)),
        hash_(templates_.hash(key_)) {}

  /** The server this client's network has; null when it has none, or none it may go on with. */
  const service::Server* find() {
    typename flow::Table<Addr>::Guard guard(templates_.table(), hash_);
    const service::Server* server = nullptr;
    look(server);
    return server;
  }

  /**
   * Enter a new connection, which begins the memory if there is none. Another queue may have been faster: `server`
   * is then the one it chose. kNoFlow when there is no room.
   */
  uint32_t join(const service::Server*& server) {
    typename flow::Table<Addr>::Guard guard(templates_.table(), hash_);
    return enter(server, nullptr);
  }

  /** As join(), for a connection that this very server begins: what was remembered of another is past. */
  uint32_t join_for(const service::Server* server) {
    typename flow::Table<Addr>::Guard guard(templates_.table(), hash_);
    return enter(server, server);
  }

  /** Whether this server is the one remembered. */
  bool leads_to(uint32_t server_slot) {
    typename flow::Table<Addr>::Guard guard(templates_.table(), hash_);
    const auto* record = templates_.find(hash_, key_, now_, template_gone(core_));
    return record != nullptr && record->server_slot == server_slot;
  }

 private:
  uint32_t enter(const service::Server*& server, const service::Server* only) {
    const service::Server* remembered = nullptr;
    auto* record = look(remembered, only);
    if (record == nullptr) {
      record = templates_.create(hash_, key_, now_, at_.service->persistence_ticks, template_gone(core_));
      if (record == nullptr) return flow::kNoFlow;
      record->real = server->address.get<Addr>();
      if (key_.virtual_port.host() != 0) record->real_port = server->port;
      record->server_slot = server->slot;
      record->queue = core_.queue;
      core_.loads[server->slot].persistent.fetch_add(1, std::memory_order_relaxed);
    } else {
      server = remembered;
    }
    return templates_.adopt(*record, now_);
  }

  /** A template that may be followed, if to `only` when that is given, and its server. */
  typename flow::Templates<Addr>::Record* look(const service::Server*& server,
                                               const service::Server* only = nullptr) {
    auto* record = templates_.find(hash_, key_, now_, template_gone(core_));
    if (record == nullptr) return nullptr;
    server = snapshot_.server_of(*at_.service, record->server_slot);
    const bool may_go_on = server != nullptr && !server->withdrawn &&
                           !(snapshot_.expire_quiescent_template && server->weight == 0);
    if (may_go_on && (only == nullptr || server == only)) return record;
    server = nullptr;
    flow::Templates<Addr>::invalidate(*record);
    return nullptr;
  }

  Core& core_;
  const service::Snapshot& snapshot_;
  const service::Listener at_;
  const Tick now_;
  flow::Templates<Addr>& templates_;
  const typename flow::Templates<Addr>::Key key_;
  const uint64_t hash_;
};

}  // namespace vsnat::nat
