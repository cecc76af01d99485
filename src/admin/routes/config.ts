// SPDX-License-Identifier: Apache-2.0
import { Type } from '@sinclair/typebox';
import { stringify } from 'yaml';

import { documentOf } from '../../config/index.js';
import { redacted } from '../redact.js';
import { route } from '../route.js';
import { changes, revision } from '../schemas/change.js';
import { oneOf } from '../schemas/words.js';

export const configRoute = route({
  method: 'GET',
  path: '/v1/config',
  summary: 'the configuration that runs, with what was changed at run time, without secrets',
  query: {
    format: Type.Optional({ ...oneOf(['json', 'yaml']), description: 'json when absent.' }),
  },
  tagged: true,
  otherTypes: ['application/yaml'],
  refusals: [503],
  answer: Type.Object({
    revision,
    configuration: Type.Record(Type.String(), Type.Unknown(), {
      description: 'As the file would say it, every default written out.',
    }),
  }),
  handle: async ({ actions, query, tagOf }) => {
    const { model, revision: now } = await actions().settled();
    const configuration = redacted({ ...documentOf(model) });
    const etag = tagOf(now);
    if (query.format !== 'yaml') return { body: { revision: etag, configuration }, etag };
    return { text: stringify(configuration), type: 'application/yaml', etag };
  },
});

export const changesRoute = route({
  method: 'GET',
  path: '/v1/changes',
  summary: 'what was changed at run time and is not in the file',
  tagged: true,
  refusals: [503],
  answer: Type.Object({ revision, changes }),
  handle: async ({ actions, tagOf }) => {
    const { revision: now, sinceFile } = await actions().settled();
    const etag = tagOf(now);
    return { body: { revision: etag, changes: sinceFile }, etag };
  },
});
