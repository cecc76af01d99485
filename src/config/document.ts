// SPDX-License-Identifier: Apache-2.0
/**
 * The way back: a model as the document that would make it, every default written out. A change at run time goes
 * through the same checks as a file, because its result is turned into a file's document and checked as one.
 */
import { formatEndpoint, formatListen } from '../model/endpoint.js';
import type { Model } from '../model/model.js';
import type { RealServer, VirtualService } from '../model/service.js';
import type { ConfigDocument } from './schema.js';

export function documentOf(model: Model): ConfigDocument {
  const { marks, tun, flows, admin, metrics, log, ipvs } = model;
  return {
    services: model.services.map(serviceDocument),
    marks: marks.map(({ mark, listen }) => ({ mark, listen: listen.map(formatListen) })),
    tun: { ...tun },
    flows: { ...flows },
    admin: { ...admin },
    metrics: { listen: metrics.listen === null ? 'off' : formatEndpoint(metrics.listen) },
    log: { ...log },
    ipvs: {
      removed_servers: ipvs.removedServers,
      one_packet_replies: ipvs.onePacketReplies,
      expire_nodest_conn: ipvs.expireNodestConn,
      ...ipvs.sysctls,
    },
  };
}

function serviceDocument(service: VirtualService) {
  const { name, listen, scheduler, flags, servers, timeouts, persistence, mark, onePacket, helper } = service;
  return {
    name,
    listen: listen.map(formatListen),
    scheduler: typeof scheduler === 'string' ? scheduler : ('wlc' as const), // custom ones have no key yet
    flags: [...flags],
    servers: servers.map(serverDocument),
    timeouts: {
      tcp_established: timeouts.tcpEstablished,
      tcp_syn_recv: timeouts.tcpSynRecv,
      tcp_syn_sent: timeouts.tcpSynSent,
      tcp_fin_wait: timeouts.tcpFinWait,
      tcp_time_wait: timeouts.tcpTimeWait,
      tcp_close: timeouts.tcpClose,
      tcp_close_wait: timeouts.tcpCloseWait,
      tcp_last_ack: timeouts.tcpLastAck,
      udp: timeouts.udp,
      sctp_established: timeouts.sctpEstablished,
    },
    ...(persistence === null
      ? {}
      : {
          persistence: {
            timeout: persistence.timeoutSeconds,
            netmask: persistence.mask ?? persistence.prefixLength,
          },
        }),
    mark: mark ?? 0,
    one_packet: onePacket,
    helper,
  };
}

function serverDocument(server: RealServer) {
  return {
    address: formatEndpoint(server),
    weight: server.weight,
    max_connections: server.upperThreshold,
    resume_connections: server.lowerThreshold,
    routed: server.routed,
  };
}
