// SPDX-License-Identifier: Apache-2.0
/** Words and bounds of a query of connections; the commands need no more of it. */

export const maxRows = 1_000;
export const defaultRows = 200;

export const flowFilters = ['service', 'protocol', 'state', 'client', 'vip', 'server'] as const;

export type FlowFilter = (typeof flowFilters)[number];
export type FlowFilters = Readonly<Partial<Record<FlowFilter, string>>>;

/** The states of a connection as ipvsadm writes them (native/flow/tcp_state.h); TCP's and SCTP's share some. */
export const flowStates = [
  'NONE',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'SYNACK',
  'UDP',
  'INIT1',
  'INIT',
  'C-SENT',
  'C-REPLIED',
  'C-WAIT',
  'COOKIE',
  'C-ECHOED',
  'S-SENT',
  'S-RECEIVED',
  'S-ACK-SENT',
  'REJECTED',
  'CLOSED',
  /** Of a persistence template. */
  'ASSURED',
] as const;
