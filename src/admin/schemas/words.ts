// SPDX-License-Identifier: Apache-2.0
/** Words the schemas of the answers are made of. */
import { Type, type TSchema, type TNull, type TUnion, type TUnsafe } from '@sinclair/typebox';

export const count = Type.Integer({ minimum: 0 });

/** Per second. */
export const rate = Type.Number({ minimum: 0 });

export const text = Type.String();

export const flag = Type.Boolean();

export const port = Type.Integer({ minimum: 0, maximum: 65_535 });

export const unixMs = Type.Integer({ minimum: 0, description: 'Unix milliseconds.' });

export const orNull = <Schema extends TSchema>(schema: Schema): TUnion<[Schema, TNull]> =>
  Type.Union([schema, Type.Null()]);

/** One of some words. */
export const oneOf = <const Words extends readonly string[]>(words: Words): TUnsafe<Words[number]> =>
  Type.Unsafe<Words[number]>(Type.Union(words.map((word) => Type.Literal(word))));

export const protocol = oneOf(['tcp', 'udp', 'sctp']);
