// SPDX-License-Identifier: Apache-2.0
/**
 * The answer of every reader of text in model/: the value, or what it should have been. A mistake is data, not an
 * exception, so that a caller who knows the place (file, line, key) can collect many of them and say where each is.
 */
import { VsnatError } from '../errors.js';

/** Why a text was not taken. */
export interface Mistake {
  readonly ok: false;
  /** Continues the sentence "<where>: must …". */
  readonly must: string;
  /** What the user should write instead. */
  readonly hint?: string;
}

/** The value of a text that was taken. */
export interface Good<T> {
  readonly ok: true;
  readonly value: T;
}

/** A value, or what its text should have been. */
export type Parsed<T> = Good<T> | Mistake;

export const good = <T>(value: T): Good<T> => ({ ok: true, value });

export const mistake = (must: string, hint?: string): Mistake =>
  hint === undefined ? { ok: false, must } : { ok: false, must, hint };

/** For code, which wants a value or an exception: throws VSNAT_CONFIG_INVALID. */
export function required<T>(where: string, parsed: Parsed<T>): T {
  if (parsed.ok) return parsed.value;
  const hint = parsed.hint === undefined ? '' : `; ${parsed.hint}`;
  throw new VsnatError('VSNAT_CONFIG_INVALID', `${where}: must ${parsed.must}${hint}`);
}
