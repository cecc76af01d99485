// SPDX-License-Identifier: Apache-2.0
/** A value that was readable, and where it stands. */
import { parseListen, type Listen } from '../model/endpoint.js';
import type { Field } from './field.js';

export interface Located<T> {
  readonly value: T;
  readonly at: Field;
}

export const locate = <T>(at: Field, value: T | undefined): Located<T> | undefined =>
  value === undefined ? undefined : { at, value };

export const several = <T>(at: Field, value: T | undefined): readonly Located<T>[] =>
  value === undefined ? [] : [{ at, value }];

/** One place to listen, or a list of them. */
export const draftListen = (listen: Field): readonly Located<Listen>[] =>
  (listen.text() === undefined ? listen.items() : [listen]).flatMap((item) =>
    several(item, item.parse(parseListen)),
  );
