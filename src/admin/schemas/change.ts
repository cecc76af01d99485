// SPDX-License-Identifier: Apache-2.0
/** What separates two configurations (src/director/diff.ts), as answers tell it. */
import { Type } from '@sinclair/typebox';

import { oneOf, text } from './words.js';

export const change = Type.Union([
  Type.Object({
    kind: oneOf(['added', 'removed']),
    what: oneOf(['service', 'server']),
    name: text,
    detail: text,
  }),
  Type.Object({
    kind: Type.Literal('changed'),
    what: oneOf(['service', 'server', 'setting']),
    name: text,
    property: text,
    from: text,
    to: text,
    effect: oneOf(['now', 'restart']),
  }),
]);

export const changes = Type.Array(change);

/** Opaque; what If-Match takes. */
export const revision = Type.String({
  description: 'Of the configuration that runs; give it back in If-Match.',
});
