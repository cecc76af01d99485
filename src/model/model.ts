// SPDX-License-Identifier: Apache-2.0
/** The whole configuration of a director: validated, with every default filled in. Config makes it, all else reads it. */
import type { Endpoint } from './endpoint.js';
import type { MarkRule } from './mark.js';
import type { VirtualService } from './service.js';
import type { IpvsSettings } from './sysctls.js';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

export interface TunSettings {
  readonly name: string;
  /** 'auto': one per CPU. */
  readonly queues: number | 'auto';
  readonly offload: 'auto' | 'off';
  readonly mtu: number;
  readonly steering: 'auto' | 'off' | 'random';
  /** The device does not outlive the daemon in this version. */
  readonly persist: false;
}

export interface Model {
  readonly services: readonly VirtualService[];
  /** What the marks of services made at run time stand for. */
  readonly marks: readonly MarkRule[];
  readonly tun: TunSettings;
  readonly flows: { readonly capacity: number };
  readonly admin: { readonly socket: string };
  /** null: no metrics are served. */
  readonly metrics: { readonly listen: Endpoint | null };
  readonly log: { readonly level: LogLevel; readonly format: 'text' | 'json' };
  readonly ipvs: IpvsSettings;
}
