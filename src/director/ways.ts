// SPDX-License-Identifier: Apache-2.0
/**
 * How packets come in and how they leave. `route`: the kernel routes them into the TUN device, and out of it again.
 * `direct`: they are taken from the interface they come in by, and leave as frames, which is faster and goes past this
 * host's hooks. `auto` is direct for as long as that makes no other difference; it looks again when the
 * host has changed, and whenever the director is reloaded.
 */
import type { Dataplane } from '../dataplane/dataplane.js';
import { VsnatError, said } from '../errors.js';
import { Watch, type Hear, type WaysLook } from '../host/index.js';
import type { TunSettings, WaySetting } from '../model/index.js';

/** How translated packets leave, and why. */
export interface EgressState {
  readonly setting: WaySetting;
  readonly way: 'route' | 'direct';
  /** Of `route`: why not direct. Of `direct` by setting: what is being gone past. */
  readonly reasons: readonly string[];
}

/** How packets come into the device, and why. */
export interface IngressState extends EgressState {
  /** Where packets are taken from; empty unless direct. */
  readonly interfaces: readonly string[];
}

/** What makes a difference between the two ways on this host. */
export type LookAtWays = () => Promise<WaysLook>;

type Device = Pick<Dataplane, 'facts' | 'direct' | 'takeDirectly'>;

/** An administrator's new rule is obeyed this soon, whatever else changes. */
export const waysLookMs = 10_000;

export class WayChooser {
  readonly #device: Device;
  readonly #settings: Pick<TunSettings, 'egress' | 'ingress'>;
  readonly #look: LookAtWays;
  readonly #onChange: (what: string) => void;
  #egress: EgressState;
  #ingress: IngressState;
  #taken = '';
  #hasChosen = false;
  #hasSeen = false;
  #watch: Watch | undefined;
  #isClosed = false;

  /** `onChange` is not told of the first choice. Throws VSNAT_DATAPLANE when a setting is direct and the kernel refuses. */
  constructor(
    device: Device,
    settings: Pick<TunSettings, 'egress' | 'ingress'>,
    look: LookAtWays,
    onChange: (what: string) => void = () => undefined,
  ) {
    this.#device = device;
    this.#settings = settings;
    this.#look = look;
    this.#onChange = onChange;
    this.#egress = { setting: settings.egress, way: 'route', reasons: [] };
    this.#ingress = { setting: settings.ingress, way: 'route', reasons: [], interfaces: [] };
    const { directEgress, directRefusal, directIngress, ingressRefusal } = device.facts;
    if (settings.egress === 'direct' && !directEgress) refuse('egress', directRefusal, 'CAP_NET_RAW');
    if (settings.ingress === 'direct' && !directIngress)
      refuse('ingress', ingressRefusal, 'CAP_BPF and CAP_NET_ADMIN, and Linux 6.6');
  }

  get egress(): EgressState {
    return this.#egress;
  }

  get ingress(): IngressState {
    return this.#ingress;
  }

  /** Looks at the host and obeys. Never rejects. */
  async choose(): Promise<void> {
    const look = await this.#lookAround();
    if (this.#isClosed) return;
    const before = [describeEgress(this.#egress), describeIngress(this.#ingress)];
    this.#chooseEgress(look);
    this.#chooseIngress(look);
    const [egress, ingress] = [describeEgress(this.#egress), describeIngress(this.#ingress)];
    if (this.#hasChosen && egress !== before[0]) this.#onChange(`egress is ${egress}`);
    if (this.#hasChosen && ingress !== before[1]) this.#onChange(`ingress is ${ingress}`);
    this.#hasChosen = true;
  }

  /** Goes on choosing until close(), whenever `hear` tells of a change. */
  watch(hear: Hear = () => null, gapMs = waysLookMs): void {
    const { directEgress, directIngress } = this.#device.facts;
    // Interfaces come and go, so ingress is looked at whenever it may be direct.
    const isWorthIt =
      (this.#settings.egress === 'auto' && directEgress) ||
      (this.#settings.ingress !== 'route' && directIngress);
    if (this.#isClosed || !isWorthIt) return;
    this.#watch = new Watch({
      look: () => this.choose().then(() => this.#hasSeen && this.#taken !== 'refused'),
      gapMs: () => gapMs,
      hear,
    });
    this.#watch.begin();
  }

  close(): void {
    this.#isClosed = true;
    this.#watch?.close();
  }

  async #lookAround(): Promise<WaysLook> {
    if (this.#settings.egress === 'route' && this.#settings.ingress === 'route') return nothing;
    try {
      const look = await this.#look();
      this.#hasSeen = true;
      return look;
    } catch (error) {
      this.#hasSeen = false;
      const why = `the host cannot be looked at (${said(error)})`;
      return { egress: [why], ingress: { hindrances: [why], interfaces: [], apart: [] } };
    }
  }

  #chooseEgress(look: WaysLook): void {
    const { directEgress, directRefusal } = this.#device.facts;
    const next = judge(this.#settings.egress, directEgress, directRefusal, look.egress);
    if (next.way !== this.#egress.way) this.#device.direct(next.way === 'direct');
    this.#egress = next;
  }

  #chooseIngress({ ingress }: WaysLook): void {
    const { directIngress, ingressRefusal } = this.#device.facts;
    const judged = judge(this.#settings.ingress, directIngress, ingressRefusal, ingress.hindrances);
    const wanted = judged.way === 'direct' ? ingress.interfaces : [];
    const places = wanted.map(({ index }) => index);
    // A place that was refused is asked for again with each look.
    if (places.join() !== this.#taken) {
      const refused = this.#device.takeDirectly(places);
      this.#taken = refused === 0 ? places.join() : 'refused';
    }
    const reasons = judged.way === 'direct' ? [...judged.reasons, ...ingress.apart] : judged.reasons;
    this.#ingress = { ...judged, reasons, interfaces: wanted.map(({ name }) => name) };
  }
}

const nothing: WaysLook = { egress: [], ingress: { hindrances: [], interfaces: [], apart: [] } };

function refuse(key: 'egress' | 'ingress', why: string | null, needs: string): never {
  throw new VsnatError(
    'VSNAT_DATAPLANE',
    `tun.${key}: must be possible to be direct, got ${why ?? `no ${key}`}; give the process ${needs}, or write auto`,
  );
}

function judge(
  setting: WaySetting,
  isPossible: boolean,
  refusal: string | null,
  hindrances: readonly string[],
): EgressState {
  if (setting === 'route') return { setting, way: 'route', reasons: ['the configuration says so'] };
  if (!isPossible) return { setting, way: 'route', reasons: [refusal ?? 'the device cannot'] };
  const way = setting === 'direct' || hindrances.length === 0 ? 'direct' : 'route';
  return { setting, way, reasons: hindrances };
}

const describe = (what: string, reasons: readonly string[]): string =>
  reasons.length === 0 ? what : `${what}: ${reasons.join('; ')}`;

/** "direct", "route: there are IPsec policies". */
export const describeEgress = ({ way, reasons }: EgressState): string => describe(way, reasons);

/** "direct from eth0 and eth1", "direct from eth0: eth1 filters strictly by reverse path (rp_filter=1)". */
export function describeIngress({ way, reasons, interfaces }: IngressState): string {
  if (way === 'route') return describe(way, reasons);
  const from = interfaces.length === 0 ? 'no interface' : interfaces.join(', ');
  return describe(`direct from ${from}`, reasons);
}
