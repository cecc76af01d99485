// SPDX-License-Identifier: Apache-2.0
/**
 * The user's regular expression against a stranger's bytes. JavaScript's can take for ever ((a+)+$), and the bytes may
 * have been chosen for that; so a match runs under V8's own watchdog, and is given up after a time in which a harmless
 * expression sees 64 KiB hundreds of times over. The watchdog knows the clock on the wall only, so on a busy machine it
 * may bark at an innocent: to be given up says nothing of the server. An expression that was given up rests for long
 * enough that all its tries together stay below a fiftieth of the event loop.
 */
import { createContext, Script, type Context } from 'node:vm';

import { codeOf } from './message.js';

const givenUpAfterMs = 50;
const restMs = 50 * givenUpAfterMs;

const script = new Script('pattern.test(text)');
let context: Context | undefined;

/**
 * Whether matching cannot take long, so that it needs no watchdog (which is a thread, and dearer than most checks): each
 * quantifier may multiply the steps by the length of the text, and one on a group by far more.
 */
export function isQuick(source: string, length: number): boolean {
  const quantifiers = source.match(/[*+?{]/g)?.length ?? 0;
  return quantifiers === 0 || (quantifiers === 1 && length <= 4096 && !/\)[*+?{]/.test(source));
}

interface Pattern {
  readonly expression: RegExp;
  /** By performance.now(). */
  restsUntil: number;
}

const compiled = new Map<string, Pattern>();

/** Compiled once; patterns come from the configuration, so few are ever known, and the oldest is forgotten beyond that. */
function compile(source: string): Pattern {
  let pattern = compiled.get(source);
  if (pattern === undefined) {
    pattern = { expression: new RegExp(source), restsUntil: 0 };
    compiled.set(source, pattern);
    const [oldest] = compiled.keys();
    if (compiled.size > 4096 && oldest !== undefined) compiled.delete(oldest);
  }
  return pattern;
}

export type Match = 'matches' | 'differs' | 'too slow';

/** Throws the SyntaxError of a pattern that is none: a check does this first, where throwing is allowed. */
export function requirePattern(source: string | null): void {
  if (source !== null) compile(source);
}

/** After requirePattern(). */
export function matches(
  source: string,
  bytes: Uint8Array,
  now: () => number = () => performance.now(),
): Match {
  const pattern = compile(source);
  if (now() < pattern.restsUntil) return 'too slow';
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  if (isQuick(source, text.length)) return pattern.expression.test(text) ? 'matches' : 'differs';
  context ??= createContext();
  context['pattern'] = pattern.expression;
  context['text'] = text;
  try {
    return script.runInContext(context, { timeout: givenUpAfterMs }) === true ? 'matches' : 'differs';
  } catch (error) {
    if (codeOf(error) !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    pattern.restsUntil = now() + restMs;
    return 'too slow';
  } finally {
    context['text'] = '';
  }
}
