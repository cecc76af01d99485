// SPDX-License-Identifier: Apache-2.0
/** The words that schemas are put together from: every one says what it accepts in a sentence that begins with "must". */
import { Type, type SchemaOptions, type TSchema } from '@sinclair/typebox';

interface Described extends SchemaOptions {
  readonly description: string;
}

export interface Documented extends Described {
  readonly errorMessage: string;
}

export const map = { additionalProperties: false, errorMessage: 'must be a map' } as const;

/** A map that may be left out as a whole: each of its keys has a default. */
export const optionalMap = { ...map, default: {} } as const;

export const oneOf = <const T extends readonly string[]>(values: T, options: Described) =>
  Type.Unsafe<T[number]>({
    type: 'string',
    enum: values,
    errorMessage: `must be one of ${values.join(', ')}`,
    ...options,
  });

export const textOrNumber = (options: Documented) => Type.Union([Type.String(), Type.Number()], options);

export const yesOrNo = (byDefault: boolean, description: string) =>
  Type.Optional(Type.Boolean({ description, default: byDefault, errorMessage: 'must be true or false' }));

/** A whole number that may be left out. Without `byDefault` the table needs an `otherwise`. */
export const count = (
  low: number,
  high: number,
  options: Described & { readonly default?: number; readonly otherwise?: string },
) =>
  Type.Optional(
    Type.Integer({ minimum: low, maximum: high, errorMessage: `must be ${low}..${high}`, ...options }),
  );

export const seconds = (value: number, description: string) =>
  Type.Optional(
    textOrNumber({
      description,
      default: `${value}s`,
      errorMessage:
        'must be a duration of 1s..30d in whole seconds; write 300s, 5m, 2h or a number of seconds',
    }),
  );

/** A duration within `range`, as people say it: "100ms..1h". */
export const duration = (
  range: string,
  options: Described & { readonly default?: string; readonly otherwise?: string },
) =>
  Type.Optional(
    textOrNumber({
      errorMessage: `must be a duration of ${range}; write 250ms, 2s, 1m or a number of seconds`,
      ...options,
    }),
  );

/** The parts of a schema that its readers here walk over. */
export interface SchemaNode extends TSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[] | undefined;
  readonly items?: SchemaNode;
  /** A schema: of a map whose keys are the user's. */
  readonly additionalProperties?: TSchema | boolean | undefined;
  readonly anyOf?: readonly SchemaNode[];
  readonly enum?: readonly string[];
  readonly errorMessage?: string;
  /** What the table says in the place of a default. */
  readonly otherwise?: string;
  /** The key whose rows in the table are this one's as well. */
  readonly sameAs?: string;
}
