// SPDX-License-Identifier: Apache-2.0
/** The commit to compare with, and its files built in a folder of their own. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import path from 'node:path';
import { must } from '../test/netns/support/process.js';
import { projectRoot } from '../test/netns/support/project-root.js';
import { git } from './provenance.js';

/** There is nothing to compare with; the message says why. */
export class NoBase extends Error {}

export interface Base {
  readonly commit: string;
  /** Completes "compared with X, ...". */
  readonly why: string;
}

const commitOf = (ref: string): string | null => {
  try {
    return git('rev-parse', '--short', '--verify', '--quiet', `${ref}^{commit}`);
  } catch {
    return null;
  }
};

function mergeBase(): string | null {
  try {
    return commitOf(git('merge-base', 'HEAD', 'origin/HEAD'));
  } catch {
    return null; // no remote, or a clone too shallow to know
  }
}

/** Names of results begin with the date, so the last by name is the last by time. */
function lastPublished(): string | null {
  const folder = path.join(projectRoot, 'bench/results');
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
  const last = files.toSorted().at(-1);
  if (last === undefined) return null;
  return (JSON.parse(readFileSync(path.join(folder, last), 'utf8')) as { readonly commit: string }).commit;
}

/** `auto`: where the branch left origin/HEAD; on that branch itself, the commit whose speed was published last. */
export function baseCommit(ref: string): Base {
  const head = commitOf('HEAD');
  if (ref !== 'auto') {
    const commit = commitOf(ref);
    if (commit === null) throw new NoBase(`--against: must be a commit of this repository, got "${ref}"`);
    return { commit, why: 'as asked for' };
  }
  const merge = mergeBase();
  if (merge !== null && merge !== head) return { commit: merge, why: 'the merge base with origin/HEAD' };
  const published = lastPublished();
  const commit = published === null ? null : commitOf(published);
  if (commit !== null && commit !== head)
    return { commit, why: 'the commit of the last published run; HEAD is on origin/HEAD itself' };
  throw new NoBase(
    'no merge base is known (HEAD is on origin/HEAD, or there is no remote), and the commit of the last published run ' +
      `is ${published === null ? 'not recorded' : 'this one, or not in this clone'}; name one with --against REF`,
  );
}

/** Compiles as `npm ci` would; packages are shared when the lock files agree. The folder is kept for the next time. */
export async function buildBase(commit: string): Promise<string> {
  const folder = path.join(projectRoot, '.cache/bench-base', commit);
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true });
  const at = (...names: string[]): string => path.join(unfinished, ...names);
  await must([
    'sh',
    '-c',
    'git -C "$1" archive "$2" | tar -x -C "$3"',
    'sh',
    projectRoot,
    commit,
    unfinished,
  ]);
  const isShared =
    readFileSync(at('package-lock.json'), 'utf8') ===
    readFileSync(path.join(projectRoot, 'package-lock.json'), 'utf8');
  const inside = (...argv: string[]) => must(['env', '-C', unfinished, ...argv], { timeoutMs: 300_000 });
  if (isShared) symlinkSync(path.join(projectRoot, 'node_modules'), at('node_modules'));
  else await inside('npm', 'ci', '--ignore-scripts', '--no-fund', '--no-audit');
  if (sameNative(unfinished))
    cpSync(path.join(projectRoot, 'build/Release/vsnat.node'), at('build/Release/vsnat.node'));
  else await inside('env', 'npm_config_jobs=max', 'npm', 'run', '--silent', 'build:native');
  await inside('npm', 'run', '--silent', 'build:ts');
  renameSync(unfinished, folder);
  return folder;
}

/** Whether the addon need not be compiled again: what it is made of is the same. */
function sameNative(folder: string): boolean {
  const files = git('-C', projectRoot, 'ls-files', 'native', 'binding.gyp').split('\n');
  const theirs = readdirSync(path.join(folder, 'native'), { recursive: true, withFileTypes: true });
  return (
    theirs.filter((entry) => entry.isFile()).length + 1 === files.length &&
    files.every((file) => {
      const [ours, other] = [path.join(projectRoot, file), path.join(folder, file)];
      return existsSync(other) && existsSync(ours) && readFileSync(ours).equals(readFileSync(other));
    })
  );
}
