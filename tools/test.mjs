// SPDX-License-Identifier: Apache-2.0
// `npm test`: every suite, or those named (`npm test -- unit native`). The last line is the sum:
//
//   N passed, N failed, N skipped
//
// A suite that ran nothing has failed. Skipping (no root, a package missing) is allowed on a developer's machine and
// said in the sum; with CI or VSNAT_REQUIRE_ALL set it is a failure. CONTRIBUTING.md tells what each suite needs.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';

import { ensureBuilt } from './bootstrap.mjs';

const root = path.resolve(import.meta.dirname, '..');
const cache = path.join(root, '.cache');
const strict = Boolean(process.env.CI ?? process.env.VSNAT_REQUIRE_ALL);
const secondsPerFuzzer = process.env.VSNAT_FUZZ_SECONDS ?? '15';

/** Runs a command with its output shown; its text comes back too when `capture` is set. */
function run(command, argv, { capture = false, env = {} } = {}) {
  const result = spawnSync(command, argv, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', capture ? 'pipe' : 'inherit', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (capture) process.stdout.write(result.stdout ?? '');
  return { ok: result.status === 0, text: result.stdout ?? '' };
}

/** A check that is one test: it passed or it did not. */
const single = (ok) => ({ passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 });

function vitest(name, places, extra = [], env = {}) {
  const report = path.join(cache, `${name}.json`);
  rmSync(report, { force: true });
  const argv = ['node_modules/vitest/vitest.mjs', 'run', ...places, '--reporter=default', '--reporter=json'];
  const { ok } = run(process.execPath, [...argv, `--outputFile.json=${report}`, ...extra], { env });
  if (!existsSync(report)) return single(false);
  const sum = JSON.parse(readFileSync(report, 'utf8'));
  // A file that cannot even be loaded has no failed test in it; the runner's exit code knows.
  const failed = sum.numFailedTests + (ok || sum.numFailedTests > 0 ? 0 : 1);
  return { passed: sum.numPassedTests, failed, skipped: sum.numPendingTests + sum.numTodoTests };
}

/**
 * Builds all C++ programs of binding.gyp in a directory of their own: a farm of links to the sources, so that an
 * instrumented build never takes the place of the addon that is in use.
 */
function buildPrograms(flavour, sanitize) {
  const farm = path.join(cache, flavour);
  mkdirSync(farm, { recursive: true });
  for (const name of ['binding.gyp', 'package.json', 'native', 'test', 'bench', 'node_modules']) {
    if (!existsSync(path.join(farm, name))) symlinkSync(path.join(root, name), path.join(farm, name));
  }
  const gyp = path.join(root, 'node_modules/node-gyp/bin/node-gyp.js');
  // Always configured: the lists of sources are made then, and a file may be new. What did not change is not compiled.
  const steps = [
    ['configure', '--', '-Dprograms=1', `-Dsanitize=${sanitize}`],
    ['build', '-j', 'max'],
  ];
  for (const step of steps) {
    if (!run(process.execPath, [gyp, '-C', farm, '--loglevel=error', ...step]).ok) return null;
  }
  return path.join(farm, 'build/Release');
}

function nativeTests(flavour, sanitize, env) {
  const directory = buildPrograms(flavour, sanitize);
  if (directory === null) return single(false);
  const { ok, text } = run(path.join(directory, 'native_tests'), [], { capture: true, env });
  const line = /^native: (\d+) passed, (\d+) failed$/m.exec(text);
  if (line === null) return single(false);
  return { passed: Number(line[1]), failed: Number(line[2]) + (ok || line[2] !== '0' ? 0 : 1), skipped: 0 };
}

function fuzz() {
  const directory = buildPrograms('asan', 'address,undefined');
  if (directory === null) return single(false);
  const { ok } = run(path.join(directory, 'fuzz'), ['--seconds', secondsPerFuzzer]);
  return single(ok);
}

function lint() {
  const tools = [
    ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.eslint.json'],
    ['node_modules/eslint/bin/eslint.js', '.'],
    ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'],
    ['tools/clang-format.mjs', '--check'],
  ];
  return tools
    .map((argv) => single(run(process.execPath, argv).ok))
    .reduce((sum, one) => ({ passed: sum.passed + one.passed, failed: sum.failed + one.failed, skipped: 0 }));
}

const asRootEnv = strict ? { VSNAT_REQUIRE_NETNS: '1' } : {};
const suites = {
  lint,
  unit: () => vitest('unit', ['test/unit', 'test/rules']),
  native: () => nativeTests('plain', '', {}),
  asan: () => nativeTests('asan', 'address,undefined', { VSNAT_TEST_SCALE: '0.1' }),
  tsan: () => nativeTests('tsan', 'thread', { VSNAT_TEST_SCALE: '0.05' }),
  fuzz,
  addon: () => vitest('addon', ['test/addon']),
  netns: () => vitest('netns', ['test/netns'], ['--no-file-parallelism'], asRootEnv),
  lab: () => vitest('lab', ['test/lab'], ['--no-file-parallelism'], asRootEnv),
  oracle: () => vitest('oracle', ['test/oracle'], [], asRootEnv),
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in suites));
if (unknown.length > 0) {
  console.error(`npm test: no suite ${unknown.join(', ')}; there are ${Object.keys(suites).join(', ')}`);
  process.exit(2);
}

await ensureBuilt();
mkdirSync(cache, { recursive: true });
const rows = [];
for (const [name, suite] of Object.entries(suites)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`\n== ${name}`);
  const began = performance.now();
  const result = suite();
  // Nothing ran: something is wrong with the suite, not right with the code. Everything skipped is not that.
  if (result.passed + result.failed + result.skipped === 0) result.failed = 1;
  rows.push({ name, ...result, seconds: (performance.now() - began) / 1000 });
}

console.log('\nsuite     passed  failed  skipped  seconds');
for (const row of rows) {
  const columns = [row.passed, row.failed, row.skipped].map((n) => String(n).padStart(8)).join('');
  console.log(`${row.name.padEnd(8)}${columns}${row.seconds.toFixed(1).padStart(10)}`);
}
const total = (key) => rows.reduce((sum, row) => sum + row[key], 0);
const [passed, failed, skipped] = [total('passed'), total('failed'), total('skipped')];
if (strict && skipped > 0) console.log('skipped is not passed: this run was to skip nothing');
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || (strict && skipped > 0) ? 1 : 0;
