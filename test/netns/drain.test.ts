// SPDX-License-Identifier: Apache-2.0
/**
 * A server is drained, and its connections do not end by themselves. At the deadline both ends are told with a RST that
 * they believe, or, where silence is configured, neither hears anything.
 */
import { expect, test } from 'vitest';
import type { Namespace } from './support/namespace.js';
import { at, addressOf, families, vip, type Family } from './support/lab.js';
import { ports } from './support/load.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';

const connections = 20;
const port = 700;
const rst = 0x04;
const did = { reset: 'reset', silence: 'silenced' } as const;

suite('the deadline of a drain', () => {
  const lab = useLab({ servers: 2 });
  const configured = (ending: string) => ({
    services: families.map((family) => ({
      name: `talk-${family}`,
      listen: `tcp://${at(vip[family], port)}`,
      drain: { deadline: '2s', then: ending },
      servers: [at(addressOf(lab().server(0), family), ports.talk)],
    })),
  });

  /** Of the kernel of one end: TCP connections to or from `port` that it believes in. */
  const established = async (
    namespace: Namespace,
    side: 'sport' | 'dport',
    number: number,
  ): Promise<number> => {
    const filter = ['state', 'established', `( ${side} = :${number} )`];
    const lines = await namespace.must(['ss', '-Htn', ...filter]);
    return lines.split('\n').filter(Boolean).length;
  };

  /** Talks, drains the only server and returns what was to be seen at both ends once the deadline has passed. */
  const drained = async (family: Family, ending: 'reset' | 'silence') => {
    await lab().daemon.reload(configured(ending));
    const server = lab().server(0);
    const stale = await established(server.namespace, 'sport', ports.talk);
    // They say nothing on their own meanwhile: whatever ends them comes from the director.
    const talk = await lab().startLoad('talk', {
      to: at(vip[family], port),
      connections,
      every: 600,
      seconds: 600,
    });
    await talk.process.waitForOutput(/^talking$/m, 60_000);
    const captures = [
      await lab().captureAtClient(`tcp port ${port}`),
      await lab().captureAt(server, `tcp port ${ports.talk}`),
    ];
    const saidBefore = lab().log.length;
    const { code, stderr } = await lab().daemon.installation.vsnat(
      'drain',
      `talk-${family}`,
      at(addressOf(server, family), ports.talk),
    );
    expect(code, stderr).toBe(0);
    await until(
      'the deadline',
      () => lab().log.slice(saidBefore).includes(`deadline; ${connections} connections ${did[ending]}`),
      { timeoutMs: 60_000 },
    );
    const left = async (): Promise<readonly [client: number, server: number]> => [
      await established(lab().client, 'dport', port),
      (await established(server.namespace, 'sport', ports.talk)) - stale,
    ];
    if (ending === 'reset')
      await until('both ends to believe it', async () => (await left()).every((count) => count === 0), {
        timeoutMs: 30_000,
      });
    const still = await left();
    // Before the connections are closed by their owners.
    const packets = await Promise.all(captures.map((capture) => capture.stop()));
    talk.process.signal('SIGTERM');
    const { opened, errors } = await talk.result();
    const resets = packets.map((all) => all.filter(({ l4 }) => ((l4[13] ?? 0) & rst) !== 0).length);
    return { opened, errors, still, resets };
  };

  test.each(families)(
    '%s: a RST to both ends, and both believe it',
    async (family) => {
      const { opened, errors, still, resets } = await drained(family, 'reset');
      expect(opened).toBe(connections);
      expect(errors).toEqual({ 'receive ECONNRESET': connections });
      expect(still).toEqual([0, 0]);
      for (const count of resets) expect(count).toBeGreaterThanOrEqual(connections);
    },
    180_000,
  );

  test.each(families)(
    '%s: with silence neither end hears anything, and both go on waiting',
    async (family) => {
      const { opened, errors, still, resets } = await drained(family, 'silence');
      expect(opened).toBe(connections);
      expect(errors).toEqual({});
      expect(still).toEqual([connections, connections]);
      expect(resets).toEqual([0, 0]);
    },
    180_000,
  );
});
