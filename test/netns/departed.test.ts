// SPDX-License-Identifier: Apache-2.0
/** A service that a reload removes: its connections go on, nobody new comes in, and then nothing of it is left. */
import { expect, test } from 'vitest';
import { at, addressOf, families, standardServices, vip, type Family } from './support/lab.js';
import { ports } from './support/load.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';

const own: Readonly<Record<Family, string>> = { v4: '10.9.0.7', v6: 'fd00:9::7' };
const port = 700;

suite('a service removed by a reload', () => {
  const lab = useLab({ servers: 2 });
  const rest = () => standardServices(lab().topology.servers);
  const talking = () =>
    families.map((family) => ({
      name: `talk-${family}`,
      listen: `tcp://${at(own[family], port)}`,
      timeouts: { tcp_close: '1s', tcp_time_wait: '1s', tcp_fin_wait: '1s', tcp_last_ack: '1s' },
      servers: [at(addressOf(lab().server(0), family), ports.talk)],
    }));
  const routes = async (): Promise<string> => {
    const { namespace } = lab().topology.director;
    const [v4, v6] = [
      await namespace.must(['ip', 'route', 'show', 'proto', '118']),
      await namespace.must(['ip', '-6', 'route', 'show', 'proto', '118']),
    ];
    return v4 + v6;
  };
  const marked = (): Promise<string> => lab().topology.director.namespace.must(['nft', 'list', 'ruleset']);

  test.each(families)(
    '%s: bytes go on, a new SYN is refused, and with the last connection the route goes',
    async (family) => {
      await lab().daemon.reload({ services: [...rest(), ...talking()] });
      const talk = await lab().startLoad('talk', {
        to: at(own[family], port),
        connections: 20,
        every: 0.05,
        seconds: 600,
      });
      await talk.process.waitForOutput(/^talking$/m);

      await lab().daemon.reload({ services: rest() });
      expect(await routes()).toContain(own[family]);
      expect(await marked()).toContain(String(ports.talk));
      // Nobody else is left of the other family, so its route must be gone already.
      expect(await routes()).not.toContain(`${own[family === 'v4' ? 'v6' : 'v4']} `);
      const refused = await lab().load('talk', { to: at(own[family], port), seconds: 1, stall: 2 });
      expect(refused).toMatchObject({ opened: 0, errors: { 'connect ECONNREFUSED': 1 } });

      // The look every five seconds and any reload leave the route where it is.
      await lab().daemon.reload({ services: rest().toReversed() });
      expect(await routes()).toContain(own[family]);

      talk.process.signal('SIGTERM');
      const { opened, lost, messages } = await talk.result();
      expect({ opened, lost }).toEqual({ opened: 20, lost: 0 });
      expect(messages).toBeGreaterThan(20);
      // Closed connections are remembered for two minutes; this is shorter.
      const killed = await lab().daemon.installation.vsnat('flows', '--kill', '--vip', at(own[family], port));
      expect(killed.code, killed.stderr).toBe(0);
      await until(
        'the route to go with the last connection',
        async () => !(await routes()).includes(own[family]),
        {
          timeoutMs: 60_000,
          everyMs: 200,
        },
      );
      await until('the marks to go as well', async () => !(await marked()).includes(String(ports.talk)));
      await until('the log to say so', () =>
        lab().log.includes(`the last connection of talk-${family} has ended`),
      );
      expect(await routes()).toContain(vip[family]);
    },
    120_000,
  );
});
