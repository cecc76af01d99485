// SPDX-License-Identifier: Apache-2.0
/** Keys that decide which packets belong together: persistence, marks, every port, one packet. */
import { familyOf } from '../model/address.js';
import type { ServiceDraft } from './draft.js';
import type { Field } from './field.js';

export function checkGrouping(services: readonly ServiceDraft[]): void {
  for (const service of services) {
    checkEveryPort(service);
    checkOnePacket(service);
    checkEngine(service);
  }
  checkMarksApart(services);
}

function checkEveryPort({ listen, servers, sorryServers, persistence, mark }: ServiceDraft): void {
  if (persistence === null && mark === undefined) {
    for (const place of listen) {
      if (place.value.port !== 0) continue;
      place.at.refuse({
        must: 'have a port',
        hint: 'every port of an address is for services with persistence: {} or a mark',
      });
    }
    return;
  }
  const isWhole = mark !== undefined || (listen.length > 0 && listen.every(({ value }) => value.port === 0));
  if (persistence === null || !isWhole) return;
  // The kernel takes such a port and never uses it.
  for (const { address, value } of [...servers, ...sorryServers]) {
    if (value.port === 0) continue;
    address.refuse({
      must: 'have port 0',
      hint: 'a persistent service on every port, or of a mark, keeps the port the client asked for',
    });
  }
}

function checkOnePacket({ listen, mark, onePacket }: ServiceDraft): void {
  if (onePacket === undefined || mark !== undefined) return;
  const other = listen.find(({ value }) => value.protocol !== 'udp');
  if (other === undefined) return;
  onePacket.at.refuse({
    must: `be false while ${other.at.labelFrom(onePacket.at)} is not udp://`,
    hint: 'make a service of its own for UDP',
  });
}

/** A call is UDP, and the kernel drops everything else. What a mark stands for may be mixed, but not without any UDP. */
function checkEngine({ at, listen, mark, persistence }: ServiceDraft): void {
  if (persistence?.engine === undefined || listen.length === 0) return;
  const others = listen.filter(({ value }) => value.protocol !== 'udp');
  const [other] = others;
  if (other === undefined || (mark !== undefined && others.length < listen.length)) return;
  at.get('persistence')
    .get('engine')
    .refuse({
      must: `be none while ${other.at.label} is not udp://`,
      hint: 'make a service of its own for UDP',
    });
}

/** One service per mark and address family, as in the kernel. */
function checkMarksApart(services: readonly ServiceDraft[]): void {
  const first = new Map<string, Field>();
  for (const { mark, listen } of services) {
    const [place] = listen;
    if (mark === undefined || place === undefined) continue;
    const key = `${familyOf(place.value.address)} ${mark.value}`;
    const other = first.get(key);
    if (other === undefined) first.set(key, mark.at);
    else
      mark.at.refuse({
        must: `differ from ${other.labelFrom(mark.at)}`,
        hint: 'list all of it in one service',
      });
  }
}
