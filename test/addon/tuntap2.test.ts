// SPDX-License-Identifier: Apache-2.0
/**
 * The adapter to tuntap2, over a module of the same shape: what its documentation and its declarations (0.1.0 to 0.9.1) promise,
 * and the ways of it that matter to a caller. The package itself is on no registry that a test could count on.
 */
import { EventEmitter } from 'node:events';

import { describe, expect, it } from 'vitest';

import {
  Director,
  openTuntap2,
  readPacket,
  tcpPacket,
  VsnatError,
  type Tuntap2Device,
} from '../../src/index.js';

type Listener = (...facts: unknown[]) => void;

/**
 * Two streams over one descriptor behind the methods of a Duplex, which it is not: no cork() that could be used, events of
 * the writing side told again by the reading one (so 'close' comes twice), and addresses that only a device that is up has.
 */
class Tun {
  static opened: Tun[] = [];
  readonly name = 'tun0';
  readonly isTun = true;
  readonly isTap = false;
  readonly written: Uint8Array[] = [];
  readonly history: string[] = [];
  readonly #reading = new EventEmitter();
  readonly #writing = new EventEmitter();
  #isUp = false;
  #ipv4 = '';
  #mtu = 1500;
  isBusy = false;

  constructor(...unwanted: readonly unknown[]) {
    if (unwanted.length > 0) throw new Error('the constructor takes nothing');
    for (const event of ['drain', 'error', 'close'])
      this.#writing.on(event, (...facts: unknown[]) => this.#reading.emit(event, ...facts));
    Tun.opened.push(this);
  }
  get isUp(): boolean {
    return this.#isUp;
  }
  set isUp(wanted: boolean) {
    this.history.push(`isUp ${wanted}`);
    this.#isUp = wanted;
  }
  get mtu(): number {
    return this.#mtu;
  }
  set mtu(wanted: number) {
    this.history.push(`mtu ${wanted}`);
    this.#mtu = wanted;
  }
  get ipv4(): string {
    if (!this.#isUp) throw 'you must set isUp = true'; // eslint-disable-line @typescript-eslint/only-throw-error -- as it does
    return this.#ipv4;
  }
  set ipv4(wanted: string) {
    if (wanted.split('/').length !== 2) throw `incorrect ip address: ${wanted}`; // eslint-disable-line @typescript-eslint/only-throw-error -- as it does
    this.history.push(`ipv4 ${wanted}`);
    this.#ipv4 = wanted;
  }
  ipv6 = '';
  on(event: string, listener: Listener): this {
    this.#reading.on(event, listener);
    return this;
  }
  once(event: string, listener: Listener): this {
    this.#reading.once(event, listener);
    return this;
  }
  off(event: string, listener: Listener): this {
    this.#writing.off(event, listener);
    this.#reading.off(event, listener);
    return this;
  }
  write(packet: Uint8Array): boolean {
    this.written.push(packet);
    return !this.isBusy;
  }
  cork(): void {
    throw new Error('two packets in one writev are one packet');
  }
  release(done?: () => void): void {
    this.#writing.emit('close');
    this.#reading.emit('close');
    done?.();
  }
  /** For the test: a packet that the kernel routed into the device, and a queue that has room again. */
  arrives(packet: Uint8Array): void {
    this.#reading.emit('data', packet);
  }
  drains(): void {
    this.isBusy = false;
    this.#writing.emit('drain');
  }
}

class Tap extends Tun {}
const module_ = { Tun, Tap, tuntap: () => new Tun() };
const installed = (id: string): unknown => {
  if (id !== 'tuntap2') throw new Error(`asked for ${id}`);
  return module_;
};
const open = (options?: Parameters<typeof openTuntap2>[0], require = installed): Tuntap2Device =>
  openTuntap2(options, require);

const yaml = 'services: [{ name: web, listen: "tcp://192.0.2.10:80", servers: ["10.0.0.1:8080"] }]';
const request = (port: number): Uint8Array => tcpPacket(`198.51.100.7:${port}`, '192.0.2.10:80');

describe('tuntap2', () => {
  it('is opened without arguments, given its addresses, and brought up last', () => {
    const device = open({ ipv4: '10.9.0.254/24', mtu: 1400 });
    expect(Tun.opened.at(-1)?.history).toEqual(['mtu 1400', 'ipv4 10.9.0.254/24', 'isUp true']);
    expect(device).toMatchObject({ name: 'tun0', isUp: true, mtu: 1400, ipv4: '10.9.0.254/24' });
  });

  it('serves a director: packets in, translated packets out, one write for each', async () => {
    const director = Director.memory(yaml);
    const attached = director.attach(open());
    const device = Tun.opened.at(-1) ?? new Tun();
    device.arrives(request(40_000));
    device.arrives(request(40_001));
    expect(device.written.map((packet) => readPacket(packet)?.destination)).toEqual([
      { address: '10.0.0.1', port: 8080 },
      { address: '10.0.0.1', port: 8080 },
    ]);
    device.isBusy = true;
    device.arrives(request(40_002)); // taken by write(), which says that it was the last for now
    device.arrives(request(40_003));
    device.drains();
    device.arrives(request(40_004));
    expect(attached.counters).toEqual({ received: 5, written: 4, droppedBusy: 1, failed: 0 });
    device.release();
    await attached.closed;
    device.arrives(request(40_005));
    expect(attached.counters.received).toBe(5);
    await director.close();
  });

  it.each<[string, (id: string) => unknown, RegExp]>([
    ['not installed', () => { throw Object.assign(new Error("Cannot find module 'tuntap2'"), { code: 'MODULE_NOT_FOUND' }); }, /^tuntap2: must be installed .*`npm install tuntap2`.*github:PupilTong\/node-tuntap2.*Director\.tun\(\)/],
    ['built for another Node', () => { throw new Error('NODE_MODULE_VERSION 72'); }, /^tuntap2: is there and cannot be loaded: NODE_MODULE_VERSION 72; run/],
    ['something else', () => ({ createDevice: () => undefined }), /^tuntap2: must have a class Tun, got undefined/],
    ['nothing', () => undefined, /^tuntap2: must have a class Tun, got undefined/],
  ])('that is %s is told with what to do', (_, require, sentence) => {
    const error = thrownBy(() => open({}, require));
    expect(error).toBeInstanceOf(VsnatError);
    expect(error).toMatchObject({ code: 'VSNAT_DATAPLANE', message: expect.stringMatching(sentence) as unknown });
  }); // prettier-ignore

  it('is not there in this checkout, and says so', () => {
    expect(() => openTuntap2()).toThrow(/^tuntap2: must be installed/);
  });

  it('says what a device refused, also where it throws strings', () => {
    expect(() => open({ ipv4: '10.9.0.254' })).toThrow('tuntap2: the device cannot be opened: incorrect ip address: 10.9.0.254; it needs /dev/net/tun and CAP_NET_ADMIN');
    const forbidden = (): never => {
      throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
    };
    const closed = { Tun: new Proxy(Tun, { construct: forbidden }) };
    expect(() => open({}, () => closed)).toThrow(/cannot be opened: EACCES: permission denied/);
  }); // prettier-ignore
});

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
