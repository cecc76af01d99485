// SPDX-License-Identifier: Apache-2.0
/**
 * The addon behind the `Dataplane` interface. This is the only file that loads the binary and the only one that
 * knows its raw shape; it turns the addon's errors into VsnatError and nothing else, so there is no logic to test
 * twice. A TUN dataplane runs one native thread per queue; a memory dataplane has no threads and no device: packets
 * go in and come out through process().
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import { errorCodes, VsnatError, said, type ErrorCode } from '../errors.js';
import type {
  CheckEnds,
  CheckLeads,
  Counters,
  CountersPart,
  Dataplane,
  DefenceSpec,
  DeviceFacts,
  DropReason,
  Ending,
  FlowPage,
  FlowSelection,
  Limits,
  ServerLoad,
  SnapshotDelta,
  SnapshotSpec,
  TunOptions,
} from './dataplane.js';
import { decodeCounters, type RawCounters } from './counters.js';
import type { HostChangesClass } from './host-changes.js';
import { decodeLoopDelays, type LoopDelays, type LoopDelaysClass } from './loop-delays.js';
import type { PacketTapClass } from './packet-tap.js';
import type { SignsWatch } from './signs.js';
import type { MemoryPacket, PacketEngine, ProcessedPacket } from './packet-engine.js';

/** The layout of specs and counters both sides agree on; native/napi raises it when the shape changes. */
export const addonAbi = 9;

interface EngineOptions {
  readonly device: 'tun' | 'memory';
  readonly name: string;
  readonly queues: number;
  readonly offload: 'auto' | 'off';
  readonly steering: 'auto' | 'off' | 'random';
  readonly ingress?: boolean;
  readonly egress?: boolean;
  readonly shortcuts?: boolean;
  readonly io?: 'auto' | 'uring' | 'poll';
  readonly flowCapacity: number;
  readonly hashKey?: Uint8Array;
  readonly serverSlots: number;
  readonly serviceSlots: number;
}

/** The addon's class as C++ exports it. */
export interface Engine {
  readonly closed: boolean;
  facts(): DeviceFacts;
  publish(snapshot: SnapshotSpec): number;
  update(delta: SnapshotDelta): number;
  swapSeconds(): number;
  cursor(serviceSlot: number): number;
  load(serverSlot: number): ServerLoad;
  signs(slots: Uint32Array, seen: Float64Array): Float64Array;
  endFlows(selection: FlowSelection, ending: Ending): void;
  ending(): { readonly done: boolean; readonly ended: number };
  leadCheck(sourcePort: number, serviceSlot: number, serverSlot: number): boolean;
  endCheck(ends: CheckEnds): void;
  defend(defence: DefenceSpec): void;
  direct(on: boolean): void;
  takeDirectly(interfaces: readonly number[]): number;
  counters(part?: CountersPart): RawCounters;
  flows(cursor: number, limit: number): FlowPage;
  start(): void;
  process(packet: MemoryPacket): ProcessedPacket;
  expire(nowMs: number): void;
  failure(): string | null;
  close(): void;
}

/** Echo requests out, ICMP messages in; errors are Node's own (code, errno, syscall). Used by health/ by way of cli/. */
export type IcmpSocketClass = new (
  ipv6: boolean,
  source: string | null,
  receive: (message: Uint8Array, from: string) => void,
) => { send(to: string, message: Uint8Array): void; close(): void };

export interface Addon {
  readonly Engine: new (options: EngineOptions) => Engine;
  dropReasons(): readonly DropReason[];
  generatedKinds(): readonly DropReason[];
  /** Of the histograms, in seconds. */
  latencyBounds?(): readonly number[];
  /** Sends one datagram to a unix socket; a leading '@' names an abstract one. Node itself has no unix datagrams. */
  notify?(path: string, text: string): void;
  readonly openCheckSocket: (transport: 'tcp' | 'udp', source: string, sourcePort: number) => number;
  readonly IcmpSocket?: IcmpSocketClass;
  readonly PacketTap?: PacketTapClass;
  readonly HostChanges?: HostChangesClass;
  readonly LoopDelays?: LoopDelaysClass;
  /** 0: there is no such interface. */
  readonly interfaceIndex?: (name: string) => number;
  readonly abi: number;
  readonly version: string;
}

export interface MemoryOptions {
  readonly queues?: number;
  readonly flowCapacity: number;
  /** 16 bytes; give one to make runs repeatable. */
  readonly hashKey?: Uint8Array;
}

const packageRoot = fileURLToPath(new URL('../..', import.meta.url));

/** Replaces the loader in tests of the failure paths. */
export type LoadBinary = (root: string) => unknown;

const loadWithNodeGypBuild: LoadBinary = (root) => {
  const require = createRequire(import.meta.url);
  return (require('node-gyp-build') as (root: string) => unknown)(root);
};

/** ICMP sockets as health/ asks for them (IcmpTransport); null when the addon was built without. */
export function icmpSockets({ IcmpSocket }: Pick<Addon, 'IcmpSocket'> = loadAddon()) {
  if (IcmpSocket === undefined) return null;
  return {
    open: (
      family: 'ipv4' | 'ipv6',
      source: string | null,
      receive: (message: Uint8Array, from: string) => void,
    ) => new IcmpSocket(family === 'ipv6', source, receive),
  };
}

/** Begins to measure the event loop of this thread, for as long as it lives; null when the addon was built without. */
export function measureLoop(
  intervalMs: number,
  { LoopDelays }: Pick<Addon, 'LoopDelays'> = loadAddon(),
): (() => LoopDelays) | null {
  if (LoopDelays === undefined) return null;
  const delays = new LoopDelays(intervalMs);
  return () => decodeLoopDelays(delays.read());
}

let loaded: Addon | undefined;

/** Loads the addon once. Fails with VSNAT_ADDON_MISSING and the remedies, never with a bare dlopen error. */
export function loadAddon(loadBinary: LoadBinary = loadWithNodeGypBuild): Addon {
  if (loaded !== undefined && loadBinary === loadWithNodeGypBuild) return loaded;
  let addon: Addon;
  try {
    addon = loadBinary(packageRoot) as Addon;
  } catch (cause) {
    throw new VsnatError('VSNAT_ADDON_MISSING', `native addon: ${missing()}; ${remedies}`, { cause });
  }
  if (addon.abi !== addonAbi) {
    throw new VsnatError(
      'VSNAT_ADDON_MISSING',
      `native addon: must have interface ${addonAbi}, got ${addon.abi}: it was built from another version; ${remedies}`,
    );
  }
  if (loadBinary === loadWithNodeGypBuild) loaded = addon;
  return addon;
}

function missing(): string {
  return `no binary for ${process.platform}-${process.arch}, Node ${process.versions.node} (Node-API ${process.versions['napi'] ?? '?'})`;
}

const remedies =
  'in a checkout run `npm run build:native`; as a dependency run `npm rebuild vsnat` ' +
  '(npm 12: first `npm install-scripts approve vsnat`); building needs python3, make and g++ ' +
  '(`apt-get install python3 make g++`)';

/** Slots for servers and services beyond what a configuration needs now, so that reloads can grow it. */
export const defaultLimits: Limits = { serverSlots: 16_384, serviceSlots: 4_096 };

/** A flow has 16 bits for its service. */
const mostServiceSlots = 65_536;

/** Slots for a configuration that needs `needed` of them now: room to double, and never less than the default. */
export function limitsFor(needed: Limits): Limits {
  const roomy = (least: number, now: number): number =>
    Math.max(least, 2 ** Math.ceil(Math.log2(Math.max(1, 2 * now))));
  return {
    serverSlots: roomy(defaultLimits.serverSlots, needed.serverSlots),
    serviceSlots: Math.min(mostServiceSlots, roomy(defaultLimits.serviceSlots, needed.serviceSlots)),
  };
}

/** Threads cannot call JavaScript, so they are asked whether they have done. */
const endingPollMs = 2;

class NativeDataplane implements Dataplane {
  readonly checkLeads: CheckLeads | null = null;
  readonly facts: DeviceFacts;
  protected readonly engine: Engine;

  constructor(
    options: EngineOptions,
    readonly limits: Limits,
    addon: Addon,
  ) {
    this.engine = translated(() => new addon.Engine(options));
    this.facts = translated(() => this.engine.facts());
  }

  /** Orders to end connections are given one at a time; the last one's end. */
  #ending: Promise<unknown> = Promise.resolve();

  publish(snapshot: SnapshotSpec): number {
    return translated(() => this.engine.publish(snapshot));
  }

  update(delta: SnapshotDelta): number {
    return translated(() => this.engine.update(delta));
  }

  swapSeconds(): number {
    return translated(() => this.engine.swapSeconds());
  }

  cursor(serviceSlot: number): number {
    return translated(() => this.engine.cursor(serviceSlot));
  }

  load(serverSlot: number): ServerLoad {
    return translated(() => this.engine.load(serverSlot));
  }

  signs({ slots, seen }: SignsWatch): Float64Array {
    return translated(() => this.engine.signs(slots, seen));
  }

  endFlows(selection: FlowSelection, ending: Ending): Promise<number> {
    const result = this.#ending.then(async () => {
      translated(() => this.engine.endFlows(selection, ending));
      for (;;) {
        const { done, ended } = translated(() => this.engine.ending());
        if (done) return ended;
        const failure = this.failure();
        if (failure !== null) throw new VsnatError('VSNAT_DATAPLANE', failure);
        await new Promise((resolve) => setTimeout(resolve, endingPollMs));
      }
    });
    this.#ending = result.catch(() => undefined); // the caller has the failure
    return result;
  }

  defend(defence: DefenceSpec): void {
    translated(() => this.engine.defend(defence));
  }

  direct(on: boolean): void {
    translated(() => this.engine.direct(on));
  }

  takeDirectly(interfaces: readonly number[]): number {
    return translated(() => this.engine.takeDirectly(interfaces));
  }

  counters(part: CountersPart = 'all'): Counters {
    return decodeCounters(translated(() => this.engine.counters(part)));
  }

  flows(cursor: number, limit: number): FlowPage {
    return translated(() => this.engine.flows(cursor, limit));
  }

  failure(): string | null {
    return translated(() => this.engine.failure());
  }

  close(): void {
    if (!this.engine.closed) translated(() => this.engine.close());
  }
}

/** Packets move from start() on; publish a snapshot first so that none is answered from an empty table. */
export class TunDataplane extends NativeDataplane {
  override readonly checkLeads: CheckLeads;

  constructor({ limits = defaultLimits, ...options }: TunOptions, addon: Addon = loadAddon()) {
    super({ ...options, device: 'tun', ...limits }, limits, addon);
    this.checkLeads = {
      lead: (port, service, server) => translated(() => this.engine.leadCheck(port, service, server)),
      end: (ends) => translated(() => this.engine.endCheck(ends)),
      open: (transport, source, port) => addon.openCheckSocket(transport, source, port),
    };
  }

  start(): void {
    translated(() => this.engine.start());
  }
}

/** The same director over arrays of bytes: no root, no threads, and time is an argument. */
export class MemoryDataplane extends NativeDataplane implements PacketEngine {
  constructor(options: MemoryOptions, limits: Limits = defaultLimits, addon: Addon = loadAddon()) {
    super(
      {
        device: 'memory',
        name: 'memory',
        queues: options.queues ?? 1,
        offload: 'auto',
        steering: 'off',
        flowCapacity: options.flowCapacity,
        ...(options.hashKey === undefined ? {} : { hashKey: options.hashKey }),
        ...limits,
      },
      limits,
      addon,
    );
  }

  process(packet: MemoryPacket): ProcessedPacket {
    return translated(() => this.engine.process(packet));
  }

  expire(nowMs: number): void {
    translated(() => this.engine.expire(nowMs));
  }
}

function translated<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fromAddon(error);
  }
}

/** The addon's errors look like Node's own (code, errno, syscall); a code it does not share with us is kept as cause. */
export function fromAddon(error: unknown): VsnatError {
  if (error instanceof VsnatError) return error;
  const message = said(error);
  return new VsnatError(codeOf(error), message, { cause: error });
}

function codeOf(error: unknown): ErrorCode {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && code in errorCodes ? (code as ErrorCode) : 'VSNAT_DATAPLANE';
}
