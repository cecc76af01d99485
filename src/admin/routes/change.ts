// SPDX-License-Identifier: Apache-2.0
import { Type } from '@sinclair/typebox';

import { operationNames, operationSchemas, readOperations } from '../../director/operation.js';
import { usage } from '../refusal.js';
import { route } from '../route.js';
import { changes, revision } from '../schemas/change.js';
import { flag, text } from '../schemas/words.js';

/** A change may be a whole table: 1,000 services of 100 servers are some 14 MB. */
export const maxChangeBytes = 16 * 1024 * 1024;

export const dryRun = {
  dry_run: Type.Optional(Type.Boolean({ description: '1: only say what would change; nothing is changed.' })),
};

export const changeAnswer = Type.Object({
  changes,
  notes: Type.Array(text),
  dryRun: flag,
  revision,
});

export const changeRoute = route({
  method: 'POST',
  path: '/v1/change',
  summary: 'obeys a list of operations, all or none',
  query: dryRun,
  maxBodyBytes: maxChangeBytes,
  body: Type.Object(
    { operations: Type.Array(Type.Union(operationNames.map((name) => operationSchemas[name]))) },
    { additionalProperties: false },
  ),
  // By the word in `op`: of a union of all of them the first mistake would be that of another operation.
  readBody: function* (body) {
    const operations = yield* readOperations(body);
    if (Object.keys(body as object).length > 1) throw usage('body', 'be {"operations": […]} and no more');
    return { operations: [...operations] };
  },
  refusals: [409, 412, 503],
  answer: changeAnswer,
  handle: async ({ actions, query, body, precondition, by, tagOf }) => {
    const { operations } = body;
    const { revision: after, ...done } = await actions().change(operations, {
      dryRun: query.dry_run === true,
      precondition,
      by,
    });
    return { body: { ...done, revision: tagOf(after) } };
  },
});
