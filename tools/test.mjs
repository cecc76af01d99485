// SPDX-License-Identifier: Apache-2.0
// `npm test`: every suite, or those named (`npm test -- unit native`). The last line is the sum:
//
//   N passed, N failed, N skipped
//
// A suite that ran nothing has failed. Skipping (no root, a package missing) is allowed on a developer's machine and
// said in the sum; with CI or VSNAT_REQUIRE_ALL set it is a failure. What failed is named once more above the sum, a long
// run scrolls. CONTRIBUTING.md tells what each suite needs.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import path from 'node:path';

import { BootstrapError, ensureBuilt } from './bootstrap.mjs';

const root = path.resolve(import.meta.dirname, '..');
const cache = path.join(root, '.cache');
const strict = Boolean(process.env.CI ?? process.env.VSNAT_REQUIRE_ALL);
const secondsPerFuzzer = process.env.VSNAT_FUZZ_SECONDS ?? '15';

/**
 * Where a suite runs: what its commands print goes to `print`, and they are as nice as that. A shell gives Ctrl-C to
 * all of them by itself.
 */
class Place {
  constructor(print, niceness) {
    this.print = print;
    this.niceness = niceness;
  }

  /** Runs a command to its end; `text` is what it said on standard output. */
  run(command, argv, env = {}) {
    return new Promise((resolve) => {
      const stdio = ['ignore', 'pipe', 'pipe'];
      const child = spawn(command, argv, { cwd: root, env: { ...process.env, ...env }, stdio });
      if (this.niceness > 0 && child.pid !== undefined) setPriority(child.pid, this.niceness);
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (said) => ((text += said), this.print(said)));
      child.stderr.setEncoding('utf8').on('data', (said) => this.print(said));
      child.on('error', (error) => this.print(`${command}: ${error.message}\n`));
      child.on('close', (status) => resolve({ ok: status === 0, text }));
    });
  }
}

/** A check that is one test: it passed or it did not. `named` are the lines that are said once more at the end. */
const single = (ok, what) => ({
  passed: ok ? 1 : 0,
  failed: ok ? 0 : 1,
  skipped: 0,
  named: ok ? [] : [what],
});

const added = (results) =>
  results.reduce((sum, one) => ({
    passed: sum.passed + one.passed,
    failed: sum.failed + one.failed,
    skipped: sum.skipped + one.skipped,
    named: [...sum.named, ...one.named],
  }));

/** The tests of a report that failed, or that passed when they were repeated, each with the first lines of why. */
function namedIn({ testResults }) {
  const why = ({ failureMessages }) =>
    failureMessages.map((text) => text.split('\n').slice(0, 4).join('\n    '));
  return testResults.flatMap(({ name: file, assertionResults, status, message }) => {
    const remarkable = assertionResults.filter((one) => one.status === 'failed' || why(one).length > 0);
    const lines = remarkable.map((one) =>
      [
        `${one.status === 'failed' ? 'failed' : 'passed when repeated'}: ${path.relative(root, file)}: ${one.fullName}`,
        ...why(one),
      ].join('\n    '),
    );
    return lines.length > 0 || status === 'passed'
      ? lines
      : [`failed: ${path.relative(root, file)}: ${message}`];
  });
}

async function vitest(place, name, places, extra = [], env = {}) {
  const report = path.join(cache, `${name}.json`);
  rmSync(report, { force: true });
  const argv = ['node_modules/vitest/vitest.mjs', 'run', ...places, '--reporter=default', '--reporter=json'];
  const { ok } = await place.run(process.execPath, [...argv, `--outputFile.json=${report}`, ...extra], env);
  if (!existsSync(report)) return single(false, 'vitest wrote no report');
  const sum = JSON.parse(readFileSync(report, 'utf8'));
  // A file that cannot even be loaded has no failed test in it; the runner's exit code knows.
  const failed = sum.numFailedTests + (ok || sum.numFailedTests > 0 ? 0 : 1);
  const skipped = sum.numPendingTests + sum.numTodoTests;
  return { passed: sum.numPassedTests, failed, skipped, named: namedIn(sum) };
}

/**
 * How the C++ is built to be tested. The tests' own code is compiled with less care than the core: it is more of it, and
 * instrumented at -O2 it would be compiled five minutes to run a few seconds. More optimization finds no more here:
 * what the sanitizers watch for, they watch for at every level, and at -O0 nothing they could find is optimized away.
 */
const flavours = {
  plain: { sanitize: '', core: '-O3', tests: '-O1' },
  asan: { sanitize: 'address,undefined', core: '-O1', tests: '-O0' },
  tsan: { sanitize: 'thread', core: '-O1', tests: '-O0' },
};

/**
 * Builds C++ programs of binding.gyp in a directory of their own: a farm of links to the sources, so that an
 * instrumented build never takes the place of the addon that is in use.
 */
async function buildPrograms(place, flavour, programs) {
  const farm = path.join(cache, flavour);
  mkdirSync(farm, { recursive: true });
  for (const name of ['binding.gyp', 'package.json', 'native', 'test', 'bench', 'node_modules']) {
    if (!existsSync(path.join(farm, name))) symlinkSync(path.join(root, name), path.join(farm, name));
  }
  const { sanitize, core, tests } = flavours[flavour];
  const settings = { programs: 1, sanitize, optimize: core, optimize_tests: tests };
  const gyp = path.join(root, 'node_modules/node-gyp/bin/node-gyp.js');
  // Always configured: the lists of sources are made then, and a file may be new. What did not change is not compiled.
  const steps = [
    ['configure', '--', ...Object.entries(settings).map(([name, value]) => `-D${name}=${value}`)],
    ['build', ...programs, '-j', 'max'],
  ];
  for (const step of steps) {
    const { ok } = await place.run(process.execPath, [gyp, '-C', farm, '--loglevel=error', ...step]);
    if (!ok) return null;
  }
  return path.join(farm, 'build/Release');
}

async function nativeTests(place, flavour, env = {}) {
  const directory = await buildPrograms(place, flavour, ['native_tests']);
  if (directory === null) return single(false, 'it could not be built');
  const { ok, text } = await place.run(path.join(directory, 'native_tests'), [], env);
  const line = /^native: (\d+) passed, (\d+) failed$/m.exec(text);
  if (line === null) return single(false, 'it ended before its last test');
  const named = text.split('\n').filter((said) => said.startsWith('FAIL'));
  if (!ok && line[2] === '0') named.push('its exit code says that something went wrong, and no test does');
  return {
    passed: Number(line[1]),
    failed: Number(line[2]) + (ok || line[2] !== '0' ? 0 : 1),
    skipped: 0,
    named,
  };
}

/** Every target in a process of its own, all at once. */
async function fuzz(place) {
  const directory = await buildPrograms(place, 'asan', ['fuzz']);
  if (directory === null) return single(false, 'it could not be built');
  const program = path.join(directory, 'fuzz');
  const { text: targets } = await place.run(program, ['--list']);
  const runs = targets.split('\n').filter(Boolean);
  if (runs.length === 0) return single(false, 'there is no target');
  const all = runs.map((target) => place.run(program, [target, '--seconds', secondsPerFuzzer]));
  return added((await Promise.all(all)).map(({ ok }, at) => single(ok, `failed: ${runs[at]}`)));
}

async function lint(place) {
  const tools = [
    ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.eslint.json'],
    ['node_modules/eslint/bin/eslint.js', '.'],
    ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'],
    ['tools/clang-format.mjs', '--check'],
  ];
  const results = [];
  for (const argv of tools) {
    results.push(single((await place.run(process.execPath, argv)).ok, `failed: ${argv.join(' ')}`));
  }
  return added(results);
}

const asRootEnv = strict ? { VSNAT_REQUIRE_NETNS: '1' } : {};
/**
 * What runs with real sockets and processes is timed by a machine that others use as well, and is repeated once when it
 * failed: a defect fails twice. What needed that is named at the end, to be looked into.
 */
const repeated = ['--retry=1'];
const onRealStack = ['--no-file-parallelism', ...repeated];
const suites = {
  lint,
  unit: (place) => vitest(place, 'unit', ['test/unit', 'test/rules']),
  native: (place) => nativeTests(place, 'plain'),
  asan: (place) => nativeTests(place, 'asan', { VSNAT_TEST_SCALE: '0.05' }),
  tsan: (place) => nativeTests(place, 'tsan', { VSNAT_TEST_SCALE: '0.02' }),
  fuzz,
  addon: (place) => vitest(place, 'addon', ['test/addon'], repeated),
  program: (place) => vitest(place, 'program', ['test/program'], repeated),
  netns: (place) => vitest(place, 'netns', ['test/netns'], onRealStack, asRootEnv),
  lab: (place) => vitest(place, 'lab', ['test/lab'], onRealStack, asRootEnv),
  oracle: (place) => vitest(place, 'oracle', ['test/oracle'], repeated, asRootEnv),
};

/**
 * These wait for timers, daemons and each other's packets more than they compute, and run one after the other; all
 * others run beside them on the processors they leave free. Being nicer, those take nothing from what is timed here.
 */
const waiting = new Set(['netns', 'lab', 'oracle']);

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in suites));
if (unknown.length > 0) {
  console.error(`npm test: no suite ${unknown.join(', ')}; there are ${Object.keys(suites).join(', ')}`);
  process.exit(2);
}

try {
  await ensureBuilt();
} catch (error) {
  if (!(error instanceof BootstrapError)) throw error;
  console.error(error.message);
  process.exit(1);
}
mkdirSync(cache, { recursive: true });
const began = performance.now();
const seconds = (since) => (performance.now() - since) / 1000;
const rows = new Map();

const chosen = Object.keys(suites).filter((name) => wanted.length === 0 || wanted.includes(name));
const patient = chosen.filter((name) => waiting.has(name)).map((name) => [name]);
/** What shares a build goes together, two makes in one directory would disturb each other; and the longest goes early. */
const together = [['lint'], ['unit'], ['native'], ['asan', 'fuzz'], ['tsan'], ['addon'], ['program']];
const busy = together
  .map((group) => group.filter((name) => chosen.includes(name)))
  .filter((group) => group.length > 0);
const isAlone = patient.length === 0 || busy.length === 0;

async function runSuite(name, niceness) {
  const start = performance.now();
  const said = [];
  if (isAlone) process.stdout.write(`\n== ${name}\n`);
  else console.log(`== ${name} begins`);
  const print = isAlone ? (text) => process.stdout.write(text) : (text) => said.push(text);
  const result = await suites[name](new Place(print, niceness));
  // Nothing ran: something is wrong with the suite, not right with the code. Everything skipped is not that.
  if (result.passed + result.failed + result.skipped === 0)
    Object.assign(result, single(false, 'no test ran'));
  if (!isAlone) process.stdout.write(`\n== ${name}\n${said.join('')}\n`);
  rows.set(name, { ...result, seconds: seconds(start) });
}

/** Takes groups until there are none. Beside another lane, what a suite says is shown whole when it has ended. */
async function lane(next, niceness) {
  for (let group = next(); group !== undefined; group = next()) {
    for (const name of group) await runSuite(name, niceness);
  }
}

const nicer = isAlone ? 0 : 10;
await Promise.all([
  // When the waiting is over, this lane helps the other.
  lane(() => patient.shift(), 0).then(() => (isAlone ? undefined : lane(() => busy.shift(), nicer))),
  lane(() => busy.shift(), nicer),
]);

for (const name of chosen) {
  for (const line of rows.get(name).named) console.log(`\n${name}: ${line}`);
}
console.log('\nsuite     passed  failed  skipped  seconds');
for (const name of chosen) {
  const row = rows.get(name);
  const columns = [row.passed, row.failed, row.skipped].map((n) => String(n).padStart(8)).join('');
  console.log(`${name.padEnd(8)}${columns}${row.seconds.toFixed(1).padStart(10)}`);
}
const { passed, failed, skipped } = added([...rows.values()]);
console.log(`${''.padEnd(32)}${seconds(began).toFixed(1).padStart(10)} ${isAlone ? '' : 'in two lanes'}`);
if (strict && skipped > 0) console.log('skipped is not passed: this run was to skip nothing');
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || (strict && skipped > 0) ? 1 : 0;
