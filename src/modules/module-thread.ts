// SPDX-License-Identifier: Apache-2.0
/**
 * A thread of its own for a user's module: it has a module cache of its own, so that a file that is loaded again is really
 * loaded again, with everything it imports, and gives all of that back when it ends. It cannot stop the daemon by never
 * returning, by eating all memory or by process.exit(). (It is no sandbox: it runs with the daemon's rights.)
 */
import { Worker, type MessagePort } from 'node:worker_threads';
import { pathToFileURL } from 'node:url';

import { said } from '../errors.js';
import { needsTypeScript, typeScriptHooks } from './typescript.js';

/** What an import may take longer where the package typescript has to be loaded first: a slow disk and ten megabytes. */
const compilerMs = 25_000;

/** Of the thread's heap: a table for a thousand servers is a few of them. */
const mostMegabytes = 256;

/** Written in front of what a thread runs: its arguments, TypeScript where it is needed, words for what was thrown. */
const prelude = `
const { parentPort, workerData } = require('node:worker_threads');
const { url, port, shared, hooks } = workerData;
if (hooks !== null) require('node:module').register(hooks);
const said = (error) => {
  try { return error instanceof Error ? error.name + ': ' + error.message : 'threw ' + String(error); }
  catch { return 'threw something that cannot be told'; }
};
`;

/** What a thread says first, after its import: how the module describes itself, or why there is none. */
export type Opening<D> = { readonly description: D } | { readonly problem: string };

export interface ModuleThread<D> {
  readonly worker: Worker;
  readonly description: D;
}

/**
 * Runs `code` for `file` in a new thread. The code finds `url`, `port`, `shared`, `parentPort` and said(), and posts its
 * Opening to parentPort. Rejects with `refused` of the sentence that goes behind the module's name.
 */
export async function openThread<D>(
  file: string,
  code: string,
  { port, shared }: { readonly port: MessagePort; readonly shared: ArrayBufferView<SharedArrayBuffer> },
  importMs: number,
  refused: (problem: string) => Error,
): Promise<ModuleThread<D>> {
  const hooks = needsTypeScript(file) ? typeScriptHooks : null;
  const worker = new Worker(prelude + code, {
    eval: true,
    workerData: { url: pathToFileURL(file).href, port, shared, hooks },
    transferList: [port],
    resourceLimits: { maxOldGenerationSizeMb: mostMegabytes },
  });
  const opening = await firstWord<D>(worker, importMs + (hooks === null ? 0 : compilerMs));
  if ('problem' in opening) {
    void worker.terminate();
    throw refused(opening.problem);
  }
  worker.unref(); // after the answer: it must keep the process awake until then
  return { worker, description: opening.description };
}

function firstWord<D>(worker: Worker, importMs: number): Promise<Opening<D>> {
  return new Promise((resolve) => {
    const timer = setTimeout(
      () => resolve({ problem: `cannot be imported: it did not finish within ${importMs} ms` }),
      importMs,
    );
    const settle = (opening: Opening<D>): void => {
      clearTimeout(timer);
      resolve(opening);
    };
    worker.once('message', settle);
    worker.once('error', (error: unknown) => settle({ problem: `cannot be imported: ${said(error)}` }));
    worker.once('exit', (code) =>
      settle({ problem: `ended the thread it was imported in, with code ${code}` }),
    );
  });
}
