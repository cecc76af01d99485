// SPDX-License-Identifier: Apache-2.0
import { Type } from '@sinclair/typebox';

import { route } from '../route.js';
import { changes, revision } from '../schemas/change.js';
import { oneOf } from '../schemas/words.js';
import { dryRun } from './change.js';

export const reloadRoute = route({
  method: 'POST',
  path: '/v1/reload',
  summary: 'what a reload changed, or what is wrong with the file',
  query: dryRun,
  refusals: [412, 422, 503],
  answer: Type.Object({
    result: oneOf(['applied', 'unchanged', 'would-apply']),
    changes,
    lost: Type.Optional(
      Type.Array(changes.items, {
        description: 'Of a dry run: changes made at run time that the file would undo.',
      }),
    ),
    revision,
  }),
  handle: async ({ actions, query, precondition, by, tagOf }) => {
    const { revision: after, ...done } = await actions().reload({
      dryRun: query.dry_run === true,
      precondition,
      by,
    });
    return { body: { ...done, revision: tagOf(after) } };
  },
});
