// SPDX-License-Identifier: Apache-2.0
/**
 * The way back: a model as the document that would make it, every default written out. A change at run time goes
 * through the same checks as a file, because its result is turned into a file's document and checked as one.
 */
import { formatEndpoint, formatListen, type Endpoint } from '../model/endpoint.js';
import type { AdminSettings, AdminTls, Model } from '../model/model.js';
import type { RealServer, VirtualService } from '../model/service.js';
import { healthDocument, standingDocument } from './health-document.js';
import type { ConfigDocument } from './schema.js';

export const documentOf = (model: Model): ConfigDocument => ({
  services: model.services.map(serviceDocument),
  ...settingsDocument(model),
});

/** The services' part, one by one: of many all at once takes long. */
export function* serviceDocuments({ services }: Model): Generator<ReturnType<typeof serviceDocument>> {
  for (const service of services) yield serviceDocument(service);
}

/** All of it but the services. */
export function settingsDocument({ marks, tun, flows, admin, metrics, log, ipvs }: Model) {
  return {
    marks: marks.map(({ mark, listen }) => ({ mark, listen: listen.map(formatListen) })),
    tun: { ...tun },
    flows: { ...flows },
    admin: adminDocument(admin),
    metrics: {
      listen: listenText(metrics.listen),
      node_ipvs: metrics.nodeIpvs,
      max_series: metrics.maxSeries,
    },
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
    ...(typeof scheduler === 'string'
      ? { scheduler }
      : { scheduler: scheduler.reference, scheduler_options: { ...scheduler.options } }),
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
            engine: persistence.engine ?? ('none' as const),
          },
        }),
    mark: mark ?? 0,
    one_packet: onePacket,
    helper,
    health: healthDocument(service.health),
    ...standingDocument(service),
    ...(service.sorryServers.length === 0 ? {} : { sorry_server: service.sorryServers.map(sorryDocument) }),
  };
}

function serverDocument(server: RealServer) {
  return {
    ...sorryDocument(server),
    backup: server.backup,
    disabled: server.disabled,
    health: server.checked ? ('on' as const) : ('off' as const),
  };
}

function sorryDocument(server: RealServer) {
  return {
    address: formatEndpoint(server),
    weight: server.weight,
    max_connections: server.upperThreshold,
    resume_connections: server.lowerThreshold,
    routed: server.routed,
  };
}

function adminDocument({ socket, mode, group, listen, tokenFile, tls, runTimeChanges }: AdminSettings) {
  return {
    socket,
    mode: `0${mode.toString(8).padStart(3, '0')}`,
    ...(group === null ? {} : { group }),
    listen: listenText(listen),
    ...(tokenFile === null ? {} : { token_file: tokenFile }),
    ...(tls === null ? {} : { tls: tlsDocument(tls) }),
    run_time_changes: runTimeChanges,
  };
}

const tlsDocument = ({ certificate, key, clientCa }: AdminTls) => ({
  certificate,
  key,
  ...(clientCa === null ? {} : { client_ca: clientCa }),
});

const listenText = (listen: Endpoint | null): string => (listen === null ? 'off' : formatEndpoint(listen));
