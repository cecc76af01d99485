// SPDX-License-Identifier: Apache-2.0
/**
 * `marks`: which packets would carry which mark. A service of a mark that says itself where it listens needs none of
 * this; one that does not listens where its mark's rule says.
 */
import { familyOf } from '../model/address.js';
import { formatListen, type Listen } from '../model/endpoint.js';
import type { MarkRule } from '../model/mark.js';
import type { Field } from './field.js';
import { draftListen, locate, type Located } from './located.js';

export interface MarkDraft {
  readonly at: Field;
  readonly mark: Located<number> | undefined;
  readonly listen: readonly Located<Listen>[];
}

/** What of a service this file looks at. */
interface Marked {
  readonly at: Field;
  readonly listen: readonly Located<Listen>[];
  readonly mark: Located<number> | undefined;
  readonly servers: readonly { readonly value: Pick<Listen, 'address'> }[];
}

export const draftMarks = (at: Field): readonly MarkDraft[] =>
  at.items().map((rule) => ({
    at: rule,
    mark: locate(rule.get('mark'), rule.get('mark').integer(1, 0xffffffff)),
    listen: draftListen(rule.get('listen')),
  }));

/** Only of drafts without problems. */
export const markRuleOf = ({ mark, listen }: MarkDraft): MarkRule => ({
  mark: mark?.value ?? 0,
  listen: listen.map(({ value }) => value),
});

/** Where a service listens: what it says itself, or else its mark's rule. */
export function placesOf(
  { at, mark, servers }: Omit<Marked, 'listen'>,
  rules: readonly MarkDraft[],
): readonly Located<Listen>[] {
  const listen = at.get('listen');
  if (listen.value !== undefined) return draftListen(listen);
  if (mark === undefined) {
    // A mark that cannot be read has been told about, and says nothing of what was meant here.
    if (at.get('mark').value === 0)
      listen.refuse({ must: 'be given', hint: 'write "listen: tcp://10.9.0.1:80"' });
    return [];
  }
  const [server] = servers;
  const candidates = rules
    .filter((rule) => rule.mark?.value === mark.value && rule.listen.length > 0)
    .filter((rule) => server === undefined || familyOfRule(rule) === familyOf(server.value.address));
  const [rule, second] = candidates;
  if (rule !== undefined && second === undefined) return rule.listen;
  const hint =
    rule === undefined || second === undefined
      ? `mark ${mark.value} has no rule for this address family under marks; write "${exampleRule(mark.value)}" there, or listen here`
      : `${rule.at.labelFrom(listen)} and ${second.at.labelFrom(listen)} both fit a service without servers`;
  listen.refuse({ must: 'be given', hint });
  return [];
}

const exampleRule = (mark: number): string => `- { mark: ${mark}, listen: [tcp://10.9.0.1:80] }`;

const familyOfRule = ({ listen }: MarkDraft): string | undefined => {
  const [first] = listen;
  return first && familyOf(first.value.address);
};

/** A packet carries one mark; a mark has one rule per address family, and its service nothing else. */
export function checkMarks(rules: readonly MarkDraft[], services: readonly Marked[]): void {
  checkRulesApart(rules);
  checkPlacesApart(rules);
  for (const service of services) checkOwnPlaces(service, rules);
}

function checkRulesApart(rules: readonly MarkDraft[]): void {
  const first = new Map<string, Field>();
  for (const rule of rules) {
    const { mark, listen } = rule;
    const [place, ...others] = listen;
    if (mark === undefined || place === undefined) continue;
    const family = familyOf(place.value.address);
    for (const { at, value } of others) {
      if (familyOf(value.address) === family) continue;
      const hint = 'write a rule of its own, with the same mark';
      at.refuse({ must: `be of the address family of ${place.at.labelFrom(at)}`, hint });
    }
    const key = `${family} ${mark.value}`;
    const other = first.get(key);
    if (other === undefined) first.set(key, mark.at);
    else
      mark.at.refuse({ must: `differ from ${other.labelFrom(mark.at)}`, hint: 'list all of it in one rule' });
  }
}

function checkPlacesApart(rules: readonly MarkDraft[]): void {
  const first = new Map<string, Field>();
  for (const { at, value } of rules.flatMap(({ listen }) => listen)) {
    const other = first.get(formatListen(value));
    if (other === undefined) first.set(formatListen(value), at);
    else at.refuse({ must: `differ from ${other.labelFrom(at)}`, hint: 'a packet carries one mark' });
  }
}

/** A service made at run time would have the rule's places; one of the file is the same service. */
function checkOwnPlaces({ at, mark, listen }: Marked, rules: readonly MarkDraft[]): void {
  if (mark === undefined) return;
  const own = new Set(listen.map(({ value }) => formatListen(value)));
  const [place] = listen;
  for (const rule of rules) {
    if (rule.mark === undefined) continue;
    if (rule.mark.value !== mark.value) {
      const stranger = rule.listen.find(({ value }) => own.has(formatListen(value)));
      if (stranger !== undefined)
        mark.at.refuse({
          must: `be ${rule.mark.value}`,
          hint: `${stranger.at.labelFrom(mark.at)} gives the packets of this service that mark`,
        });
      continue;
    }
    if (place === undefined || familyOfRule(rule) !== familyOf(place.value.address)) continue;
    const isSame =
      own.size === rule.listen.length && rule.listen.every(({ value }) => own.has(formatListen(value)));
    if (!isSame)
      at.get('listen').refuse({
        must: `be left out, or be what ${rule.at.get('listen').labelFrom(at)} is`,
        hint: `mark ${mark.value} is explained there`,
      });
  }
}
