// SPDX-License-Identifier: Apache-2.0
/**
 * What separates two services in health checks and in what follows from them, key by key as the configuration writes
 * it. What may be a secret (headers, keys, a module's options) is only said to differ: changes are printed and logged.
 */
import { healthDocument, isSecret, standingDocument } from '../config/index.js';
import type { VirtualService } from '../model/index.js';

export interface Difference {
  /** "health[0].path" */
  readonly property: string;
  readonly from: string;
  readonly to: string;
}

export function* diffStanding(before: VirtualService, after: VirtualService): Generator<Difference> {
  if (before.health !== after.health) {
    const checks = Math.max(before.health.length, after.health.length);
    for (let index = 0; index < checks; index += 1) {
      const at = checks === 1 ? 'health' : `health[${index}]`;
      yield* diffMaps(at, checkMap(before, index), checkMap(after, index));
    }
  }
  const hasSame =
    before.slowStart === after.slowStart && before.drain === after.drain && before.quorum === after.quorum;
  if (!hasSame) yield* diffMaps('', standingDocument(before), standingDocument(after));
}

function checkMap({ health }: VirtualService, index: number): Values {
  const check = health[index];
  if (check === undefined) return {};
  const [map] = healthDocument([check]);
  return typeof map === 'object' ? map : {};
}

type Values = Readonly<Record<string, unknown>>;

/** Of a check that is there on one side only, the type is told and no more. */
function* diffMaps(at: string, before: Values, after: Values): Generator<Difference> {
  const kinds = [before['type'], after['type']].map((kind) => textOf(kind, 'none'));
  const [from = '', to = ''] = kinds;
  if (from !== to) {
    yield { property: at, from, to };
    return;
  }
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [left, right] = [textOf(before[key]), textOf(after[key])];
    if (left === right) continue;
    const property = at === '' ? key : `${at}.${key}`;
    yield isSecret(key) ? { property, from: '(one)', to: '(another)' } : { property, from: left, to: right };
  }
}

function textOf(value: unknown, absent = 'default'): string {
  if (value === undefined) return absent;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
