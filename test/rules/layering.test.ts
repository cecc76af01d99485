// SPDX-License-Identifier: Apache-2.0
/** ARCHITECTURE.md's layers as a test: imports and includes go down in rank, and never between folders of one rank. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

type Ranks = Readonly<Record<string, number>>;

/** `errors`, `pace` and `index` are files of src itself; everybody may use the first two, nobody the last. */
const sourceRanks: Ranks = {
  errors: 0,
  pace: 0,
  model: 1,
  packet: 2, // bytes of packets and captures, for tools
  scheduler: 2,
  modules: 2, // runs what users wrote
  config: 3, // asks scheduler for its names
  dataplane: 3,
  ipvsadm: 3, // knows which schedulers there are
  host: 4, // knows the dataplane's device facts
  health: 4, // asks servers, and knows nothing of who wants to know
  convert: 4, // other programs' words into configuration
  director: 5,
  simulator: 6, // a director in memory
  metrics: 6,
  admin: 7, // shares the bounded HTTP server of metrics
  lab: 8,
  doctor: 8, // judges what host, daemon and configuration say
  cli: 9,
  index: 9,
};

const nativeRanks: Ranks = {
  base: 0,
  wire: 1,
  flow: 2,
  service: 3, // a service's timeouts are told by the states of flow
  nat: 4,
  io: 4,
  engine: 5,
  napi: 6,
};

function filesBelow(folder: string, pattern: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile() && pattern.test(file.name))
    .map((file) => relative(root, join(file.parentPath, file.name)));
}

const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** The folder a file of `base` is in, or its own name for files of `base` itself. */
const layerOf = (base: string, file: string): string =>
  (relative(base, file).split('/')[0] ?? '').replace(/\.[a-z]+$/, '');

interface Use {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** A sentence for every use that does not go down, and for folders nobody gave a rank. */
function violations(uses: readonly Use[], ranks: Ranks): string[] {
  return uses
    .filter(({ from, to }) => from !== to)
    .filter(({ from, to }) => !((ranks[to] ?? Number.NaN) < (ranks[from] ?? Number.NaN)))
    .map(
      ({ file, from, to }) => `${file}: ${from} (rank ${ranks[from]}) must not use ${to} (rank ${ranks[to]})`,
    );
}

const importPattern =
  /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s+'(\.[^']+)'|import\(\s*'(\.[^']+)'\s*\)|import\s+'(\.[^']+)'/g;

function importsOf(file: string): Use[] {
  return [...read(file).matchAll(importPattern)].map(([, from = '', dynamic = '', bare = '']) => ({
    file,
    from: layerOf('src', file),
    to: layerOf('src', join(file, '..', from || dynamic || bare)),
  }));
}

function includesOf(file: string): Use[] {
  return [...read(file).matchAll(/^#include "([a-z_]+)\//gm)].map(([, to = '']) => ({
    file,
    from: layerOf('native', file),
    to,
  }));
}

describe('the TypeScript layers', () => {
  const files = filesBelow('src', /\.ts$/);
  const uses = files.flatMap(importsOf);

  it('are all there to be judged', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(uses.length).toBeGreaterThan(100);
    for (const file of files) expect(sourceRanks, file).toHaveProperty(layerOf('src', file));
  });

  it('import only what is below them', () => expect(violations(uses, sourceRanks)).toEqual([]));

  it('leave the addon to dataplane/native.ts', () => {
    expect(files.filter((file) => /node-gyp-build'/.test(read(file)))).toEqual(['src/dataplane/native.ts']);
  });

  it('know no any and no default export', () => {
    const anywhere = /(?:[:<,|&(]\s*any\b(?!')|\bas any\b)/;
    const code = (file: string): string =>
      read(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g, "''");
    expect(files.filter((file) => anywhere.test(code(file)))).toEqual([]);
    expect(files.filter((file) => /^export default/m.test(read(file)))).toEqual([]);
  });

  it('never end the process: exit codes are set, and threads are joined first', () => {
    const code = (file: string): string => read(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
    const ending = files.filter((file) => /\bprocess\.exit\(/.test(code(file)));
    expect(ending.filter((file) => layerOf('src', file) !== 'lab')).toEqual([]); // the lab's servers have no addon
  });

  it('start every file with its licence and say what it is', () => {
    for (const file of files)
      expect(read(file), file).toMatch(/^\/\/ SPDX-License-Identifier: Apache-2\.0\n/);
  });
});

describe('the native layers', () => {
  const files = filesBelow('native', /\.(cc|h)$/);
  const uses = files.flatMap(includesOf);

  it('are all there to be judged', () => {
    expect(files.length).toBeGreaterThan(20);
    for (const file of files) expect(nativeRanks, file).toHaveProperty(layerOf('native', file));
  });

  it('include only what is below them', () => expect(violations(uses, nativeRanks)).toEqual([]));

  it('know Node in napi/ alone', () => {
    const others = files.filter((file) => /#include [<"](?:napi|node_api|node|v8|uv)\.h/.test(read(file)));
    expect(others.length).toBeGreaterThan(0);
    expect(others.filter((file) => layerOf('native', file) !== 'napi')).toEqual([]);
  });

  it('know the TUN device in one file', () => {
    expect(files.filter((file) => read(file).includes('#include <linux/if_tun.h>'))).toEqual([
      'native/io/tun_queue.cc',
    ]);
  });
});

describe('the rule itself', () => {
  const ranks = { low: 0, left: 1, right: 1 };
  it.each([
    ['up', 'low', 'left'],
    ['sideways', 'left', 'right'],
    ['into the unknown', 'left', 'nowhere'],
    ['out of the unknown', 'nowhere', 'low'],
  ])('catches a use that goes %s', (_, from, to) => {
    expect(violations([{ file: 'f', from, to }], ranks)).toHaveLength(1);
  });

  it('lets a use go down or stay at home', () => {
    expect(
      violations(
        [
          { file: 'f', from: 'left', to: 'low' },
          { file: 'f', from: 'left', to: 'left' },
        ],
        ranks,
      ),
    ).toEqual([]);
  });
});
