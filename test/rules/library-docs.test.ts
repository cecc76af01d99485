// SPDX-License-Identifier: Apache-2.0
/** The code in docs/library.md is what a compiler takes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import ts from 'typescript';
import { describe, expect, it } from 'vitest';

import { programOver } from '../support/typescript.js';

const root = join(import.meta.dirname, '../..');
const text = readFileSync(join(root, 'docs/library.md'), 'utf8');
const blocks = [...text.matchAll(/```ts\n([^]*?)```/g)].map(([, code = '']) => code);

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: ['node'],
  strict: true,
  skipLibCheck: true,
  noEmit: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  paths: { vsnat: [join(root, 'src/index.ts')] },
};

describe('docs/library.md', () => {
  it('has code that type-checks', () => {
    expect(blocks.length).toBeGreaterThan(4);
    const files = new Map(blocks.map((code, index) => [join(root, `library-${index}.mts`), code]));
    const program = programOver(files, [...files.keys()], options);
    const said = [...files.keys()].flatMap((file) => {
      const source = program.getSourceFile(file);
      const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
      return found.map((one) => `${file}: ${ts.flattenDiagnosticMessageText(one.messageText, '\n')}`);
    });
    expect(said).toEqual([]);
  }, 120_000);
});
