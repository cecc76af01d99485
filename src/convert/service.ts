// SPDX-License-Identifier: Apache-2.0
/**
 * What a conversion makes: services in the words of vsnat.yaml. These are documents, not models: what is left out keeps
 * its default, so that the file that comes out says only what the original said.
 */
import type { Place } from './note.js';

export interface ServerDocument {
  readonly address: string;
  readonly weight?: number;
  readonly max_connections?: number;
  readonly resume_connections?: number;
  readonly health?: 'off';
}

/** One question to a server; the keys of `health` in docs/configuration.md. */
export type CheckDocument = Readonly<Record<string, unknown>> & { readonly type: string };

export interface ServiceDocument {
  readonly name: string;
  readonly listen: string | readonly string[];
  readonly scheduler?: string;
  readonly flags?: readonly string[];
  readonly persistence?: Readonly<Record<string, unknown>>;
  readonly one_packet?: true;
  readonly timeouts?: Readonly<Record<string, string>>;
  readonly health?: CheckDocument | readonly CheckDocument[];
  readonly quorum?: number | { readonly weight: number; readonly hysteresis: number };
  readonly sorry_server?: string;
  readonly mark?: number;
  readonly servers: readonly ServerDocument[];
}

export interface ConvertedService {
  readonly place: Place;
  readonly document: ServiceDocument;
  /** Not null: written as a comment, because only a person can finish it; why. */
  readonly unfinished: string | null;
}

/** `10.0.0.1` and 80 to "10.0.0.1:80", IPv6 in brackets. Port 0 is not written in a VIP and is in a server. */
export const withPort = (address: string, port: number): string =>
  `${address.includes(':') ? `[${address}]` : address}:${port}`;

export const listenText = (protocol: string, address: string, port: number): string =>
  `${protocol}://${port === 0 ? withPort(address, 0).replace(/:0$/, '') : withPort(address, port)}`;

/** A name that the configuration takes, made of what the original was called. */
export const nameFrom = (text: string): string =>
  text
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 63)
    .replace(/-+$/, '') || 'service';

/** `name`, or with the first number behind it that nobody has. Remembers what it gave. */
export class Names {
  readonly #taken = new Set<string>();

  unique(wanted: string): string {
    let name = wanted;
    for (let number = 2; this.#taken.has(name); number++) name = `${wanted.slice(0, 58)}-${number}`;
    this.#taken.add(name);
    return name;
  }
}

/** Services of a mark: vsnat sees no firewall, so somebody has to say what the mark stands for. */
export const markUnfinished = (mark: number): string =>
  `which packets have mark ${mark} is written in a firewall; put their addresses and ports into "listen"`;
