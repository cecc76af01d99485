// SPDX-License-Identifier: Apache-2.0
/** Routes for the one thing an operator most often changes: what a server gets. Each is one operation of /v1/change. */
import { Type } from '@sinclair/typebox';

import { operationSchemas, readOperations } from '../../director/operation.js';
import { usage } from '../refusal.js';
import { route, type Route } from '../route.js';
import { changeAnswer, dryRun } from './change.js';

type Word = 'drain' | 'set-weight' | 'enable' | 'disable';

function serverWord(op: Word, path: string, summary: string): Route {
  return route({
    method: 'POST',
    path,
    summary,
    query: dryRun,
    body: Type.Omit(operationSchemas[op], ['op'], { additionalProperties: false }),
    refusals: [409, 412, 503],
    answer: changeAnswer,
    readBody: function* (body) {
      if (typeof body !== 'object' || body === null || Array.isArray(body) || 'op' in body)
        throw usage('body', 'be {"service": "web", "server": "10.2.1.2:8080", …}');
      const [operation] = yield* readOperations({ operations: [{ ...body, op }] });
      if (operation?.op !== op) throw usage('body', `be what ${op} takes`);
      return operation;
    },
    handle: async ({ actions, query, body, precondition, by, tagOf }) => {
      const operation = body as Parameters<ReturnType<typeof actions>['change']>[0][number];
      const options = { dryRun: query.dry_run === true, precondition, by };
      const { revision, ...done } = await actions().change([operation], options);
      return { body: { ...done, revision: tagOf(revision) } };
    },
  });
}

export const serverWordRoutes: readonly Route[] = [
  serverWord('drain', '/v1/drain', 'gives a server no new connections, and ends the live ones by a deadline'),
  serverWord('set-weight', '/v1/weight', 'gives a server another weight, or (null) the one the file has'),
  serverWord('disable', '/v1/disable', 'gives a server no new connections'),
  serverWord('enable', '/v1/enable', 'takes back drain and disable'),
];
