// SPDX-License-Identifier: Apache-2.0
/**
 * From a fresh clone to something that runs: packages, addon, TypeScript, each only when it is missing or older than
 * what it is made from. Plain Node without dependencies, because it runs before there are any. tools/start.mjs and
 * tools/test.mjs begin here.
 */
import { spawn } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  readdirSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
const oldestNode = [20, 19];

/** What a C++ addon is compiled with, and the Debian package of each. */
const compilers = [
  { program: 'python3', debianPackage: 'python3' },
  { program: 'make', debianPackage: 'make' },
  { program: 'g++', debianPackage: 'g++' },
];

export class BootstrapError extends Error {}

/** Bring node_modules, build/ and dist/ up to date. `say` gets the steps that had to be taken, line by line. */
export async function ensureBuilt(say = (line) => console.log(line)) {
  checkNode();
  const addon = join(root, 'build/Release/vsnat.node');
  const isAddonStale = () =>
    isStale(addon, newest(join(root, 'native'), /\.(cc|h|gypi)$/, [join(root, 'binding.gyp')]));

  const installed = join(root, 'node_modules/.package-lock.json');
  const isInstallStale = isStale(installed, modified(join(root, 'package-lock.json')));
  if (isInstallStale) checkPackagesAreOurs(join(root, 'node_modules'));
  if (isAddonStale()) await ensureCompilers(say);
  // Without the package's own install script, which would compile the addon inside the same long step. What compiles is
  // among the devDependencies, which NODE_ENV=production would leave out.
  if (isInstallStale) {
    const quiet = ['--no-fund', '--no-audit'];
    await step(say, 'packages (npm ci)', 'npm', ['ci', '--ignore-scripts', '--include=dev', ...quiet]);
  }
  if (isAddonStale()) await step(say, 'the C++ addon (node-gyp)', 'npm', ['run', '--silent', 'build:native']);

  // A stamp, because a failing compiler writes its output all the same.
  const stamp = join(root, 'dist/.complete');
  const sources = newest(join(root, 'src'), /\.ts$/, [join(root, 'tsconfig.json'), installed]);
  if (isStale(stamp, sources)) {
    await step(say, 'TypeScript (tsc)', 'npm', ['run', '--silent', 'build:ts']);
    writeFileSync(stamp, '');
  }
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [wantedMajor, wantedMinor] = oldestNode;
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return;
  throw new BootstrapError(
    `Node.js: must be ${oldestNode.join('.')} or newer, got ${process.versions.node}; install a newer one (https://nodejs.org)`,
  );
}

/** `npm ci` empties the folder first, and through a link that is somebody else's. */
export function checkPackagesAreOurs(folder) {
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  throw new BootstrapError(
    `${folder}: must be brought up to date with package-lock.json, got a link to ${readlinkSync(folder)}; ` +
      'remove the link and start again, or run `npm ci` where it leads',
  );
}

async function ensureCompilers(say) {
  const missing = compilers.filter(({ program }) => !isOnPath(program));
  if (missing.length === 0) return;
  const names = missing.map(({ program }) => program).join(', ');
  const packages = missing.map(({ debianPackage }) => debianPackage);
  const command = `apt-get install -y ${packages.join(' ')}`;
  if (process.getuid?.() !== 0 || !isOnPath('apt-get'))
    throw new BootstrapError(
      `compiler: ${names} missing, which the C++ addon is built with; run: ${command}`,
    );
  say(
    `${names} missing, which the C++ addon is built with: installing the Debian packages ${packages.join(', ')}`,
  );
  await step(say, 'package lists (apt-get update)', 'apt-get', ['update', '-qq']);
  await step(say, command, 'apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages]);
}

function isOnPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);
const isStale = (product, sourceTime) => !existsSync(product) || modified(product) < sourceTime;

function newest(folder, pattern, others) {
  const times = readdirSync(folder, { recursive: true })
    .filter((name) => pattern.test(name))
    .map((name) => modified(join(folder, name)));
  return Math.max(0, ...times, ...others.map(modified));
}

/** Run one program quietly; what it printed is shown only when it fails. Meanwhile the time goes on to be shown. */
async function step(say, what, program, args) {
  const started = performance.now();
  const seconds = (digits) => `${((performance.now() - started) / 1000).toFixed(digits)} s`;
  const isTerminal = process.stdout.isTTY === true;
  if (isTerminal) process.stdout.write(`  ${what} `);
  else say(`  ${what} ...`);
  const ticker = isTerminal
    ? setInterval(() => process.stdout.write(`\r  ${what} ${seconds(0)}`), 1_000)
    : setInterval(() => say(`  ${what} ... ${seconds(0)}`), 10_000);
  const { status, output } = await run(program, args);
  clearInterval(ticker);
  say(isTerminal ? `\r  ${what} ${seconds(1)} ` : `  ${what} ${seconds(1)}`);
  if (status === 0) return;
  throw new BootstrapError(
    `${what}: ${program} ${args.join(' ')} ended with ${status}; it said:\n${output.trimEnd()}`,
  );
}

function run(program, args) {
  return new Promise((resolve) => {
    // jobs: node-gyp passes it on to make.
    const env = { ...process.env, npm_config_jobs: 'max', DEBIAN_FRONTEND: 'noninteractive' };
    const child = spawn(program, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    child.on('error', (error) => resolve({ status: error.code, output: error.message }));
    child.on('close', (status, signal) => resolve({ status: status ?? signal, output }));
  });
}
