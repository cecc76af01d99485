// SPDX-License-Identifier: Apache-2.0
/** How long an idle connection is remembered, by state, in whole seconds; per service. */

export interface Timeouts {
  readonly tcpEstablished: number;
  readonly tcpSynRecv: number;
  readonly tcpSynSent: number;
  readonly tcpFinWait: number;
  readonly tcpTimeWait: number;
  readonly tcpClose: number;
  readonly tcpCloseWait: number;
  readonly tcpLastAck: number;
  readonly udp: number;
  readonly sctpEstablished: number;
}

/** ip_vs_proto_tcp.c, ip_vs_proto_udp.c and ip_vs_proto_sctp.c, Linux 6.12. */
export const kernelTimeouts: Timeouts = {
  tcpEstablished: 900,
  tcpSynRecv: 60,
  tcpSynSent: 120,
  tcpFinWait: 120,
  tcpTimeWait: 120,
  tcpClose: 10,
  tcpCloseWait: 60,
  tcpLastAck: 30,
  udp: 300,
  sctpEstablished: 900,
};
