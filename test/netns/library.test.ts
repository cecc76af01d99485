// SPDX-License-Identifier: Apache-2.0
/** The library over a real TUN: examples/tun-director.ts as a program of its own, with real clients and servers around it. */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { compiledExamples } from '../support/examples.js';
import { hostState } from './support/host-state.js';
import { at, vip } from './support/lab.js';
import { ports } from './support/load.js';
import { run } from './support/process.js';
import { suite, useLab } from './support/suite.js';

suite('the library', () => {
  const lab = useLab({ director: 'none' });
  const folder = compiledExamples();
  const program = [process.execPath, path.join(folder, 'tun-director.js')];
  afterAll(() => rmSync(folder, { recursive: true }));

  test('serves a network from a program: new connections by the scheduler it was given last, the old ones where they are', async () => {
    const { namespace } = lab().topology.director;
    const before = await hostState(namespace);
    const servers = lab().topology.servers.map(({ ipv4 }) => at(ipv4, ports.talk));
    const director = namespace.spawn([...program, `tcp://${at(vip.v4, ports.talk)}`, ...servers]);
    await director.waitForOutput(/^ready vsnat0$/m, 30_000);

    const talk = async (connections: number) => {
      const load = await lab().startLoad('talk', {
        to: at(vip.v4, ports.talk),
        connections,
        every: 0.1,
        seconds: 600,
      });
      await load.process.waitForOutput(/^talking$/m, 60_000);
      return load;
    };
    const old = await talk(30);
    director.signal('SIGHUP');
    await director.waitForOutput(/^~ service web scheduler rr -> code:steer-clear /m);
    const fresh = await talk(30);
    for (const load of [old, fresh]) load.process.signal('SIGTERM');
    for (const load of [old, fresh])
      expect(await load.result()).toMatchObject({ opened: 30, lost: 0, badBytes: 0 });

    const { code, stdout } = await director.stop('SIGTERM');
    expect(code).toBe(0);
    const counted = [...stdout.matchAll(/^web \S+ steer-clear (\d+) connections$/gm)].map(([, count]) =>
      Number(count),
    );
    expect(counted.slice(-3).reduce((sum, count) => sum + count)).toBe(60);
    expect(Math.min(...counted.slice(-3))).toBeGreaterThan(10); // ten of the first thirty, and then its share of the others
    expect(await hostState(namespace)).toBe(before);
  }, 120_000);

  test('says by a code what it lacks: permission, and a device of its own', async () => {
    const { namespace } = lab().topology.director;
    const argv = [...program, 'tcp://10.9.0.1:80', '10.2.1.2:8080'];
    const first = namespace.spawn(argv);
    await first.waitForOutput(/^ready/m, 30_000);
    const second = await namespace.run(argv);
    expect(second.code).not.toBe(0);
    expect(second.stderr).toContain('VSNAT_DEVICE_BUSY');
    expect(await first.stop('SIGTERM')).toMatchObject({ code: 0 });

    const drop = ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin'];
    const unprivileged = await run(namespace.command([...drop, ...argv]));
    expect(unprivileged.code).not.toBe(0);
    expect(unprivileged.stderr).toContain('VSNAT_NO_PERMISSION');
  });
});
