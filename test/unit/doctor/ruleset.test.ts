// SPDX-License-Identifier: Apache-2.0
/** Rules as `nft -j` prints them, and what they do to the first packet of a connection. */
import { describe, expect, it } from 'vitest';

import {
  basesAt,
  dropsInvalid,
  fateIn,
  parseRuleset,
  type FirstPacket,
} from '../../../src/doctor/ruleset.js';

const packet: FirstPacket = {
  version: 4,
  incoming: 'eth0',
  outgoing: 'vsnat0',
  protocol: 'tcp',
  source: '198.51.100.7',
  destination: '10.9.0.1',
  port: 80,
};

const is = (left: object, right: unknown, op = '=='): object => ({ match: { op, left, right } });
const meta = (key: string): object => ({ meta: { key } });
const payload = (protocol: string, field: string): object => ({ payload: { protocol, field } });
const state = (...states: string[]): object => is({ ct: { key: 'state' } }, states, 'in');
const accept = { accept: null };
const drop = { drop: null };

function ruleset(policy: string, rules: readonly object[][], other: readonly object[][] = []) {
  const place = { family: 'inet', table: 'fw' };
  return parseRuleset(
    JSON.stringify({
      nftables: [
        { metainfo: {} },
        { chain: { ...place, name: 'forward', type: 'filter', hook: 'forward', prio: 0, policy } },
        { chain: { ...place, name: 'other' } },
        ...rules.map((expr) => ({ rule: { ...place, chain: 'forward', expr } })),
        ...other.map((expr) => ({ rule: { ...place, chain: 'other', expr } })),
      ],
    }),
  );
}

const fate = (
  policy: string,
  rules: readonly object[][],
  other: readonly object[][] = [],
  of: Partial<FirstPacket> = {},
): string => {
  const all = ruleset(policy, rules, other);
  const [base] = basesAt(all, 'forward', 4);
  return base === undefined ? 'no chain' : fateIn(all, base, { ...packet, ...of });
};

describe('the fate of a first packet', () => {
  it.each<[string, string, object[][], string]>([
    ['the policy decides where no rule does', 'drop', [], 'drop'],
    ['and it may be accept', 'accept', [], 'accept'],
    [
      'a rule for what is established is not about it',
      'drop',
      [[state('established', 'related'), accept]],
      'drop',
    ],
    ['nor one for what is invalid', 'accept', [[state('invalid'), drop]], 'accept'],
    ['a rule for what is new is', 'drop', [[state('new'), accept]], 'accept'],
    [
      'devices are known',
      'drop',
      [[is(meta('iifname'), 'eth0'), is(meta('oifname'), 'vsnat0'), accept]],
      'accept',
    ],
    ['with a star', 'drop', [[is(meta('oifname'), 'vs*'), accept]], 'accept'],
    ['and other devices', 'drop', [[is(meta('oifname'), 'eth1'), accept]], 'drop'],
    ['sets are searched', 'drop', [[is(payload('tcp', 'dport'), { set: [443, 80] }), accept]], 'accept'],
    [
      'ranges, too',
      'drop',
      [[is(payload('tcp', 'dport'), { set: [{ range: [79, 81] }] }), accept]],
      'accept',
    ],
    ['the destination is known', 'accept', [[is(payload('ip', 'daddr'), '10.9.0.1', '!='), drop]], 'accept'],
    [
      'prefixes are',
      'drop',
      [[is(payload('ip', 'daddr'), { prefix: { addr: '10.9.0.0', len: 16 } }), accept]],
      'accept',
    ],
    ['icmp is another packet', 'drop', [[is(payload('icmp', 'type'), 'echo-request'), accept]], 'drop'],
    ['reject is a drop', 'accept', [[{ reject: null }]], 'drop'],
    ['the first rule that fits decides', 'drop', [[accept], [drop]], 'accept'],
    ['counters and logs decide nothing', 'drop', [[{ counter: {} }, { log: {} }, accept]], 'accept'],
    [
      'a named set is unknown: it may accept',
      'drop',
      [[is(payload('ip', 'daddr'), '@vips'), accept]],
      'unknown',
    ],
    ['an unknown drop before an accept may drop', 'accept', [[{ xt: null }, drop], [accept]], 'unknown'],
    ['an unknown accept before an accept is one', 'drop', [[{ xt: null }, accept], [accept]], 'accept'],
    ['an unknown drop before the policy drop is one', 'drop', [[{ limit: {} }, drop]], 'drop'],
    [
      'a map over the state without new passes it by',
      'drop',
      [[{ vmap: { key: { ct: { key: 'state' } }, data: { set: [['established', accept]] } } }], [accept]],
      'accept',
    ],
    ['another map is unknown', 'drop', [[{ vmap: { key: meta('iifname'), data: { set: [] } } }]], 'unknown'],
    ['return leaves it to the policy', 'drop', [[{ return: null }], [accept]], 'drop'],
  ])('%s', (_, policy, rules, expected) => expect(fate(policy, rules)).toBe(expected));

  it('follows jumps and comes back', () => {
    const jump = [{ jump: { target: 'other' } }];
    expect(fate('accept', [jump], [[is(meta('oifname'), 'vsnat0'), drop]])).toBe('drop');
    expect(fate('accept', [jump], [[{ return: null }], [drop]])).toBe('accept');
    expect(fate('drop', [[{ xt: null }, ...jump]], [[accept]])).toBe('unknown');
    expect(fate('drop', [jump], [jump])).toBe('unknown'); // a loop no kernel would take
  });

  it('knows chains of the other family from its own', () => {
    const all = ruleset('drop', []);
    expect(basesAt(all, 'forward', 6)).toHaveLength(1);
    expect(basesAt(all, 'input', 4)).toHaveLength(0);
  });
});

it('finds rules that drop what is invalid', () => {
  expect(dropsInvalid(ruleset('accept', [[state('invalid'), drop]]))?.name).toBe('forward');
  expect(dropsInvalid(ruleset('accept', [[state('invalid'), accept]]))).toBeUndefined();
  const map = { vmap: { key: { ct: { key: 'state' } }, data: { set: [['invalid', drop]] } } };
  expect(dropsInvalid(ruleset('accept', [[map]]))?.name).toBe('forward');
});
