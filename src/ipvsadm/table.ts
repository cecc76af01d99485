// SPDX-License-Identifier: Apache-2.0
/**
 * The virtual server table as ipvsadm sees it: what the daemon answers and what the listings print. Richer than what
 * this director can do (marks, persistence), because ipvsadm's formats are.
 */
import {
  addressBytes,
  familyOf,
  formatNetmask,
  longestPrefix,
  type ClientNetwork,
  type IpAddress,
} from '../model/index.js';
import {
  familyOfKey,
  type Netmask,
  type ServiceKey,
  type TableProtocol,
  type TimeoutChange,
} from './request.js';

/** In: from clients to servers. Out: the answers. Totals since the last zero, or per second. */
export interface Flow {
  readonly connections: number;
  readonly inPackets: number;
  readonly outPackets: number;
  readonly inBytes: number;
  readonly outBytes: number;
}

export interface TableServer {
  readonly address: IpAddress;
  readonly port: number;
  readonly weight: number;
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
  readonly active: number;
  readonly inactive: number;
  /** Persistence templates. */
  readonly persistent: number;
  readonly totals: Flow;
  readonly rates: Flow;
}

export interface TableService {
  readonly key: ServiceKey;
  readonly scheduler: string;
  readonly flags: readonly number[];
  readonly persistence: number | null;
  readonly netmask: Netmask;
  readonly engine: string | null;
  readonly onePacket: boolean;
  readonly totals: Flow;
  readonly rates: Flow;
  /** Newest first, as the kernel keeps them. */
  readonly servers: readonly TableServer[];
}

export interface Table {
  /** How many connections the table holds; the kernel says here how many hash rows it has. */
  readonly size: number;
  readonly timeouts: TimeoutChange;
  readonly services: readonly TableService[];
}

export const noFlow: Flow = { connections: 0, inPackets: 0, outPackets: 0, inBytes: 0, outBytes: 0 };

/** A network as ipvsadm writes it. */
export const netmaskOf = (key: ServiceKey, network: ClientNetwork): Netmask =>
  familyOfKey(key) === 'ipv6' ? network.prefixLength : (formatNetmask(network, 'ipv4') as IpAddress);

/** The mask of a service without one of its own. */
export const wholeClient = (key: ServiceKey): Netmask =>
  netmaskOf(key, { prefixLength: longestPrefix(familyOfKey(key)) });

/**
 * By mark, family, protocol, address and port, the servers by address and port. ipvsadm subtracts addresses as 32-bit
 * integers, so those half the address space apart come out oddly, and it uses merge sort, which matters then.
 */
export function sortTable(services: readonly TableService[]): readonly TableService[] {
  const sorted = mergeSort(services, compareServices);
  return sorted.map((service) => ({ ...service, servers: mergeSort(service.servers, compareEndpoints) }));
}

const protocolNumbers: Readonly<Record<TableProtocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

function compareServices({ key: a }: TableService, { key: b }: TableService): number {
  const mark = ('mark' in a ? a.mark : 0) - ('mark' in b ? b.mark : 0);
  if (mark !== 0) return mark | 0;
  const family = familyOfKey(a) === familyOfKey(b) ? 0 : familyOfKey(a) === 'ipv4' ? -1 : 1;
  if (family !== 0 || 'mark' in a || 'mark' in b) return family;
  return protocolNumbers[a.protocol] - protocolNumbers[b.protocol] || compareEndpoints(a, b);
}

interface Place {
  readonly address: IpAddress;
  readonly port: number;
}

function compareEndpoints(a: Place, b: Place): number {
  if (familyOf(a.address) !== familyOf(b.address)) return familyOf(a.address) === 'ipv4' ? -1 : 1;
  const [left, right] = [wordsOf(a.address), wordsOf(b.address)];
  for (const [index, word] of left.entries()) {
    const difference = (word - (right[index] ?? 0)) | 0;
    if (difference !== 0) return difference;
  }
  return a.port - b.port;
}

function wordsOf(address: IpAddress): readonly number[] {
  const bytes = addressBytes(address);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(index * 4));
}

/** qsort() of glibc: halves, then merged, the left one first where the order does not say. */
function mergeSort<T>(items: readonly T[], compare: (a: T, b: T) => number): readonly T[] {
  if (items.length < 2) return items;
  const half = items.length >> 1;
  const left = mergeSort(items.slice(0, half), compare);
  const right = mergeSort(items.slice(half), compare);
  const merged: T[] = [];
  let [l, r] = [0, 0];
  for (;;) {
    const [a, b] = [left[l], right[r]];
    if (a === undefined || b === undefined) return [...merged, ...left.slice(l), ...right.slice(r)];
    if (compare(a, b) <= 0) {
      merged.push(a);
      l += 1;
    } else {
      merged.push(b);
      r += 1;
    }
  }
}
