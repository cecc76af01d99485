// SPDX-License-Identifier: Apache-2.0
/** The whole configuration of a director: validated, with every default filled in. Config makes it, all else reads it. */
import type { Endpoint } from './endpoint.js';
import type { MarkRule } from './mark.js';
import type { VirtualService } from './service.js';
import type { IpvsSettings } from './sysctls.js';

/** `log.level` of the configuration. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** How packets come in, or leave: by the kernel's routing, past it, or past it where that makes no difference. */
export type WaySetting = 'auto' | 'route' | 'direct';

/** `tun:` of the configuration; of no meaning to a director in memory. */
export interface TunSettings {
  readonly name: string;
  /** 'auto': one per CPU. */
  readonly queues: number | 'auto';
  readonly offload: 'auto' | 'off';
  readonly mtu: number;
  readonly steering: 'auto' | 'off' | 'random';
  readonly ingress: WaySetting;
  readonly egress: WaySetting;
  /** Whether connections that carry much go through the kernel alone, where both ways are direct. */
  readonly shortcut: 'auto' | 'off';
  readonly io: 'auto' | 'uring' | 'poll';
  /** The device does not outlive the daemon in this version. */
  readonly persist: false;
}

/** TLS of the admin API over TCP. Files, read when it is opened. */
export interface AdminTls {
  readonly certificate: string;
  readonly key: string;
  /** Clients must have a certificate of it; null: none is asked for. */
  readonly clientCa: string | null;
}

/** The admin API, `admin:` of the configuration; a director from code opens none. */
export interface AdminSettings {
  readonly socket: string;
  /** Permission bits of the socket: 0o660. */
  readonly mode: number;
  /** Of the socket, by name or number; null: the daemon's. */
  readonly group: string | number | null;
  /** The same over TCP; null: not. Then `tokenFile` or `tls.clientCa` is there. */
  readonly listen: Endpoint | null;
  readonly tokenFile: string | null;
  readonly tls: AdminTls | null;
  /** What a reload does with changes made at run time. */
  readonly runTimeChanges: 'drop' | 'keep';
}

/** `metrics:` of the configuration; a director from code serves none. */
export interface MetricsSettings {
  /** null: no metrics are served. */
  readonly listen: Endpoint | null;
  /** The names of the node exporter as well. */
  readonly nodeIpvs: boolean;
  /** In one scrape. */
  readonly maxSeries: number;
}

/** A whole configuration: validated, with every default filled in. */
export interface Model {
  readonly services: readonly VirtualService[];
  /** What the marks of services made at run time stand for. */
  readonly marks: readonly MarkRule[];
  readonly tun: TunSettings;
  readonly flows: { readonly capacity: number };
  readonly admin: AdminSettings;
  readonly metrics: MetricsSettings;
  readonly log: { readonly level: LogLevel; readonly format: 'text' | 'json' };
  readonly ipvs: IpvsSettings;
}
