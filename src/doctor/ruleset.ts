// SPDX-License-Identifier: Apache-2.0
/**
 * What an nftables ruleset (iptables-nft's included) does to the first packet of a connection, as far as that can be
 * told without being the kernel. A match is true, false or unknown; what hangs on an unknown match may happen or not.
 */
import { parseAddress, parsePrefix, prefixContains } from '../model/index.js';

type Json = Readonly<Record<string, unknown>>;

/** The expressions of one rule, as `nft -j` prints them. */
export type Rule = readonly Json[];

export interface BaseChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly hook: string;
  readonly priority: number;
  readonly policy: string;
}

export interface Ruleset {
  /** In the order in which the kernel asks them. */
  readonly bases: readonly BaseChain[];
  /** By "family table chain". */
  readonly rules: ReadonlyMap<string, readonly Rule[]>;
}

export interface FirstPacket {
  readonly version: 4 | 6;
  readonly incoming: string;
  readonly outgoing: string;
  readonly protocol: string;
  readonly source: string;
  readonly destination: string;
  /** Unknown of a packet to every port. */
  readonly port: number | null;
}

/** unknown: some rule that cannot be judged here decides. */
export type Fate = 'accept' | 'drop' | 'unknown';

const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : '';

export function parseRuleset(listed: string): Ruleset {
  const objects = (JSON.parse(listed) as { readonly nftables?: readonly Json[] }).nftables ?? [];
  const bases: BaseChain[] = [];
  const rules = new Map<string, Rule[]>();
  for (const { chain, rule } of objects) {
    if (isJson(chain)) {
      rules.set(keyOf(text(chain['family']), text(chain['table']), text(chain['name'])), []);
      if (typeof chain['hook'] === 'string')
        bases.push({
          family: text(chain['family']),
          table: text(chain['table']),
          name: text(chain['name']),
          type: text(chain['type']),
          hook: chain['hook'],
          priority: Number(chain['prio']),
          policy: text(chain['policy']),
        });
    }
    if (isJson(rule)) {
      const key = keyOf(text(rule['family']), text(rule['table']), text(rule['chain']));
      const expressions = Array.isArray(rule['expr']) ? (rule['expr'] as readonly Json[]) : [];
      rules.get(key)?.push(expressions);
    }
  }
  return { bases: bases.sort((a, b) => a.priority - b.priority), rules };
}

export const keyOf = (family: string, table: string, chain: string): string => `${family} ${table} ${chain}`;

/** Base chains at a hook that a packet of this IP version passes. */
export const basesAt = (ruleset: Ruleset, hook: string, version: 4 | 6): readonly BaseChain[] =>
  ruleset.bases.filter(
    ({ hook: at, family }) => at === hook && (family === 'inet' || family === (version === 4 ? 'ip' : 'ip6')),
  );

export function fateIn(ruleset: Ruleset, base: BaseChain, packet: FirstPacket): Fate {
  const { family, table, name } = base;
  const ends = walk(ruleset, family, table, name, packet, 0);
  if (ends !== 'on' && ends !== 'on or accept' && ends !== 'on or drop') return ends;
  const atTheEnd: Fate = base.policy === 'drop' ? 'drop' : 'accept';
  if (ends === 'on') return atTheEnd;
  return ends === `on or ${atTheEnd}` ? atTheEnd : 'unknown';
}

/** Whether some rule at a hook does what `does` says with packets in state invalid. */
export function dropsInvalid(ruleset: Ruleset): BaseChain | undefined {
  return ruleset.bases.find(
    ({ family, table, name, hook }) =>
      (hook === 'forward' || hook === 'prerouting') &&
      (ruleset.rules.get(keyOf(family, table, name)) ?? []).some(
        (rule) =>
          rule.some((one) => saysInvalid(one)) && rule.some((one) => 'drop' in one || saysInvalidMap(one)),
      ),
  );
}

const saysInvalid = (one: Json): boolean => JSON.stringify(one).includes('"invalid"') || saysInvalidMap(one);
const saysInvalidMap = (one: Json): boolean =>
  /\["invalid",\{"drop"/.test(JSON.stringify(one['vmap'] ?? null));

type End = Fate | 'on' | 'on or accept' | 'on or drop';
const deepest = 16; // NFT_JUMP_STACK_SIZE

function walk(
  ruleset: Ruleset,
  family: string,
  table: string,
  name: string,
  packet: FirstPacket,
  depth: number,
): End {
  /** What an earlier rule may have done already. */
  let before: 'accept' | 'drop' | undefined;
  const settle = (fate: Fate): End => (before === undefined || before === fate ? fate : 'unknown');
  if (depth > deepest) return 'unknown';
  for (const rule of ruleset.rules.get(keyOf(family, table, name)) ?? []) {
    const { matched, verdict } = judge(rule, packet);
    if (matched === false || verdict === null) continue;
    const end: End =
      'target' in verdict
        ? walk(ruleset, family, table, verdict.target, packet, depth + 1)
        : verdict.kind === 'return'
          ? 'on'
          : verdict.kind;
    if (matched === true && verdict.kind === 'return') break;
    if (end === 'on') continue;
    if (end === 'unknown') return 'unknown';
    if (matched === true && (end === 'accept' || end === 'drop')) return settle(end);
    const may = end === 'accept' || end === 'on or accept' ? 'accept' : 'drop';
    if (before !== undefined && before !== may) return 'unknown';
    before = may;
  }
  return before === undefined ? 'on' : `on or ${before}`;
}

type Verdict =
  | { readonly kind: 'accept' | 'drop' | 'return' | 'unknown' }
  | { readonly kind: 'jump'; readonly target: string };

function judge(rule: Rule, packet: FirstPacket): { matched: boolean | undefined; verdict: Verdict | null } {
  let matched: boolean | undefined = true;
  let verdict: Verdict | null = null;
  for (const one of rule) {
    const said = verdictOf(one);
    if (said !== null) verdict = said;
    else if (isJson(one['match'])) {
      const holds = holdsFor(one['match'], packet);
      if (holds === false) return { matched: false, verdict: null };
      if (holds === undefined) matched = undefined;
    } else if (isJson(one['vmap'])) {
      // Only the map over the state is common enough to be worth reading.
      const { key, data } = one['vmap'];
      if (isState(key) && !JSON.stringify(data).includes('["new",')) return { matched: false, verdict: null };
      verdict = { kind: 'unknown' };
      matched = undefined;
    } else if ('xt' in one || 'limit' in one || 'fib' in one) matched = undefined;
  }
  return { matched, verdict };
}

function verdictOf(one: Json): Verdict | null {
  if ('accept' in one) return { kind: 'accept' };
  if ('drop' in one || 'reject' in one) return { kind: 'drop' };
  if ('return' in one) return { kind: 'return' };
  const jump = one['jump'] ?? one['goto'];
  return isJson(jump) ? { kind: 'jump', target: text(jump['target']) } : null;
}

const isState = (left: unknown): boolean =>
  isJson(left) && isJson(left['ct']) && left['ct']['key'] === 'state';

function holdsFor(match: Json, packet: FirstPacket): boolean | undefined {
  const { left, right, op } = match;
  if (isState(left)) {
    const states = Array.isArray(right) ? (right as unknown[]) : [right];
    return states.includes('new') === (op !== '!=');
  }
  const value = valueOf(left, packet);
  if (value === undefined) return undefined;
  const equal = equals(value, right);
  return equal === undefined ? undefined : equal === (op !== '!=');
}

function valueOf(left: unknown, packet: FirstPacket): string | number | undefined {
  if (!isJson(left)) return undefined;
  const { meta, payload } = left;
  if (isJson(meta))
    switch (meta['key']) {
      case 'iifname':
      case 'iif':
        return packet.incoming;
      case 'oifname':
      case 'oif':
        return packet.outgoing;
      case 'l4proto':
        return packet.protocol;
      case 'nfproto':
        return packet.version === 4 ? 'ipv4' : 'ipv6';
      case 'mark':
        return 0;
      default:
        return undefined;
    }
  if (!isJson(payload)) return undefined;
  const [protocol, field] = [text(payload['protocol']), text(payload['field'])];
  if (protocol === 'ip' || protocol === 'ip6') {
    if ((protocol === 'ip') !== (packet.version === 4)) return '';
    if (field === 'saddr') return packet.source;
    if (field === 'daddr') return packet.destination;
    if (field === 'protocol' || field === 'nexthdr') return packet.protocol;
    return undefined;
  }
  if (protocol !== 'th' && protocol !== packet.protocol) return ''; // icmp type and the like: not this packet
  return field === 'dport' ? (packet.port ?? undefined) : undefined;
}

function equals(value: string | number, right: unknown): boolean | undefined {
  if (typeof right === 'string' && right.startsWith('@')) return undefined; // a named set
  if (typeof right === 'string' && right.endsWith('*')) return text(value).startsWith(right.slice(0, -1));
  if (typeof right === 'string' || typeof right === 'number') return text(value) === text(right);
  if (!isJson(right)) return undefined;
  if (Array.isArray(right['set'])) {
    const each = (right['set'] as readonly unknown[]).map((one) => equals(value, one));
    return each.includes(true) ? true : each.includes(undefined) ? undefined : false;
  }
  if (Array.isArray(right['range'])) {
    const [low, high] = right['range'] as readonly unknown[];
    return typeof value === 'number' && typeof low === 'number' && typeof high === 'number'
      ? value >= low && value <= high
      : undefined;
  }
  if (!isJson(right['prefix'])) return undefined;
  const prefix = parsePrefix(`${text(right['prefix']['addr'])}/${text(right['prefix']['len'])}`);
  const address = parseAddress(text(value));
  return prefix.ok && address.ok ? prefixContains(prefix.value, address.value) : undefined;
}
