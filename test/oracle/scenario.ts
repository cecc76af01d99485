// SPDX-License-Identifier: Apache-2.0
/** A scenario: a sentence that says what it shows, and the steps. */
import type { Play } from './play.js';
import type { VsnatSettings } from './world.js';

export interface Scenario {
  readonly name: string;
  /** The heading of docs/differences.md that says why vsnat does this otherwise. Without it, everything must be equal. */
  readonly differs?: string;
  /** Settings that make vsnat do as the kernel does. */
  readonly vsnat?: VsnatSettings;
  /** The kernel's settings (net.ipv4.vs) while it is played, in both worlds. */
  readonly sysctls?: Readonly<Record<string, number>>;
  /** What other scenarios do at the same time, or name in their services, would show in this one. */
  readonly alone?: true;
  readonly play: (play: Play) => Promise<void>;
}

export interface Topic {
  /** The file below traces/. */
  readonly name: string;
  readonly scenarios: readonly Scenario[];
}
