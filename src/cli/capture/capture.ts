// SPDX-License-Identifier: Apache-2.0
/**
 * `vsnat capture`: packets of the director's connections, on both sides of the translation. A packet socket of this process sees
 * them where the kernel shows them to every such socket; the daemon is asked what it serves, now and then, and nothing else of it
 * is touched.
 */
import type { ServicesAnswer, StatusAnswer } from '../../admin/api.js';
import { loadAddon, type Addon } from '../../dataplane/native.js';
import { tappedPackets, type PacketTap, type PacketTapClass } from '../../dataplane/packet-tap.js';
import { VsnatError } from '../../errors.js';
import type { Io } from '../io.js';
import { untilStopped } from '../repeat.js';
import { plural } from '../table.js';
import { version } from '../version.js';
import { Attribution, type CapturedService, type Filters } from './attribution.js';
import { statisticsBlock } from './pcapng-write.js';
import { captureBlock, captureHead, captureJson, captureLine } from './show-sighting.js';
import { Sightings, type Sighting } from './sightings.js';
import { tapProgram, type TapWanted } from './tap-program.js';
import { capturedServices, checkedFilters, wantedAddresses, type ConfigAnswer } from './targets.js';

/** Where blocks go: a file, or stdout. */
export interface Sink {
  /** False: it was too slow, and the bytes were left out. */
  write(bytes: Buffer): boolean;
  close(): Promise<void>;
}

export interface CaptureOptions {
  readonly filters: Filters;
  /** Infinite: until stopped. */
  readonly count: number;
  readonly forMs: number | null;
  readonly snaplen: number;
  /** null: lines for people, or JSON. `onFailed`: no more can be written, and close() will say why. */
  readonly sink: ((onFailed: () => void) => Promise<Sink>) | null;
  readonly json: boolean;
  readonly ask: <T>(path: string, signal?: AbortSignal) => Promise<T>;
  readonly addon?: Pick<Addon, 'PacketTap' | 'interfaceIndex'>;
}

interface Director {
  readonly device: string;
  readonly leaves: TapWanted['leaves'];
  readonly services: readonly CapturedService[];
}

/** Between two looks at what the daemon serves. */
const renewMs = 2_000;
/** Packets are judged by those behind them; when none come, by the clock. */
const settleMs = 100;

export async function capture(options: CaptureOptions, io: Io): Promise<void> {
  const { ask, snaplen } = options;
  const { PacketTap, interfaceIndex } = tapOf(options.addon ?? loadAddon());
  const director = await lookAt(ask);
  const filters = checkedFilters(options.filters, director.services);
  const device = interfaceIndex(director.device);
  if (device === 0)
    throw new VsnatError(
      'VSNAT_HOST_REFUSED',
      `capture: ${director.device} must be a device of this host; run it where the daemon runs, in its network namespace`,
    );
  const attribution = new Attribution(director.services, filters);
  const program = ({ leaves, services }: Director): Uint32Array =>
    tapProgram({ device, leaves, addresses: wantedAddresses(filters, services), snaplen });
  const writer = new Writer(options, io);
  const sightings = new Sightings(attribution, device);
  const { signal, off } = untilStopped();
  const ended = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
    writer.onFull = resolve;
  });
  await writer.begin(director.device);
  const tap = openTap(PacketTap, program(director), (bytes, facts) => {
    for (const packet of tappedPackets(bytes, facts)) writer.take(sightings.see(packet));
  });
  const renewing = new AbortController();
  const timers = [
    setInterval(() => writer.take(sightings.settle(Date.now() / 1000 - settleMs / 1000)), settleMs),
    setInterval(() => {
      lookAt(ask, renewing.signal).then(
        (now) => {
          attribution.renew(now.services);
          tap.filter(program(now));
        },
        () => undefined, // a daemon that is being restarted still has its device
      );
    }, renewMs),
  ];
  const deadline = options.forMs === null ? null : setTimeout(() => writer.onFull(), options.forMs);
  try {
    await ended;
  } finally {
    timers.forEach(clearInterval);
    renewing.abort(); // a daemon that hangs must not keep whoever has seen enough
    if (deadline !== null) clearTimeout(deadline);
    off();
    writer.missed += tap.dropped();
    tap.close();
    writer.take(sightings.settle());
    await writer.end();
  }
}

function tapOf({ PacketTap, interfaceIndex }: Pick<Addon, 'PacketTap' | 'interfaceIndex'>) {
  if (PacketTap === undefined || interfaceIndex === undefined)
    throw new VsnatError(
      'VSNAT_ADDON_MISSING',
      'native addon: must have packet taps, got one of an older version; run `npm run build:native`',
    );
  return { PacketTap, interfaceIndex };
}

function openTap(
  Tap: PacketTapClass,
  program: Uint32Array,
  receive: (bytes: Uint8Array, facts: Float64Array) => void,
): PacketTap {
  try {
    return new Tap(program, receive);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    const isForbidden = code === 'EPERM' || code === 'EACCES';
    throw new VsnatError(
      isForbidden ? 'VSNAT_NO_PERMISSION' : 'VSNAT_HOST_REFUSED',
      `capture: must be allowed a packet socket, got ${code}; run it as root or with CAP_NET_RAW`,
      { cause },
    );
  }
}

async function lookAt(ask: CaptureOptions['ask'], signal?: AbortSignal): Promise<Director> {
  const [{ director, state }, services, config] = await Promise.all([
    ask<StatusAnswer>('/v1/status', signal),
    ask<ServicesAnswer>('/v1/services', signal),
    ask<ConfigAnswer>('/v1/config', signal),
  ]);
  if (director === null)
    throw new VsnatError('VSNAT_UNREACHABLE', `capture: the daemon must be ready, got "${state}"; try again`);
  return {
    device: director.device.name,
    leaves: director.egress?.way === 'direct' ? 'everywhere' : 'device',
    services: capturedServices(services, config),
  };
}

/** Counts, and gives what is seen its form. */
class Writer {
  readonly #options: CaptureOptions;
  readonly #io: Io;
  readonly #connections = new Set<string>();
  #sink: Sink | null = null;
  #packets = 0;
  #last: Sighting | null = null;
  missed = 0;
  onFull: () => void = () => undefined;

  constructor(options: CaptureOptions, io: Io) {
    this.#options = options;
    this.#io = io;
  }

  async begin(device: string): Promise<void> {
    const { sink, snaplen } = this.#options;
    if (sink === null) return;
    this.#sink = await sink(() => this.onFull());
    this.#sink.write(captureHead(version, device, snaplen));
    this.#io.complain(`vsnat: capturing on ${device}`);
  }

  take(sightings: Iterable<Sighting>): void {
    for (const sighting of sightings) {
      if (this.#packets >= this.#options.count) return;
      this.#packets += 1;
      this.#last = sighting;
      const { client, vip } = sighting.placed;
      if (this.#connections.size < 1e6)
        this.#connections.add(`${client.address} ${client.port} ${vip.address} ${vip.port}`);
      this.#write(sighting);
      if (this.#packets >= this.#options.count) this.onFull();
    }
  }

  #write(sighting: Sighting): void {
    if (this.#options.json && this.#options.sink === null)
      return this.#io.out(JSON.stringify(captureJson(sighting)));
    if (this.#options.sink === null) return this.#io.out(captureLine(sighting));
    if (this.#sink?.write(captureBlock(sighting)) === false) this.missed += 1;
  }

  async end(): Promise<void> {
    const { missed } = this;
    if (this.#sink !== null && this.#last !== null && missed > 0)
      [0, 1].forEach((side) => this.#sink?.write(statisticsBlock(side, this.#last?.packet ?? never, missed)));
    try {
      await this.#sink?.close();
    } finally {
      this.#io.complain(
        `vsnat: ${plural(this.#packets, 'packet')} of ${plural(this.#connections.size, 'connection')}, ${missed} missed`,
      );
    }
  }
}

const never = { seconds: 0, nanoseconds: 0 };
