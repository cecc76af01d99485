// SPDX-License-Identifier: Apache-2.0
/** The addon as a program sees it, and packets small enough to read. */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';

import { decodeCounters } from '../../src/dataplane/counters.js';
import type { Counters, SnapshotSpec } from '../../src/dataplane/dataplane.js';
import type { Addon, Engine } from '../../src/dataplane/native.js';

export const projectRoot = path.resolve(import.meta.dirname, '../..');
export const addonFile = path.join(projectRoot, 'build/Release/vsnat.node');
export const addon = createRequire(import.meta.url)(addonFile) as Addon;

export const countersOf = (engine: Engine): Counters => decodeCounters(engine.counters());

export const timeouts = {
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

export const oneService: SnapshotSpec = {
  removedServer: 'reset',
  services: [
    {
      slot: 0,
      listen: [{ protocol: 'tcp', address: '192.0.2.10', port: 80 }],
      servers: [
        { slot: 0, address: '10.0.0.1', port: 8080, weight: 1, upperThreshold: 0, lowerThreshold: 0 },
        { slot: 1, address: '10.0.0.2', port: 8080, weight: 1, upperThreshold: 0, lowerThreshold: 0 },
      ],
      plan: { kind: 'cycle', lead: [], loop: [0, 1] },
      timeouts,
    },
  ],
};

export const memoryOptions = {
  device: 'memory',
  name: '',
  queues: 1,
  offload: 'auto',
  steering: 'auto',
  flowCapacity: 1000,
  serverSlots: 16,
  serviceSlots: 4,
  hashKey: new Uint8Array(16),
} as const;

function onesComplementSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** A bare IPv4 SYN with right checksums. */
export function syn(from: string, fromPort: number, to: string, toPort: number): Uint8Array {
  const packet = Buffer.alloc(40);
  packet.set([0x45, 0, 0, 40, 0x12, 0x34, 0x40, 0, 63, 6]);
  packet.set(from.split('.').map(Number), 12);
  packet.set(to.split('.').map(Number), 16);
  packet.writeUInt16BE(~onesComplementSum(packet.subarray(0, 20)) & 0xffff, 10);
  packet.writeUInt16BE(fromPort, 20);
  packet.writeUInt16BE(toPort, 22);
  packet.writeUInt32BE(0x11223344, 24);
  packet.set([0x50, 2, 0xfa, 0xf0], 32);
  const pseudo = Buffer.alloc(12 + 20);
  packet.copy(pseudo, 0, 12, 20);
  pseudo.set([0, 6, 0, 20], 8);
  packet.copy(pseudo, 12, 20, 40);
  packet.writeUInt16BE(~onesComplementSum(pseudo) & 0xffff, 36);
  return packet;
}

export interface ChildResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

/** Runs a script in a Node of its own, with `addon` and the fixtures above in scope. */
export async function runChild(script: string, timeoutMs = 15_000): Promise<ChildResult> {
  const preamble = `
    const { createRequire } = require('node:module');
    const addon = require(${JSON.stringify(addonFile)});
    const memoryOptions = ${JSON.stringify({ ...memoryOptions, hashKey: undefined })};
    const oneService = ${JSON.stringify(oneService)};
    const addonFile = ${JSON.stringify(addonFile)};
  `;
  const child = spawn(process.execPath, ['-e', preamble + script], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr.on('data', (data: Buffer) => (output += data.toString()));
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  return await new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, output });
    });
  });
}
