// SPDX-License-Identifier: Apache-2.0
/**
 * A scheduler module exchanged in a daemon that works: by writing its file and reloading, as an operator does. Connections
 * that live go on, new ones are the new module's, and a module that is wrong changes nothing.
 */
import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { at, vip } from './support/lab.js';
import { ports, type HttpResult } from './support/load.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';

const talkPort = 700;
const rips = [1, 2, 3].map((i) => `10.2.${i}.2`);

/** The service that is watched, and one of connections that live through everything. */
const services = (scheduler: string) => [
  {
    name: 'web',
    listen: `tcp://${at(vip.v4, vip.http)}`,
    scheduler,
    servers: rips.map((rip) => at(rip, ports.http)),
  },
  {
    name: 'talk',
    listen: `tcp://${at(vip.v4, talkPort)}`,
    scheduler,
    servers: rips.map((rip) => at(rip, ports.talk)),
  },
];

/** A module that sends everybody to one server. */
const onlyTo = (position: number, more = ''): string =>
  `export default { name: 'only', plan() { ${more} return { kind: 'first', overflow: false, order: [${position}] }; } };`;

suite('a scheduler module', () => {
  const lab = useLab({ config: { services: services('wrr') } });

  async function write(text: string): Promise<void> {
    const { directory } = lab().daemon.installation;
    await writeFile(path.join(directory, 'next.mjs'), text);
    await rename(path.join(directory, 'next.mjs'), path.join(directory, 'only.mjs'));
  }

  const reload = () => lab().daemon.installation.vsnat('reload');

  const visit = (requests: number): Promise<HttpResult> =>
    lab().load('http', { to: at(vip.v4, vip.http), mode: 'connect', connections: 4, requests, seconds: 60 });

  test("is exchanged again and again under traffic: no connection is lost, and the next one is the new module's", async () => {
    await write(onlyTo(0));
    await lab().daemon.installation.write({ ...lab().config, services: services('./only.mjs') });
    expect(await reload()).toMatchObject({ code: 0 });

    const talk = await lab().startLoad('talk', {
      to: at(vip.v4, talkPort),
      connections: 300,
      every: 0.2,
      seconds: 3600,
    });
    await talk.process.waitForOutput(/^talking$/m, 60_000);
    const stream = await lab().startLoad('http', {
      to: at(vip.v4, vip.http),
      mode: 'connect',
      seconds: 3600,
    });

    for (let swap = 1; swap <= 6; swap++) {
      await write(onlyTo(swap % 3));
      expect(await reload()).toMatchObject({ code: 0 });
      expect(await visit(20)).toMatchObject({ failed: 0, byServer: { [`rs${(swap % 3) + 1}`]: 20 } });
    }

    talk.process.signal('SIGTERM');
    stream.process.signal('SIGTERM');
    expect(await talk.result()).toMatchObject({ opened: 300, lost: 0, badBytes: 0 });
    const visitors = await stream.result();
    expect(visitors).toMatchObject({ failed: 0 });
    expect(Object.keys(visitors.byServer).toSorted()).toEqual(['rs1', 'rs2', 'rs3']);
    expect((await lab().daemon.metrics()).sum('vsnat_scheduler_failures_total')).toBe(0);
  }, 180_000);

  test('that is wrong changes nothing: the reload says what is wrong, the module that runs goes on', async () => {
    await write(onlyTo(2));
    expect(await reload()).toMatchObject({ code: 0 });
    for (const [wrong, sentence] of [
      ['export default {', /cannot be imported: SyntaxError/],
      [onlyTo(0, "throw new Error('no idea');"), /plan\(\) failed: Error: no idea/],
      [onlyTo(3), /order\[0\]: must be 0\.\.2, got 3/],
      [onlyTo(NaN), /order\[0\]: must be 0\.\.2, got NaN/],
      [onlyTo(0, 'for (;;);'), /did not return within 1000 ms/],
    ] as const) {
      await write(wrong);
      const { code, stderr } = await reload();
      expect(code).toBe(3);
      expect(stderr).toMatch(sentence);
      expect((await visit(20)).byServer).toEqual({ rs3: 20 });
    }
  }, 120_000);

  test('that fails while it runs costs no packet: its last plan stays, and the failure is counted and told', async () => {
    // Good for the first plan of each service; then it throws, and at last it never returns.
    await write(`let thrown = 0;
      export default { name: 'tiring', replanEvery: 200, plan(servers, loads, { memory }) {
        if (memory.has('planned') && (thrown += 1) > 3) for (;;);
        if (memory.has('planned')) throw new Error('tired');
        memory.set('planned', true);
        return { kind: 'first', overflow: false, order: [1] };
      } };`);
    expect(await reload()).toMatchObject({ code: 0 });
    const visits: HttpResult[] = [];
    await until(
      'the module to be ended',
      async () => {
        visits.push(await visit(200));
        return lab().log.includes('did not return within 1000 ms');
      },
      { timeoutMs: 60_000, everyMs: 0 },
    );
    visits.push(await visit(200));
    for (const { failed, byServer } of visits) {
      expect(failed).toBe(0);
      expect(byServer).toEqual({ rs2: 200 });
    }
    const failures = async () => (await lab().daemon.metrics()).sum('vsnat_scheduler_failures_total');
    await until('every failure to be counted', async () => (await failures()) > 3);
    const events = await lab().daemon.installation.vsnat('events');
    expect(events.stdout).toMatch(
      /the scheduler of web made no plan, so the last one stays: plan\(\) failed: Error: tired/,
    );
    expect(events.stdout).toMatch(/did not return within 1000 ms; reload to start it again/);

    await write(onlyTo(0)); // and a module that is mended works at once
    expect(await reload()).toMatchObject({ code: 0 });
    expect((await visit(20)).byServer).toEqual({ rs1: 20 });
  }, 120_000);
});
