// SPDX-License-Identifier: Apache-2.0
import { Type } from '@sinclair/typebox';
import { stringify } from 'yaml';

import { serviceDocuments, settingsDocument } from '../../config/index.js';
import type { Model } from '../../model/index.js';
import type { Deviation } from '../../director/authors.js';
import type { AuthoredChange } from '../api.js';
import { redacted } from '../redact.js';
import { route } from '../route.js';
import { authoredChanges, revision } from '../schemas/change.js';
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
    const etag = tagOf(now);
    const settings = redacted(settingsDocument(model));
    if (query.format === 'yaml')
      return { pieces: yamlPieces(model, settings), type: 'application/yaml', etag };
    const configuration = { services: redactedServices(model), ...settings };
    return { body: { revision: etag, configuration }, etag };
  },
});

function* redactedServices(model: Model): Generator<Record<string, unknown>, void, undefined> {
  for (const service of serviceDocuments(model)) yield redacted(service);
}

/** Services as items of a list, one text each. */
function* yamlPieces(model: Model, settings: Record<string, unknown>): Generator<string, void, undefined> {
  if (model.services.length === 0) yield 'services: []\n';
  else yield 'services:\n';
  for (const service of redactedServices(model)) yield stringify([service]).replace(/^(?=.)/gm, '  ');
  yield stringify(settings);
}

export const changesRoute = route({
  method: 'GET',
  path: '/v1/changes',
  summary: 'what was changed at run time and is not in the file, when and by whom',
  tagged: true,
  refusals: [503],
  answer: Type.Object({ revision, changes: authoredChanges }),
  handle: async ({ actions, tagOf }) => {
    const { revision: now, deviations } = await actions().settled();
    const etag = tagOf(now);
    return { body: { revision: etag, changes: authored(deviations) }, etag };
  },
});

function* authored(deviations: Iterable<Deviation>): Generator<AuthoredChange, void, undefined> {
  for (const { change, at, by } of deviations) yield { ...change, at, by };
}
