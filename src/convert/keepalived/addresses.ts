// SPDX-License-Identifier: Apache-2.0
/** virtual_server_group: addresses, ranges of them, and firewall marks. */
import type { Notes } from '../note.js';
import { Block, type Statement } from './tree.js';

export interface Vip {
  readonly address: string;
  /** 0: every port. */
  readonly port: number;
}

export interface Group {
  readonly vips: readonly Vip[];
  readonly marks: readonly number[];
}

/** More than a service should list; a /16 is a mistake in the making. */
const mostAddresses = 4096;

export function readGroup(group: Statement, notes: Notes): Group {
  const vips: Vip[] = [];
  const marks: number[] = [];
  for (const { words, place } of new Block(group).statements) {
    const [first = '', second = '0'] = words;
    if (first === 'fwmark') {
      marks.push(Number(second));
      continue;
    }
    const [addresses, ports] = [rangeOf(first), portsOf(second)];
    if (addresses === undefined || ports === undefined || addresses.length * ports.length > mostAddresses)
      notes.add(
        place,
        words.join(' '),
        `is no address, or more than ${mostAddresses} of addresses times ports; left out`,
      );
    else vips.push(...addresses.flatMap((address) => ports.map((port) => ({ address, port }))));
  }
  return { vips, marks };
}

/** "80", or "8000-8010". */
function portsOf(text: string): readonly number[] | undefined {
  const [, from = '', to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)];
  if (from === '' || last > 65_535 || first > last) return undefined;
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** "192.168.200.3-10", "10.0.0.250-10.0.1.10", "10.0.0.8/29", and for IPv6 "2001:db8::3-10" (hexadecimal). */
export function rangeOf(text: string): readonly string[] | undefined {
  const [, base = text, bits] = /^(.*)\/(\d+)$/.exec(text) ?? [];
  if (bits !== undefined) return subnet(base, Number(bits));
  const [from = '', to] = text.split('-');
  if (to === undefined) return [from];
  return from.includes(':') ? range6(from, to) : range4(from, to);
}

function subnet(base: string, bits: number): readonly string[] | undefined {
  const first = number4(base);
  const size = 2 ** (32 - bits);
  if (first === undefined || bits > 32 || size > mostAddresses) return undefined;
  const start = Math.floor(first / size) * size;
  return Array.from({ length: size }, (_, index) => text4(start + index));
}

function range4(from: string, to: string): readonly string[] | undefined {
  const first = number4(from);
  const last = number4(to.includes('.') ? to : from.replace(/\d+$/, to));
  if (first === undefined || last === undefined || last < first || last - first >= mostAddresses)
    return undefined;
  return Array.from({ length: last - first + 1 }, (_, index) => text4(first + index));
}

/** The last group counts up. */
function range6(from: string, to: string): readonly string[] | undefined {
  const [, head = '', low = ''] = /^(.*:)([0-9a-f]{0,4})$/i.exec(from) ?? [];
  const [, high = to] = /:([0-9a-f]{1,4})$/i.exec(to) ?? [];
  const first = Number.parseInt(low || '0', 16);
  const last = Number.parseInt(high, 16);
  if (head === '' || !(last >= first) || last - first >= mostAddresses) return undefined;
  return Array.from({ length: last - first + 1 }, (_, index) => `${head}${(first + index).toString(16)}`);
}

function number4(text: string): number | undefined {
  const bytes = text.split('.').map(Number);
  const isAddress =
    bytes.length === 4 && bytes.every((byte) => Number.isInteger(byte) && byte >= 0 && byte < 256);
  return isAddress ? bytes.reduce((sum, byte) => sum * 256 + byte, 0) : undefined;
}

const text4 = (value: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
