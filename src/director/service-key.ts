// SPDX-License-Identifier: Apache-2.0
/** How operations name a service: by where it listens, "tcp://10.9.0.1:80", by its mark, "mark://7/ipv4", or by its name. */
import {
  formatListen,
  parseListen,
  serviceFamily,
  type Family,
  type Listen,
  type VirtualService,
} from '../model/index.js';
import { ChangeRefused } from './change-refused.js';

/** A place, or a mark, which has one service for each address family. */
export type ServicePlace = Listen | MarkPlace;

export interface MarkPlace {
  readonly mark: number;
  readonly family: Family;
}

/** Throws ChangeRefused. */
export function readPlace(text: string): ServicePlace {
  const mark = readMark(text);
  if (mark !== undefined) return mark;
  const listen = parseListen(text);
  if (!listen.ok) throw new ChangeRefused('not-an-address', `service ${text}: must ${listen.must}`);
  return listen.value;
}

function readMark(text: string): MarkPlace | undefined {
  const [, mark = '', family] = /^mark:\/\/(\d{1,10})\/(ipv4|ipv6)$/.exec(text) ?? [];
  return family === 'ipv4' || family === 'ipv6' ? { mark: Number(mark), family } : undefined;
}

/** The one spelling of a place, which placesOf() has; of what is no place, such as a name, the text itself. */
export function asPlace(text: string): string {
  const mark = readMark(text);
  if (mark !== undefined) return markText(mark);
  const listen = parseListen(text);
  return listen.ok ? formatListen(listen.value) : text;
}

const markText = ({ mark, family }: MarkPlace): string => `mark://${mark}/${family}`;

/** Where a service is found. The addresses of a mark are not services of their own. */
export const placesOf = (service: Pick<VirtualService, 'mark' | 'listen'>): readonly string[] =>
  service.mark === null
    ? service.listen.map(formatListen)
    : [markText({ mark: service.mark, family: serviceFamily(service) })];

/** `tcp-10.9.0.1-80`, `udp-2001-db8--1-53`, `mark-7-ipv4`: what a service is called that came without a name. */
export const derivedName = (place: ServicePlace): string =>
  'mark' in place
    ? `mark-${place.mark}-${place.family}`
    : `${place.protocol}-${place.address.replaceAll(':', '-')}-${place.port}`;

/** The one of that place, or else of that name. For many of them, DraftServices. */
export function findService(services: readonly VirtualService[], text: string): VirtualService | undefined {
  const place = asPlace(text);
  return (
    services.find((service) => placesOf(service).includes(place)) ??
    services.find(({ name }) => name === text)
  );
}

export const noSuchService = (text: string): ChangeRefused =>
  new ChangeRefused('no-such-service', `service ${text}: must exist`);
