// SPDX-License-Identifier: Apache-2.0
/** Modules as users write them, good and bad, in threads of their own; and configurations that name them. */
import { mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { ConfigError, loadConfig, loadConfigWithModules } from '../../../src/config/index.js';
import { noLoad, schedulerNameOf, type CustomScheduler, type Plan } from '../../../src/model/index.js';
import { SchedulerModules } from '../../../src/modules/scheduler-modules.js';
import { needsTypeScript } from '../../../src/modules/typescript.js';
import { letters } from '../scheduler/support.js';

let folder = '';
let modules: SchedulerModules;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'vsnat-modules-'));
  modules = new SchedulerModules({ importMs: 2000, planMs: 500 });
});
afterEach(async () => {
  await modules.close();
  rmSync(folder, { recursive: true });
});

let written = 0;
function write(text: string, name = `scheduler-${(written += 1)}.mjs`): string {
  writeFileSync(path.join(folder, name), text);
  return `./${name}`;
}

const planning = (body: string): string =>
  `export default { name: 'mine', plan(servers, loads, context) { ${body} } };`;
const inTurn = planning("return { kind: 'cycle', lead: [], loop: servers.map((_, index) => index) };");

async function loaded(text: string): Promise<CustomScheduler> {
  const found = await modules.load(write(text), folder);
  if (!found.ok) throw new Error(found.hint);
  return found.value.scheduler;
}

function plan(scheduler: CustomScheduler, memory = new Map<string, unknown>()): Plan {
  const servers = letters({ A: 1, B: 1 });
  const context = { service: 'web', protocols: ['tcp'] as const, options: {}, nowMs: 0, memory };
  return scheduler.plan(servers, [noLoad, noLoad], context);
}

describe('a module', () => {
  it('plans, and keeps what it remembers between two plans', async () => {
    const scheduler = await loaded(`export default {
      name: 'mine', replanEvery: 250, options: { type: 'object' },
      plan(servers, loads, { memory }) {
        memory.set('plans', (memory.get('plans') ?? 0) + 1);
        return { kind: 'cycle', lead: [], loop: Array(memory.get('plans')).fill(0) };
      } };`);
    expect(scheduler).toMatchObject({ name: 'mine', replanEvery: 250, options: { type: 'object' } });
    const memory = new Map<string, unknown>();
    plan(scheduler, memory);
    expect(plan(scheduler, memory)).toEqual({ kind: 'cycle', lead: [], loop: [0, 0] });
    expect(memory).toEqual(new Map([['plans', 2]]));
  });

  it.each([
    ['throws while it is imported', 'throw new Error("no luck")', /cannot be imported: Error: no luck/],
    ['is no JavaScript', 'export default {', /cannot be imported: SyntaxError/],
    ['never ends its import', 'while (true) {}', /did not finish within 2000 ms/],
    ['ends its thread', 'process.exit(7)', /ended the thread it was imported in, with code 7/],
    ['exports nothing', 'export const plan = 1', /must have a default export with name and plan, got none/],
    ['has no plan', 'export default { name: "mine" }', /must have a function plan/],
    ['has no name', 'export default { plan() {} }', /name: must be 1..31 of a-z/],
    ['has a name that no listing could show', 'export default { name: "\\u001b[2J", plan() {} }', /name: must be/],
    ['plans without a pause', 'export default { name: "m", replanEvery: 1, plan() {} }', /replanEvery: must be 100 or more/],
  ])('that %s is refused with the reason', async (_, text, reason) => {
    const found = await modules.load(write(text), folder);
    expect(found).toMatchObject({ ok: false, hint: expect.stringMatching(reason) as unknown });
  }); // prettier-ignore

  it.each([
    ['throws', 'throw new Error("no idea")', 'threw', /plan\(\) failed: Error: no idea/],
    ['throws nonsense', 'throw { toString() { throw 1; } }', 'threw', /threw something that cannot be told/],
    ['returns a promise', 'return Promise.resolve({})', 'invalid', /plan\(\) cannot be async/],
    ['returns what cannot be copied', 'return { kind: () => 1 }', 'invalid', /cannot be copied/],
    ['remembers what cannot be copied', "context.memory.set('servers', () => servers); return { kind: 'cycle', lead: [], loop: [0] };", 'invalid', /cannot be copied/],
    ['remembers without end', "context.memory.set('all', 'x'.repeat(2 ** 20)); return { kind: 'cycle', lead: [], loop: [0] };", 'invalid', /memory: must be at most 1048576 bytes, got 1048\d+; forget what is no longer needed/],
  ])('whose plan %s says so, and may plan again', async (_, body, reason, sentence) => {
    const scheduler = await loaded(planning(`if (!context.memory.has('mend')) { ${body} } return { kind: 'cycle', lead: [], loop: [0] };`));
    expect(() => plan(scheduler)).toThrow(expect.objectContaining({ reason, message: expect.stringMatching(sentence) as unknown }));
    expect(plan(scheduler, new Map([['mend', true]]))).toMatchObject({ kind: 'cycle' });
  }); // prettier-ignore

  it.each([
    ['never returns', 'while (true) {}'],
    ['ends its thread', 'process.exit(0)'],
    ['eats all memory', 'const all = []; for (;;) all.push(new Array(1e6).fill(all.length))'],
  ])('whose plan %s holds nobody up for long, and is over', async (_, body) => {
    const scheduler = await loaded(planning(body));
    const began = performance.now();
    const failures = ['timeout', 'ended'].map((reason) => expect.objectContaining({ reason }) as Error);
    for (const failure of failures) expect(() => plan(scheduler)).toThrow(failure);
    expect(() => plan(scheduler)).toThrow(/did not return within 500 ms; reload to start it again/);
    expect(performance.now() - began).toBeLessThan(3000);
  });

  it.each([
    ['throws', "setTimeout(() => { throw new Error('later'); }, 1);", /failed: later; reload to start it again/],
    ['rejects', "Promise.reject(new Error('nobody waits for this'));", /failed: nobody waits for this; reload to start it again/],
    ['leaks', 'const all = []; setInterval(() => { for (let n = 0; n < 100; n++) all.push(new Array(1e5).fill(n)); }, 1);', /(failed: .*memory.*|did not return within 500 ms); reload to start it again/],
    ['ends its thread', 'setTimeout(() => process.exit(0), 1);', /ended; reload to start it again/],
  ])('that %s between two plans is over, with the reason, and takes nobody along', async (_, between, reason) => {
    const scheduler = await loaded(`export default { name: 'mine', plan: () => ({ kind: 'cycle', lead: [], loop: [0] }) };
      setTimeout(() => { ${between} }, 50);`);
    const failure = await vi.waitFor(
      () => {
        try {
          plan(scheduler);
        } catch (error) {
          return error;
        }
        throw new Error('it still plans');
      },
      { timeout: 15_000, interval: 20 },
    );
    expect(String(failure)).toMatch(reason);
  }); // prettier-ignore

  it('is the same while its file is, and another when it was written or touched', async () => {
    const reference = write(inTurn, 'same.mjs');
    const first = await modules.load(reference, folder);
    expect(await modules.load(reference, folder)).toEqual(first);
    utimesSync(path.join(folder, 'same.mjs'), 1, 1);
    const touched = await modules.load(reference, folder);
    write(inTurn.replace('[]', '[0]'), 'same.mjs');
    const changed = await modules.load(reference, folder);
    const versions = [first, touched, changed].map((found) => (found.ok ? found.value.version : ''));
    expect(new Set(versions).size).toBe(3);
    const schedulers = [first, touched, changed].flatMap((found) =>
      found.ok ? [found.value.scheduler] : [],
    );
    expect(schedulers.map((scheduler) => plan(scheduler))).toMatchObject([
      { lead: [] },
      { lead: [] },
      { lead: [0] },
    ]);
    await modules.retain(schedulers.slice(2));
    expect(() => plan(schedulers[0] as CustomScheduler)).toThrow(/is closed/);
    expect(plan(schedulers[2] as CustomScheduler)).toMatchObject({ lead: [0] });
  });

  it('may be a package, as Node finds it from the configuration', async () => {
    const place = path.join(folder, 'node_modules/@me/sched');
    mkdirSync(place, { recursive: true });
    writeFileSync(path.join(place, 'package.json'), '{ "type": "module", "main": "index.js" }');
    writeFileSync(path.join(place, 'index.js'), inTurn);
    const found = await modules.load('@me/sched', folder);
    expect(found).toMatchObject({ ok: true });
    expect(await modules.load('@me/other', folder)).toMatchObject({ ok: false });
  });
});

describe('a module in TypeScript', { timeout: 60_000 }, () => {
  const typed = `import type { CustomScheduler } from 'vsnat';
    import { loop } from './loop.ts';
    const scheduler: CustomScheduler = { name: 'typed', plan: () => ({ kind: 'cycle', lead: [], loop }) };
    export default scheduler;`;

  const patient = new SchedulerModules({ importMs: 60_000, planMs: 5000 }); // the compiler takes its time to be loaded
  afterEach(() => patient.close());

  /** As npm would lay it there. */
  const installTypeScript = (): void => {
    mkdirSync(path.join(folder, 'node_modules'));
    symlinkSync(path.join(import.meta.dirname, '../../../node_modules/typescript'), path.join(folder, 'node_modules/typescript'));
  }; // prettier-ignore

  it('plans, with what it imports, where the package typescript or a Node that needs none is at hand', async () => {
    installTypeScript();
    write('export const loop: readonly number[] = [1, 0];', 'loop.ts');
    const found = await patient.load(write(typed, 'typed.ts'), folder);
    if (!found.ok) throw new Error(found.hint);
    expect(found.value.scheduler.name).toBe('typed');
    expect(plan(found.value.scheduler)).toEqual({ kind: 'cycle', lead: [], loop: [1, 0] });
  });

  it('that is none is refused with its mistake', async () => {
    installTypeScript();
    const found = await patient.load(write('export default { name: = };', 'broken.ts'), folder);
    expect(found).toMatchObject({ ok: false, hint: expect.stringMatching(/cannot be imported: \w*Error/) as unknown });
  }); // prettier-ignore

  it.skipIf(!needsTypeScript('typed.ts'))('says what to install where this Node cannot read it', async () => {
    // There may be one further up, in whatever folder tests write to: this one hides it.
    mkdirSync(path.join(folder, 'node_modules/typescript'), { recursive: true });
    writeFileSync(path.join(folder, 'node_modules/typescript/index.js'), 'throw new Error("not here");');
    const found = await patient.load(write(typed, 'typed.ts'), folder);
    const hint =
      /it is TypeScript, which Node [\d.]+ does not read by itself; run npm install typescript beside it/;
    expect(found).toMatchObject({ ok: false, hint: expect.stringMatching(hint) as unknown });
  });
});

describe('a configuration with a module', () => {
  const load = (scheduler: string, more = '') => {
    const file = path.join(folder, 'vsnat.yaml');
    writeFileSync(
      file,
      `services:\n  - name: web\n    listen: tcp://10.9.0.1:80\n    scheduler: ${scheduler}\n${more}    servers: [10.2.1.2:80, 10.2.1.3:80]\n`,
    );
    return loadConfigWithModules(file, modules);
  };
  const complaint = async (...parts: Parameters<typeof load>): Promise<string> => {
    const error: unknown = await load(...parts).catch((reason: unknown) => reason);
    if (!(error instanceof ConfigError)) throw error;
    return error.message.replaceAll(`${folder}/`, '');
  };
  const withOptions = `export default { name: 'mine', plan: (servers) => ({ kind: 'cycle', lead: [], loop: [0] }),
    options: { type: 'object', additionalProperties: false, properties: { turns: { type: 'integer', minimum: 1 } } } };`;

  it('has it with its options', async () => {
    const { model } = await load(write(withOptions), '    scheduler_options: { turns: 3 }\n');
    const [service] = model.services;
    expect(service?.scheduler).toMatchObject({ options: { turns: 3 } });
    expect(service && schedulerNameOf(service)).toBe('mine');
  });

  it('has the same scheduler after a reload of the same file', async () => {
    const reference = write(inTurn);
    const [first, second] = [await load(reference), await load(reference)];
    expect(second.model.services[0]?.scheduler).toEqual(first.model.services[0]?.scheduler);
  });

  it('is told at its place what is wrong with it', async () => {
    expect(await complaint('./gone.mjs')).toMatch(
      /^vsnat\.yaml:4:16: services\[0\]\.scheduler: must be a scheduler module, got "\.\/gone\.mjs"; ENOENT/,
    );
    expect(await complaint(write(planning('throw new Error("oh")'), 'oh.mjs'))).toBe(
      'vsnat.yaml:4:16: services[0].scheduler: must make a plan for these servers, got "./oh.mjs"; plan() failed: Error: oh',
    );
    expect(await complaint(write(planning("return { kind: 'cycle', lead: [], loop: [2] }"), 'two.mjs'))).toBe(
      'vsnat.yaml:4:16: services[0].scheduler: must make a valid plan for these servers, got "./two.mjs"; loop[0]: must be 0..1, got 2',
    );
    expect(await complaint(write(inTurn.replace('mine', 'wlc'), 'wlc.mjs'))).toBe(
      'vsnat.yaml:4:16: services[0].scheduler: must have a name of its own, and "wlc" is vsnat\'s, got "./wlc.mjs"; rename it in the module',
    );
    const reference = write(withOptions, 'options.mjs');
    expect(await complaint(reference, '    scheduler_options: { turns: 0, tuns: 1 }\n')).toBe(
      [
        'vsnat.yaml:5:33: services[0].scheduler_options.turns: must be >= 1, got 0',
        'vsnat.yaml:5:36: services[0].scheduler_options.tuns: must be an option of this scheduler, got "tuns"',
      ].join('\n'),
    );
    expect(await complaint('wlc', '    scheduler_options: { turns: 1 }\n')).toMatch(
      /scheduler_options: must be left out with wlc/,
    );
    expect(await complaint('peak-ewma', '    scheduler_options: { signal: rtt }\n')).toBe(
      'vsnat.yaml:5:34: services[0].scheduler_options.signal: must be one of handshake, first-byte, got "rtt"',
    );
  });

  it('is told everything else that is wrong with it at once', async () => {
    const text = await complaint('./gone.mjs', '    nmae: x\n');
    expect(text).toContain('services[0].nmae');
    expect(text).toContain('services[0].scheduler: must be a scheduler module');
  });

  it('is refused by a reader that cannot wait', async () => {
    await load('bounded-hash', '    scheduler_options: { bound: 1.5 }\n');
    await load(write(inTurn));
    expect(() => loadConfig(path.join(folder, 'vsnat.yaml'))).toThrow(
      /must be one that needs no module here/,
    );
  });
});
