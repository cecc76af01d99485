// SPDX-License-Identifier: Apache-2.0
/**
 * The vocabulary of host plans. A plan is a list of small steps, one kernel object each; how many processes that
 * takes is the executor's business (execute.ts joins neighbours into one batch). A step's `id` says what it puts in
 * place, so two plans are compared by their ids alone: that is how a reload applies only the difference.
 */

export type IpVersion = 4 | 6;

export type Action =
  | { readonly tool: 'ip'; readonly version: IpVersion; readonly line: string }
  | { readonly tool: 'nft'; readonly line: string }
  /** `key` is a path below /proc/sys, with slashes, because interface names may contain dots. */
  | { readonly tool: 'sysctl'; readonly key: string; readonly value: string };

export interface Step {
  readonly id: string;
  readonly why: string;
  /** null: already so on this host. */
  readonly do: Action | null;
  /** null: nothing outlives the device. */
  readonly undo: Action | null;
  /** Undoing the step named here removes this one as well. */
  readonly within?: string;
  /** Several directors on one host may need this; the last one to leave undoes it. */
  readonly shared?: SharedResource;
}

export type SharedResource = 'local-rule-4' | 'local-rule-6' | `proxy-ndp-${string}`;

export const versionOf = (address: string): IpVersion => (address.includes(':') ? 6 : 4);

/** How an action reads when a person types it. */
export function describeAction(action: Action): string {
  switch (action.tool) {
    case 'ip':
      return `ip -${action.version} ${action.line}`;
    case 'nft':
      return `nft ${action.line.split('\n', 1)[0] ?? ''}`;
    case 'sysctl':
      return `sysctl -w ${action.key.replaceAll('/', '.')}=${action.value}`;
  }
}
