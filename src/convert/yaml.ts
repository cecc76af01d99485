// SPDX-License-Identifier: Apache-2.0
/** Services as the text of a vsnat.yaml, with what a person has to look at as comments. */
import { Document, isMap, isPair, isScalar, isSeq, visit } from 'yaml';

import { formatNote, type Note } from './note.js';
import type { ConvertedService, ServiceDocument } from './service.js';

export interface Header {
  /** What was converted: the name of a file. */
  readonly from: string;
  readonly notes: readonly Note[];
}

export function yamlText(services: readonly ConvertedService[], { from, notes }: Header): string {
  const finished = services.filter(({ unfinished }) => unfinished === null);
  const document = new Document(
    { services: finished.map(({ document: service }) => simplified(service)) },
    { aliasDuplicateObjects: false },
  );
  visit(document, {
    Pair(_, { key, value }) {
      if (isScalar(key) && key.value === 'flags' && isSeq(value)) value.flow = true;
    },
    Map(_, map, path) {
      const owner = path.at(-1);
      // Servers and settings of few words fit on a line; services and checks with many keys do not.
      const isShort = map.items.every(({ value }) => isScalar(value)) && String(map).length < 90;
      if (isShort && (isPair(owner) || isSeq(owner)) && path.length > 4) map.flow = true;
    },
  });
  const list = document.get('services', true);
  if (isSeq(list)) {
    for (const [index, item] of list.items.entries()) if (isMap(item) && index > 0) item.spaceBefore = true;
  }
  const body = document.toString({ lineWidth: 110, flowCollectionPadding: true, blockQuote: false });
  return [headerText(from, notes), body, ...services.flatMap(unfinishedText)].join('\n');
}

function headerText(from: string, notes: readonly Note[]): string {
  const lines = [
    `Made from ${from} by \`vsnat convert\`. Check it on the director itself: \`vsnat check\` says which servers`,
    'are in no subnet of that host; those whose replies come back through it all the same need `routed: true`.',
    ...(notes.length === 0
      ? []
      : ['', 'What has no counterpart, or another one:', ...notes.map((note) => `* ${formatNote(note)}`)]),
  ];
  return `${lines.map(commentLine).join('\n')}\n`;
}

/** Nothing of the original can end a comment and become configuration. */
const commentLine = (text: string): string => `# ${text.replaceAll(/\p{Cc}+/gu, ' ')}`.trimEnd();

function unfinishedText({ document, unfinished }: ConvertedService): readonly string[] {
  if (unfinished === null) return [];
  const example = { ...simplified(document), listen: ['tcp://192.0.2.1:80'] };
  const text = new Document([example], { aliasDuplicateObjects: false })
    .toString({ lineWidth: 110 })
    .trimEnd();
  return ['', `# To be finished: ${unfinished}.`, ...text.split('\n').map((line) => `#  ${line}`), ''];
}

/** The short form of servers that have nothing but an address. */
const simplified = (service: ServiceDocument): Record<string, unknown> => ({
  ...service,
  servers: service.servers.map((server) => (Object.keys(server).length === 1 ? server.address : server)),
});
