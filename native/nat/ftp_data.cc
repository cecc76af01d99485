// SPDX-License-Identifier: Apache-2.0
#include "nat/ftp_data.h"

#include "nat/ftp_helper.h"
#include "nat/lifetime.h"
#include "nat/schedule.h"

namespace vsnat::nat {

using namespace wire;
using flow::Direction;
using flow::Ended;
using flow::State;
using service::Server;
using Opener = FtpExpectation::Opener;

template <class Addr>
flow::Flow<Addr>* announced_by_ftp(Context& c, Direction direction, DropReason& reason) {
  const PacketView& view = c.view();
  FtpState* const ftp = c.core.ftp;
  if (ftp == nullptr || !view.is_tcp() || !ftp->waiting() || refuses_to_begin(view.tcp()) != kNoDrop) {
    return nullptr;
  }
  const bool is_request = direction == Direction::request;
  const Opener opener = is_request ? Opener::client : Opener::server;
  const Addr& client = is_request ? saddr<Addr>(view) : daddr<Addr>(view);
  const Addr& other = is_request ? daddr<Addr>(view) : saddr<Addr>(view);
  const be16 client_port = is_request ? source_port(view) : destination_port(view);
  const uint16_t other_port = (is_request ? destination_port(view) : source_port(view)).host();
  auto& table = c.core.tables.of<Addr>();
  FtpExpectation found;
  const uint16_t helper = ftp->take(ftp_hash(table, opener, client, destination_port(view).host()),
                                    c.now.tick(), found, [&](const FtpExpectation& e) {
                                      const auto& end = is_request ? e.virt : e.real;
                                      return e.opener == opener && e.client.family == Addr::kFamily &&
                                             e.client.get<Addr>() == client && end.get<Addr>() == other &&
                                             (is_request ? e.virtual_port : e.real_port) == other_port &&
                                             (is_request || e.client_port == client_port.host());
                                    });
  if (helper == 0) return nullptr;
  const be16 virtual_port = be16::from_host(found.virtual_port), real_port = be16::from_host(found.real_port);
  const auto refuse = [&](DropReason why) -> flow::Flow<Addr>* {
    ftp->release(helper);
    reason = why;
    return nullptr;
  };
  // Neither tuple may be a living connection's; one that is over gives way.
  for (const bool by_request : {true, false}) {
    const Addr& virt = found.virt.get<Addr>();
    const Addr& real = found.real.get<Addr>();
    auto* taken = live(
        c, by_request ? table.find_request(c.pending.hash, kProtoTcp, client, client_port, virt, virtual_port)
                      : table.find_reply(c.pending.hash, kProtoTcp, client, client_port, real, real_port));
    if (taken == nullptr) continue;
    if (!flow::is_closed(taken->state)) return refuse(DropReason::reply_taken);
    remove(c.core, c.snapshot, taken, c.now.tick());
  }
  const Server* server = c.snapshot.server_at(found.server_slot);
  if (server == nullptr) return refuse(DropReason::server_gone);
  auto* flow = table.insert(c.pending.hash, kProtoTcp, client, client_port, c.now.tick(),
                            [&](const flow::Flow<Addr>& evicted) {
                              forget(c.core, c.snapshot, evicted, c.now.tick(), Ended::given_up);
                            });
  if (flow == nullptr) return refuse(DropReason::table_full);
  flow->virt = found.virt.get<Addr>();
  flow->virtual_port = virtual_port;
  flow->real = found.real.get<Addr>();
  flow->real_port = real_port;
  flow->state = State::listen;
  flow->server_slot = found.server_slot;
  flow->service_slot = uint16_t(found.service_slot);
  flow->queue = c.core.queue;
  flow->helper = helper;
  compute_deltas(*flow);
  c.core.loads[found.server_slot].bound(server->upper_threshold);
  return flow;
}

template flow::Flow<Addr4>* announced_by_ftp(Context&, Direction, DropReason&);
template flow::Flow<Addr6>* announced_by_ftp(Context&, Direction, DropReason&);

}  // namespace vsnat::nat
