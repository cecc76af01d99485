// SPDX-License-Identifier: Apache-2.0
/**
 * Modules of users in TypeScript. Node reads them itself from 22.18 on; for an older one they are stripped of their types by the
 * package `typescript`, where the user has it: beside the module, or anywhere Node finds it from there.
 */

/** Whether this Node has to be helped with the file. */
export const needsTypeScript = (file: string): boolean =>
  /\.m?ts$/.test(file) && !(process.features as { readonly typescript?: unknown }).typescript;

/** Runs in the thread that Node keeps for hooks. A syntax error is told by Node, when it meets what is left of the text. */
const hooks = `
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
export async function load(url, context, next) {
  if (!/^file:[^?]*\\.m?ts(\\?|$)/.test(url)) return next(url, context);
  let ts;
  try { ts = createRequire(url)('typescript'); }
  catch {
    throw new Error('it is TypeScript, which Node ' + process.versions.node + ' does not read by itself; run npm install typescript beside it, use Node 22.18 or later, or compile it');
  }
  const compilerOptions = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true };
  const { outputText } = ts.transpileModule(await readFile(new URL(url), 'utf8'), { compilerOptions });
  return { format: 'module', source: outputText, shortCircuit: true };
}
`;

/** What register() takes in the thread that imports the file; as text, so that it is the same from src/ and dist/. */
export const typeScriptHooks = `data:text/javascript,${encodeURIComponent(hooks)}`;
