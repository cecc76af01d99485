// SPDX-License-Identifier: Apache-2.0
/**
 * Is this a plan the dataplane can follow? The kernel's schedulers are trusted; what somebody's module returns is not,
 * and the answer should name what is wrong in words of the plan, before anything is published.
 */
import type { Plan, ServerIndex } from '../model/plan.js';

/** Steps of a cycle, as many as wrr writes out at most; slots of a table. */
export const longestCycle = 1_048_576;
export const mostSlots = 131_072;
export const greatestFactor = 65_535;

/** The dataplane's bound on a cost per connection. */
const greatestCost = 1_048_576;
const longestMemorySeconds = 2_678_400;

/** undefined when `value` is a plan for that many servers, else a sentence such as "loop[3]: must be 0..2, got 3". */
export function planProblem(value: unknown, servers: number): string | undefined {
  if (value instanceof Promise) return 'plan: must be made at once, got a promise; plan() cannot be async';
  if (typeof value !== 'object' || value === null) return `plan: must be an object, got ${shown(value)}`;
  const fields = value as Readonly<Record<string, unknown>>;
  const kind = fields['kind'];
  const check = typeof kind === 'string' && Object.hasOwn(checks, kind) ? checks[kind as Plan['kind']] : null;
  if (check === null) return `kind: must be one of ${Object.keys(checks).join(', ')}, got ${shown(kind)}`;
  const known = Object.keys(check);
  const unknown = Object.keys(fields).find((name) => name !== 'kind' && !known.includes(name));
  if (unknown !== undefined)
    return `${unknown}: must be left out of a ${String(kind)} plan; known here: ${known.join(', ')}`;
  for (const [name, problemOf] of Object.entries<Check>(check)) {
    const problem = problemOf(fields[name], servers);
    if (problem !== undefined) return `${name}${problem}`;
  }
  return goldenProblem(fields);
}

/** The golden hash takes the upper bits of a product, so only powers of two make sense of it. */
function goldenProblem(fields: Readonly<Record<string, unknown>>): string | undefined {
  if (fields['function'] !== 'golden') return undefined;
  const { length } = fields['slots'] as readonly unknown[];
  const isFit = length <= 65_536 && Number.isInteger(Math.log2(Math.max(length, 1)));
  return isFit ? undefined : `slots: must be a power of two of them up to 65536, got ${length}`;
}

/** Indexes of servers that have a weight and can never be picked by this plan. */
export function leftOut(plan: Plan, weights: readonly number[]): readonly ServerIndex[] {
  const named = new Set(
    plan.kind === 'cycle' ? [...plan.lead, ...plan.loop] : 'slots' in plan ? plan.slots : plan.order,
  );
  return weights.flatMap((weight, index) => (weight > 0 && !named.has(index) ? [index] : []));
}

/** What follows the field's name in a sentence about it. */
type Check = (value: unknown, servers: number) => string | undefined;

const isWhole = (value: unknown, low: number, high: number): value is number =>
  Number.isInteger(value) && (value as number) >= low && (value as number) <= high;

const whole =
  (low: number, high: number): Check =>
  (value) =>
    isWhole(value, low, high) ? undefined : `: must be a whole number ${low}..${high}, got ${shown(value)}`;

const flag: Check = (value) =>
  typeof value === 'boolean' ? undefined : `: must be true or false, got ${shown(value)}`;

const word =
  (...words: readonly string[]): Check =>
  (value) =>
    typeof value === 'string' && words.includes(value)
      ? undefined
      : `: must be one of ${words.join(', ')}, got ${shown(value)}`;

const list =
  (low: number, high: (servers: number) => number, longest: (servers: number) => number): Check =>
  (value, servers) => {
    if (!Array.isArray(value)) return `: must be a list, got ${shown(value)}`;
    const most = longest(servers);
    if (value.length > most) return `: must have at most ${most} elements, got ${value.length}`;
    const wrong = (value as readonly unknown[]).findIndex((one) => !isWhole(one, low, high(servers)));
    if (wrong < 0) return undefined;
    const range = high(servers) < low ? 'left out: there is no server' : `${low}..${high(servers)}`;
    return `[${wrong}]: must be ${range}, got ${shown(value[wrong])}`;
  };

const lastIndex = (servers: number): number => servers - 1;
const cycle = list(0, lastIndex, () => longestCycle);
const order = list(0, lastIndex, (servers) => servers);
const slots = list(-1, lastIndex, () => mostSlots);
const cost = whole(0, greatestCost);
const source = word('source', 'destination');

const factors: Check = (value, servers) => {
  if (value === undefined) return undefined;
  const one = list(1, () => greatestFactor, () => servers)(value, servers); // prettier-ignore
  const length = Array.isArray(value) ? value.length : 0;
  return (
    one ?? (length === servers ? undefined : `: must be one for each of ${servers} servers, got ${length}`)
  );
};

type Fields<P extends Plan> = { readonly [Name in Exclude<keyof P, 'kind'>]-?: Check };

const checks: { readonly [Kind in Plan['kind']]: Fields<Extract<Plan, { readonly kind: Kind }>> } = {
  cycle: { lead: cycle, loop: cycle },
  hash: {
    function: word('golden', 'siphash'),
    on: source,
    usePort: flag,
    fallback: flag,
    slots,
  },
  least: {
    among: word('all', 'idle-first', 'two', 'two-distinct'),
    activeCost: cost,
    inactiveCost: cost,
    constant: cost,
    weighted: flag,
    order,
    factors,
  },
  first: { overflow: flag, order },
  local: {
    replicate: flag,
    activeCost: cost,
    inactiveCost: cost,
    forgetSeconds: whole(1, longestMemorySeconds),
    order,
  },
  bounded: {
    on: source,
    usePort: flag,
    boundPercent: whole(100, 10_000),
    counted: word('active', 'all'),
    slots,
  },
};

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = typeof value === 'string' ? JSON.stringify(value) : `${value as number}`;
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
