// SPDX-License-Identifier: Apache-2.0
/**
 * When to defend against floods, and how hard: the kernel's update_defense_level (ip_vs_ctl.c), once a second. In the
 * automatic modes that depends on the memory of the host; the packet path is told in four words (Dataplane.defend), so
 * nothing is compiled or published for it.
 *
 * The kernel writes its judgement back into the sysctl: 1 becomes 2 while memory is short, and 2 becomes 1 again. Which
 * of the two was configured makes no difference, so the configured value stays, and the kernel's is what is shown.
 */
import type { Dataplane, DefenceSpec } from '../dataplane/dataplane.js';
import type { Sysctls } from '../model/index.js';

export const defences = ['drop_entry', 'drop_packet', 'secure_tcp'] as const;
/** The defences, by the names of the kernel's sysctls. */
export type DefenceName = (typeof defences)[number];

/** Which defences against floods are on (the sysctls drop_entry, drop_packet, secure_tcp), and how hard they work. */
export interface DefenceState {
  /** What the sysctl reads now. 2 and 3: it is on. */
  readonly modes: Readonly<Record<DefenceName, number>>;
  /** One in this many new connections is dropped; 0 none. */
  readonly dropRate: number;
  /** Free memory and buffers, in pages of 4 KiB, as last seen; null when nothing depends on it, or nobody knows. */
  readonly availablePages: number | null;
}

/** How the director learns of memory and time; both are the host's, and a test's own in tests. */
export interface MemoryWatch {
  /** Null when it cannot be told; memory then counts as plenty. */
  readonly availablePages: () => Promise<number | null>;
  /** Calls `tick` every second, until the function it gives back is called. */
  readonly everySecond: (tick: () => void) => () => void;
}

export function judge(sysctls: Sysctls, availablePages: number | null): DefenceState {
  const { amemthresh } = sysctls;
  const missing = availablePages === null ? 0 : amemthresh - availablePages;
  const modeNow = (configured: number): number =>
    configured === 0 || configured === 3 ? configured : missing > 0 ? 2 : 1;
  const modes = {
    drop_entry: modeNow(sysctls.drop_entry),
    drop_packet: modeNow(sysctls.drop_packet),
    secure_tcp: modeNow(sysctls.secure_tcp),
  };
  const rates = [0, 0, Math.floor(amemthresh / missing), sysctls.am_droprate];
  return { modes, dropRate: rates[modes.drop_packet] ?? 0, availablePages };
}

export const dependsOnMemory = (sysctls: Sysctls): boolean =>
  defences.some((name) => sysctls[name] === 1 || sysctls[name] === 2);

function orderOf({ modes, dropRate }: DefenceState): DefenceSpec {
  return {
    dropRate,
    countAnew: modes.drop_packet === 2, // as in the kernel, where mode 3 goes on counting
    dropEntries: modes.drop_entry >= 2,
    secureTcp: modes.secure_tcp >= 2,
  };
}

/** Tells the dataplane what changes, and the automatic rate every time. */
export class Defender {
  readonly #dataplane: Pick<Dataplane, 'defend'>;
  #sysctls: Sysctls;
  #state: DefenceState;
  #told: string | undefined;

  constructor(dataplane: Pick<Dataplane, 'defend'>, sysctls: Sysctls) {
    this.#dataplane = dataplane;
    this.#sysctls = sysctls;
    this.#state = this.#judge(null);
  }

  get state(): DefenceState {
    return this.#state;
  }

  get dependsOnMemory(): boolean {
    return dependsOnMemory(this.#sysctls);
  }

  /** New settings, in force at once; the kernel judges anew with every write to a sysctl as well. */
  configure(sysctls: Sysctls): void {
    this.#sysctls = sysctls;
    this.#state = this.#judge(dependsOnMemory(sysctls) ? this.#state.availablePages : null);
  }

  /** Of no effect when the settings have come not to care meanwhile. */
  observe(availablePages: number | null): void {
    this.#state = this.#judge(this.dependsOnMemory ? availablePages : null);
  }

  #judge(availablePages: number | null): DefenceState {
    const state = judge(this.#sysctls, availablePages);
    const order = orderOf(state);
    const text = JSON.stringify(order);
    if (order.countAnew || text !== this.#told) this.#dataplane.defend(order);
    this.#told = text;
    return state;
  }
}

/** Keeps `defender` informed; the function it gives back ends that. One look at a time, however slow it is. */
export function watchMemory(defender: Defender, { availablePages, everySecond }: MemoryWatch): () => void {
  let isLooking = false;
  const ending = new AbortController();
  const look = async (): Promise<void> => {
    if (isLooking || !defender.dependsOnMemory) return;
    isLooking = true;
    try {
      const pages = await availablePages().catch(() => null);
      if (!ending.signal.aborted) defender.observe(pages);
    } finally {
      isLooking = false;
    }
  };
  const stop = everySecond(() => void look());
  return () => {
    ending.abort();
    stop();
  };
}
