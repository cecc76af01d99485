// SPDX-License-Identifier: Apache-2.0
/** `ipvsadm -Lc`: the connection table. */
import type { IpAddress } from '../model/index.js';
import type { EndpointName } from './name.js';

export interface TableConnection {
  readonly protocol: string;
  readonly state: string;
  readonly expiresInSeconds: number;
  readonly clientAddress: string;
  readonly clientPort: number;
  readonly virtualAddress: string;
  readonly virtualPort: number;
  readonly realAddress: string;
  readonly realPort: number;
  /** What the persistence engine `sip` keeps. */
  readonly callId?: string;
}

/** With --persistent-conn there are columns for what a persistence engine keeps. */
export const connectionTitles = (withEngine: boolean): readonly string[] => [
  'IPVS connection entries',
  withEngine
    ? 'pro expire state       source             virtual            destination        pe name          pe_data'
    : 'pro expire state       source             virtual            destination',
];

export function connectionLine(row: TableConnection, nameOf: EndpointName, withEngine = false): string {
  const name = (address: string, port: number): string => nameOf(address as IpAddress, port, row.protocol);
  const real = name(row.realAddress, row.realPort);
  return [
    row.protocol.toUpperCase().padEnd(3),
    expiry(row.expiresInSeconds).padEnd(6),
    row.state.padEnd(11),
    name(row.clientAddress, row.clientPort).padEnd(18),
    name(row.virtualAddress, row.virtualPort).padEnd(18),
    ...(withEngine && row.callId !== undefined ? [real.padEnd(16), 'sip'.padEnd(18), row.callId] : [real]),
  ].join(' ');
}

export const addressesOfConnection = (row: TableConnection): readonly IpAddress[] =>
  [row.clientAddress, row.virtualAddress, row.realAddress] as IpAddress[];

function expiry(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(Math.floor(whole / 60))}:${two(whole % 60)}`;
}
