// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { restoreOperations } from '../../../src/cli/restore.js';
import { applyOperations, kernelSetTimeouts } from '../../../src/director/change.js';
import { FakeDataplane } from '../../../src/dataplane/fake.js';
import { Director } from '../../../src/director/director.js';
import { RunTime } from '../../../src/director/run-time.js';
import { wholeTable } from '../../../src/director/table.js';
import { inNumbers, ruleLines, wordsOfRule } from '../../../src/ipvsadm/index.js';
import {
  parseNetmask,
  realServer,
  type ClientNetwork,
  type Model,
  type VirtualServiceOptions,
} from '../../../src/model/index.js';
import { emptyModel, modelWith } from '../director/models.js';
import { names } from './describe.js';

async function rulesOf(model: Model): Promise<readonly string[]> {
  const dataplane = new FakeDataplane({ limits: { serverSlots: 256, serviceSlots: 64 } });
  const director = await Director.start({ dataplane }, model);
  return ruleLines(wholeTable(await new RunTime(director).table()).services, inNumbers);
}

const addresses = {
  ipv4: { vip: fc.nat(250).map((n) => `10.9.0.${n + 1}`), rip: fc.nat(250).map((n) => `200.2.${n}.7`) },
  ipv6: {
    vip: fc.integer({ min: 1, max: 0xffff }).map((n) => `[2001:db8::${n.toString(16)}]`),
    rip: fc.nat(0xffff).map((n) => `[fd00:${n.toString(16)}::9]`),
  },
};

/** Lengths, and for IPv4 any mask. */
const networks: Readonly<Record<'ipv4' | 'ipv6', fc.Arbitrary<ClientNetwork>>> = {
  ipv4: fc.oneof(
    fc.integer({ min: 1, max: 32 }).map((prefixLength) => ({ prefixLength })),
    fc.ipV4().map((text) => {
      const parsed = parseNetmask(text, 'ipv4');
      return parsed.ok ? parsed.value : { prefixLength: 32 };
    }),
  ),
  ipv6: fc.integer({ min: 1, max: 128 }).map((prefixLength) => ({ prefixLength })),
};

const scheduling = fc.constantFrom(
  { scheduler: 'rr' },
  { scheduler: 'wrr' },
  { scheduler: 'wlc' },
  { scheduler: 'sh', flags: ['sh-port'] },
  { scheduler: 'mh', flags: ['mh-fallback', 'mh-port'] },
) as fc.Arbitrary<Pick<VirtualServiceOptions, 'scheduler' | 'flags'>>;

const services: fc.Arbitrary<VirtualServiceOptions> = fc
  .constantFrom('ipv4' as const, 'ipv6' as const)
  .chain((family) =>
    fc
      .record({
        protocol: fc.constantFrom('tcp', 'udp'),
        vip: addresses[family].vip,
        port: fc.integer({ min: 1, max: 65535 }),
        scheduling,
        grouping: fc.record(
          {
            persistence: fc
              .tuple(fc.integer({ min: 1, max: 2_592_000 }), networks[family])
              .map(([timeoutSeconds, network]) => ({ timeoutSeconds, ...network })),
            onePacket: fc.boolean(),
          },
          { requiredKeys: [] },
        ),
        servers: fc.uniqueArray(
          fc.record({ rip: addresses[family].rip, weight: fc.integer({ min: 0, max: 65535 }) }),
          { selector: ({ rip }) => rip, maxLength: 4 },
        ),
      })
      .map(({ protocol, vip, port, scheduling: how, grouping, servers }) => ({
        name: 'replaced below',
        listen: `${protocol}://${vip}:${port}`,
        ...how,
        ...grouping,
        onePacket: protocol === 'udp' && grouping.onePacket === true,
        servers: servers.map(({ rip, weight }) => realServer(`${rip}:${port}`, { weight })),
      })),
  );

const models = fc
  .uniqueArray(services, { selector: ({ listen }) => String(listen), minLength: 1, maxLength: 6 })
  .map((all) => modelWith(...all.map((one, index) => ({ ...one, name: `service-${index}` }))));

describe('a saved table', () => {
  it('restored into an empty director and saved again is the same text', async () => {
    await fc.assert(
      fc.asyncProperty(models, async (model) => {
        const saved = await rulesOf(model);
        const operations = await restoreOperations(saved.join('\n'), names);
        const restored = applyOperations({ model: emptyModel, timeouts: kernelSetTimeouts }, operations);
        expect(await rulesOf(restored.model)).toEqual(saved);
      }),
      { numRuns: 60 },
    );
  });

  it('restored over the director it came from keeps names, and so counters and connections', async () => {
    await fc.assert(
      fc.asyncProperty(models, async (model) => {
        const operations = await restoreOperations((await rulesOf(model)).join('\n'), names);
        const { model: restored } = applyOperations({ model, timeouts: kernelSetTimeouts }, operations);
        const named = ({ services: all }: Model): string[] =>
          all.map(({ name, listen }) => `${name} ${JSON.stringify(listen)}`).sort();
        expect(named(restored)).toEqual(named(model));
      }),
      { numRuns: 60 },
    );
  });

  it.each([
    ['-A -t 1.2.3.4:80', ['-A', '-t', '1.2.3.4:80']],
    ['  -A\t-t   1.2.3.4:80 \r', ['-A', '-t', '1.2.3.4:80']],
    ['ipvsadm -C', ['-C']],
    ['ipvsadm', []],
    ['', []],
    ['# -C', ['#', '-C']],
    ["-A -t '1.2.3.4:80'", ['-A', '-t', "'1.2.3.4:80'"]],
  ])('%j is read word by word', (line, words) => expect(wordsOfRule(line)).toEqual(words));

  it('may have comments and blank lines, as what ipvsadm-restore reads', async () => {
    const text = '# web\n\n-A -t 10.9.0.1:80 -s rr\n  # more\nipvsadm -a -t 10.9.0.1:80 -r 10.2.1.2 -m\n';
    expect((await restoreOperations(text, names)).map(({ op }) => op)).toEqual([
      'clear',
      'add-service',
      'add-server',
    ]);
  });

  it.each([
    ['-C\n-A -t 10.9.0.1', 'VSNAT_USAGE', 'line 2: Zero port specified for non-persistent service'],
    ['-A -f 7 -s rr -b flag-1', 'VSNAT_CHANGE_REFUSED', /^line 1: no flag/],
    ['-a -t 10.9.0.1:80 -r 10.2.1.2', 'VSNAT_CHANGE_REFUSED', /^line 1: .*add -m$/],
    ['-L -n', 'VSNAT_USAGE', /^line 1: must be a rule/],
    ['junk', 'VSNAT_USAGE', /^line 1: Try `ipvsadm -h'/],
  ])('is refused whole for %j', async (text, code, message) => {
    await expect(restoreOperations(text, names)).rejects.toMatchObject({
      code,
      message: typeof message === 'string' ? message : (expect.stringMatching(message) as string),
    });
  });
});
