// SPDX-License-Identifier: Apache-2.0
/**
 * The programs of examples/ as files that any Node runs: those in TypeScript without their types, which lint has looked at. They
 * stay inside the project, for `import ... from 'vsnat'` to be this very package.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import ts from 'typescript';

const root = path.join(import.meta.dirname, '../..');
const source = path.join(root, 'examples');

/** The folder with the examples, made anew. */
export function compiledExamples(): string {
  const place = path.join(root, '.cache/examples', String(process.pid));
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  const compilerOptions: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext, // what a NodeNext file comes to depends on the package around it, which is not looked at here
    verbatimModuleSyntax: true,
    rewriteRelativeImportExtensions: true,
  };
  for (const file of readdirSync(source, { withFileTypes: true })) {
    if (!file.isFile()) continue;
    const from = path.join(source, file.name);
    if (!file.name.endsWith('.ts')) {
      cpSync(from, path.join(place, file.name));
      continue;
    }
    const text = readFileSync(from, 'utf8');
    const { outputText } = ts.transpileModule(text, { compilerOptions, fileName: from });
    writeFileSync(path.join(place, file.name.replace(/ts$/, 'js')), outputText);
  }
  return place;
}
