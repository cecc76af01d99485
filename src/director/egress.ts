// SPDX-License-Identifier: Apache-2.0
/**
 * How translated packets leave: written into the TUN device, for the kernel to route (`route`), or as frames, which is
 * faster and goes past this host's FORWARD and POSTROUTING hooks (`direct`). `auto` is direct for as long as nobody has
 * rules there; it looks again now and then, and whenever the director is reloaded.
 */
import type { Dataplane } from '../dataplane/dataplane.js';
import { VsnatError } from '../errors.js';
import type { EgressSetting } from '../model/index.js';

/** How translated packets leave, and why. */
export interface EgressState {
  readonly setting: EgressSetting;
  readonly way: 'route' | 'direct';
  /** Of `route`: why not direct. Of `direct` by setting: what is being gone past. */
  readonly reasons: readonly string[];
}

/** What makes a difference between the two ways on this host; each as part of a sentence. */
export type EgressLook = () => Promise<readonly string[]>;

/** An administrator's new rule is obeyed this soon; three short processes are 0.1 % of a core. */
export const egressLookMs = 10_000;

export class EgressChooser {
  readonly #dataplane: Pick<Dataplane, 'facts' | 'direct'>;
  readonly #setting: EgressSetting;
  readonly #look: EgressLook;
  readonly #onChange: (state: EgressState) => void;
  #state: EgressState;
  #hasChosen = false;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** `onChange` is not told of the first choice. Throws VSNAT_DATAPLANE when the setting is direct and the kernel refuses. */
  constructor(
    dataplane: Pick<Dataplane, 'facts' | 'direct'>,
    setting: EgressSetting,
    look: EgressLook,
    onChange: (state: EgressState) => void = () => undefined,
  ) {
    this.#dataplane = dataplane;
    this.#setting = setting;
    this.#look = look;
    this.#onChange = onChange;
    this.#state = { setting, way: 'route', reasons: [] };
    const { directEgress, directRefusal } = dataplane.facts;
    if (setting === 'direct' && !directEgress) {
      throw new VsnatError(
        'VSNAT_DATAPLANE',
        `tun.egress: must be possible to be direct, got ${directRefusal ?? 'no egress'}; give the process CAP_NET_RAW, or write auto`,
      );
    }
  }

  get state(): EgressState {
    return this.#state;
  }

  /** Looks at the host and obeys. Never rejects. */
  async choose(): Promise<void> {
    const next = await this.#judge();
    if (this.#isClosed) return;
    const before = this.#state;
    this.#state = next;
    if (next.way !== before.way) this.#dataplane.direct(next.way === 'direct');
    const isNews = next.way !== before.way || next.reasons.join() !== before.reasons.join();
    if (this.#hasChosen && isNews) this.#onChange(next);
    this.#hasChosen = true;
  }

  /** Goes on choosing until close(). */
  watch(everyMs = egressLookMs): void {
    if (this.#isClosed || this.#setting !== 'auto' || !this.#dataplane.facts.directEgress) return;
    this.#timer = setTimeout(() => void this.choose().then(() => this.watch(everyMs)), everyMs).unref();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #judge(): Promise<EgressState> {
    const setting = this.#setting;
    const { directEgress, directRefusal } = this.#dataplane.facts;
    if (setting === 'route') return { setting, way: 'route', reasons: ['the configuration says so'] };
    if (!directEgress)
      return { setting, way: 'route', reasons: [directRefusal ?? 'the device has no egress'] };
    const reasons = await this.#look().catch((error: unknown) => [
      `the host cannot be looked at (${error instanceof Error ? error.message : String(error)})`,
    ]);
    return { setting, way: setting === 'direct' || reasons.length === 0 ? 'direct' : 'route', reasons };
  }
}

/** "direct", "route: there are IPsec policies". */
export const describeEgress = ({ way, reasons }: EgressState): string =>
  reasons.length === 0 ? way : `${way}: ${reasons.join('; ')}`;
