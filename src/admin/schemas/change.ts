// SPDX-License-Identifier: Apache-2.0
/** What separates two configurations (src/director/diff.ts), as answers tell it. */
import { Type } from '@sinclair/typebox';

import { oneOf, orNull, text, unixMs } from './words.js';

const appeared = {
  kind: oneOf(['added', 'removed']),
  what: oneOf(['service', 'server']),
  name: text,
  detail: text,
};

const altered = {
  kind: Type.Literal('changed'),
  what: oneOf(['service', 'server', 'setting']),
  name: text,
  property: text,
  from: text,
  to: text,
  effect: oneOf(['now', 'restart']),
};

export const change = Type.Union([Type.Object(appeared), Type.Object(altered)]);

const author = {
  at: orNull(unixMs),
  by: orNull(
    Type.String({ description: 'Who asked for it: `cli`, `ipvsadm`, `api`, or what Vsnat-By said.' }),
  ),
};

/** With when and by whom; null for what only follows from other changes. */
export const authoredChanges = Type.Array(
  Type.Union([Type.Object({ ...appeared, ...author }), Type.Object({ ...altered, ...author })]),
);

export const changes = Type.Array(change);

/** Opaque; what If-Match takes. */
export const revision = Type.String({
  description: 'Of the configuration that runs; give it back in If-Match.',
});
