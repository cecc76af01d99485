// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { applyOperations, kernelSetTimeouts, type SetTimeouts } from '../../../src/director/change.js';
import { describeChange, diffModels } from '../../../src/director/diff.js';
import { readOperations, type Operation } from '../../../src/director/operation.js';
import { atOnce } from '../../../src/pace.js';
import { parseConfig } from '../../../src/config/index.js';
import { formatListen, kernelTimeouts, realServer, type Model } from '../../../src/model/index.js';
import { emptyModel, idOf, modelWith, web } from './models.js';

const at = 'tcp://10.9.0.1:80';
const wlc = { scheduler: 'wlc', flags: [] };
const plain = { weight: 1, upperThreshold: 0, lowerThreshold: 0 };
const addService = (service = at): Operation => ({ op: 'add-service', service, ...wlc });
const addServer = (server: string, more: Partial<typeof plain> = {}): Operation => ({
  op: 'add-server',
  service: at,
  server,
  ...plain,
  ...more,
});

function change(model: Model, ...operations: Operation[]): Model {
  return applyOperations({ model, timeouts: kernelSetTimeouts }, operations).model;
}

const changes = (before: Model, ...operations: Operation[]): string[] =>
  diffModels(before, change(before, ...operations)).map(describeChange);

describe('an operation', () => {
  it('makes a service with a name from its address, and servers in the order they came', () => {
    const model = change(
      emptyModel,
      addService(),
      addServer('10.2.1.2:8080'),
      addServer('10.2.1.1:8080', { weight: 3 }),
    );
    expect(model.services).toMatchObject([
      {
        name: 'tcp-10.9.0.1-80',
        scheduler: 'wlc',
        timeouts: kernelTimeouts,
        servers: [{ address: '10.2.1.2' }, { address: '10.2.1.1', weight: 3, routed: true }],
      },
    ]);
    expect(change(emptyModel, addService('udp://[2001:db8::1]:53')).services).toMatchObject([
      { name: 'udp-2001-db8--1-53' },
    ]);
  });

  it('gives another name where the derived one is taken', () => {
    const taken = modelWith(web('a', { name: 'tcp-10.9.0.1-80', listen: 'tcp://10.9.0.2:80' }));
    expect(change(taken, addService()).services.map(({ name }) => name)).toEqual([
      'tcp-10.9.0.1-80',
      'tcp-10.9.0.1-80-2',
    ]);
  });

  it('changes what it names and nothing else', () => {
    const before = modelWith(web('a b'), web('c', { name: 'other', listen: 'tcp://10.9.0.2:80' }));
    expect(changes(before, { op: 'edit-service', service: at, scheduler: 'sh', flags: ['sh-port'] })).toEqual(
      ['~ service web scheduler wrr -> sh(sh-port)'],
    );
    expect(
      changes(before, {
        ...addServer(idOf('a'), { weight: 7, upperThreshold: 9, lowerThreshold: 3 }),
        op: 'edit-server',
      } as Operation),
    ).toEqual([
      `~ server web ${idOf('a')} weight 1 -> 7`,
      `~ server web ${idOf('a')} upper threshold 0 -> 9`,
      `~ server web ${idOf('a')} lower threshold 0 -> 3`,
    ]);
    expect(changes(before, { op: 'delete-server', service: at, server: idOf('b') })).toEqual([
      `- server web ${idOf('b')}`,
    ]);
    expect(changes(before, { op: 'delete-service', service: at })).toEqual(['- service web']);
    expect(change(before, { op: 'clear' }).services).toEqual([]);
  });

  it('keeps that a server of the file was vouched for, or not', () => {
    const before = modelWith(web('', { servers: [realServer('10.2.1.7:80', { routed: false })] }));
    const edit = { ...addServer('10.2.1.7:80', { weight: 2 }), op: 'edit-server' } as Operation;
    expect(change(before, edit).services[0]?.servers[0]).toMatchObject({ weight: 2, routed: false });
  });

  it('takes one address from a service with several, and the service with the last', () => {
    const before = modelWith(web('a', { listen: ['tcp://10.9.0.1:80', 'tcp://10.9.0.1:443'] }));
    const one = change(before, { op: 'delete-service', service: at });
    expect(one.services.map(({ listen }) => listen.map(({ port }) => port))).toEqual([[443]]);
    expect(change(one, { op: 'delete-service', service: 'tcp://10.9.0.1:443' }).services).toEqual([]);
  });

  it('sets timeouts of the services there are and of those to come; 0 leaves one alone', () => {
    const before = modelWith(web('a', { timeouts: { tcpFinWait: 7, udp: 8 } }));
    const { model, timeouts } = applyOperations({ model: before, timeouts: kernelSetTimeouts }, [
      { op: 'set-timeouts', tcp: 100, tcpFin: 0, udp: 30 },
      addService('udp://10.9.0.1:53'),
    ]);
    expect(timeouts).toEqual({ tcp: 100, tcpFin: 120, udp: 30 } satisfies SetTimeouts);
    expect(model.services.map((service) => service.timeouts)).toMatchObject([
      { tcpEstablished: 100, tcpFinWait: 7, udp: 30, tcpClose: 10 },
      { tcpEstablished: 100, tcpFinWait: 120, udp: 30 },
    ]);
  });

  it('makes the service of a mark where the configuration says the mark is', () => {
    const { model } = parseConfig(
      'services: []\nmarks: [{ mark: 7, listen: [tcp://10.9.0.4:80, udp://10.9.0.4:53] }, { mark: 7, listen: "tcp://[2001:db8::4]:80" }]',
    );
    const [four, six] = [addService('mark://7/ipv4'), addService('mark://7/ipv6')];
    const both = change(model, four, six);
    expect(both.services.map(({ name, mark, listen }) => [name, mark, listen.map(formatListen)])).toEqual([
      ['mark-7-ipv4', 7, ['tcp://10.9.0.4:80', 'udp://10.9.0.4:53']],
      ['mark-7-ipv6', 7, ['tcp://[2001:db8::4]:80']],
    ]);
    expect(() => change(both, six)).toThrow(expect.objectContaining({ reason: 'service-exists' }) as Error);
    const one = change(both, { op: 'delete-service', service: 'mark://7/ipv4' });
    expect(one.services.map(({ name }) => name)).toEqual(['mark-7-ipv6']);
    expect(change(one, four).services).toHaveLength(2);
  });

  it('makes the service of a mark beside an ordinary one in its place, as the kernel', () => {
    const { model } = parseConfig(`services: []\nmarks: [{ mark: 7, listen: ${at} }]`);
    const mark = addService('mark://7/ipv4');
    expect(change(model, addService(), mark).services.map(({ mark: number }) => number)).toEqual([null, 7]);
    expect(change(model, mark, addService()).services.map(({ mark: number }) => number)).toEqual([7, null]);
  });

  it.each([
    ['', 'mark://7/ipv4', 'none for IPv4; add "marks: [{ mark: 7, listen: [tcp://10.9.0.1:80] }]", with'],
    [
      'marks: [{ mark: 7, listen: tcp://10.9.0.1:80 }]',
      'mark://7/ipv6',
      'none for IPv6; add "- { mark: 7, listen: ["tcp://[2001:db8::1]:80"] }", with',
    ],
  ])('of a mark that nothing explains says what to write: %j', (marks, service, message) => {
    const { model } = parseConfig(`services: []\n${marks}`);
    expect(() => change(model, addService(service))).toThrow(message);
  });

  it('cleared and made again in one list, a service keeps its name and timeouts', () => {
    const before = modelWith(web('a', { timeouts: { udp: 8 } }));
    const after = change(before, { op: 'clear' }, addService(), addServer(idOf('a')));
    expect(diffModels(before, after).map(describeChange)).toEqual(['~ service web scheduler wrr -> wlc']);
  });
});

describe('a refusal', () => {
  const model = modelWith(web('a b'));
  const nowhere = 'tcp://10.9.0.9:80';
  it.each<readonly [reason: string, operation: Operation]>([
    ['service-exists', addService()],
    ['unknown-scheduler', { ...addService(nowhere), scheduler: 'nosuch' } as Operation],
    ['unknown-scheduler', { ...addService(nowhere), engine: 'nosuch' } as Operation],
    ['other', { ...addService('udp://10.9.0.9:5060'), engine: 'sip' } as Operation], // without persistence
    [
      'other',
      {
        ...addService(nowhere),
        engine: 'sip',
        persistence: { timeoutSeconds: 60, prefixLength: 32 },
      } as Operation,
    ],
    ['other', addService('mark://7/ipv4')],
    ['no-such-service', { op: 'edit-service', service: nowhere, ...wlc }],
    ['no-such-service', { op: 'delete-service', service: nowhere }],
    ['no-such-service', { ...addServer('10.2.1.9:80'), service: nowhere } as Operation],
    ['no-such-service', { op: 'delete-server', service: nowhere, server: idOf('a') }],
    ['server-exists', addServer(idOf('a'))],
    ['no-such-server', { ...addServer('10.2.1.9:80'), op: 'edit-server' } as Operation],
    ['no-such-server', { op: 'delete-server', service: at, server: '10.2.1.9:80' }],
    ['out-of-range', addServer('10.2.1.9:80', { upperThreshold: 3, lowerThreshold: 4 })],
    ['out-of-range', addServer('10.2.1.9:80', { lowerThreshold: 1 })],
    ['not-an-address', addServer('224.0.0.1:80')],
    ['not-an-address', addServer('0.0.0.0:80')],
    ['not-an-address', addServer('10.2.1.9')],
    ['other', addServer('127.0.0.1:80')],
    ['other', addServer('10.9.0.1:80')],
    ['other', addServer('[2001:db8::2]:80')],
    ['other', addService('tcp://127.0.0.1:80')],
    ['other', addService('tcp://127.0.0.1:9191')],
  ])('is "%s" for %o', (reason, operation) => {
    expect(() => change(model, operation)).toThrow(
      expect.objectContaining({ name: 'ChangeRefused', code: 'VSNAT_CHANGE_REFUSED', reason }) as Error,
    );
  });

  it('names the service and the mend where only the configuration would refuse', () => {
    expect(() => change(model, addServer('10.9.0.1:80'))).toThrow(
      'service web.servers[2].address: must not be a VIP, got "10.9.0.1:80"; service web.listen[0] listens on it; ' +
        'a real server has an address of its own',
    );
  });

  it('of one operation is a refusal of the whole list', () => {
    expect(() => change(model, addService(nowhere), addService(nowhere))).toThrow(/must be new/);
    expect(model.services).toHaveLength(1);
  });
});

describe('operations from outside', () => {
  it('are taken as they are when they fit', () => {
    const operations = [addService(), addServer('10.2.1.2:80'), { op: 'clear' }] as const;
    expect(atOnce(readOperations({ operations }))).toEqual(operations);
  });

  it.each([
    [undefined, /^body: must be/],
    [{ operations: 3 }, /^body: must be/],
    [{ operations: [3] }, /^operations\[0\]\.op: must be one of add-service, /],
    [{ operations: [{ op: 'clear' }, { op: 'toString' }] }, /^operations\[1\]\.op: must be one of/],
    [{ operations: [{ op: 'delete-service' }] }, /^operations\[0\]\.service: must fit/],
    [{ operations: [{ op: 'clear', really: true }] }, /^operations\[0\]\.really: must fit/],
    [{ operations: [addServer('10.2.1.2:80', { weight: 65_536 })] }, /^operations\[0\]\.weight: must fit/],
    [{ operations: [addServer('10.2.1.2:80', { weight: 1.5 })] }, /^operations\[0\]\.weight: must fit/],
    [{ operations: [{ ...addService(), flags: ['x'] }] }, /^operations\[0\]\.flags\.0: must fit/],
    [{ operations: [{ op: 'set-timeouts', tcp: -1, tcpFin: 0, udp: 0 }] }, /^operations\[0\]\.tcp: must fit/],
  ])('are refused as %j, with the place', (body, message) => {
    expect(() => atOnce(readOperations(body))).toThrow(
      expect.objectContaining({ code: 'VSNAT_USAGE' }) as Error,
    );
    expect(() => atOnce(readOperations(body))).toThrow(message);
  });
});

describe("an operator's word about a server", () => {
  const file = modelWith(web('a:3 b'));
  const one = (...operations: Operation[]) =>
    applyOperations({ model: file, timeouts: kernelSetTimeouts, file }, operations).model.services[0]
      ?.servers[0];
  const a = { service: 'web', server: idOf('a') };

  it('gives it another weight, and its old one back', () => {
    expect(one({ op: 'set-weight', ...a, weight: 7 })?.weight).toBe(7);
    expect(one({ op: 'set-weight', ...a, weight: 7 }, { op: 'set-weight', ...a, weight: null })?.weight).toBe(
      3,
    );
  });

  it('cannot give back a weight that no file has', () => {
    const added = addServer('10.2.1.9:8080', { weight: 5 });
    expect(() =>
      one(added, { op: 'set-weight', service: at, server: '10.2.1.9:8080', weight: null }),
    ).toThrow('must be in the configuration file');
  });

  it('disables it and enables it again, which leaves nothing behind', () => {
    expect(one({ op: 'disable', ...a })).toEqual({ ...one(), disabled: true });
    expect(one({ op: 'disable', ...a }, { op: 'enable', ...a })).toEqual(one());
  });

  it('drains it as the service says, or as the operation says', () => {
    const drained = (more: object) => one({ op: 'drain', ...a, ...more })?.drain;
    expect(drained({})).toEqual({ deadlineSeconds: null, then: 'reset' });
    expect(drained({ deadlineSeconds: 30, then: 'silence' })).toEqual({
      deadlineSeconds: 30,
      then: 'silence',
    });
    expect(one({ op: 'drain', ...a, deadlineSeconds: 30 }, { op: 'undrain', ...a })).toEqual(one());
  });

  it('finds a service by name or by where it listens, and refuses what is not there', () => {
    expect(one({ op: 'disable', service: at, server: idOf('a') })?.disabled).toBe(true);
    expect(() => one({ op: 'disable', service: 'wbe', server: idOf('a') })).toThrow(
      'service wbe: must exist',
    );
    expect(() => one({ op: 'disable', service: 'web', server: idOf('z') })).toThrow(
      'must exist in this service',
    );
  });

  it('deletes a service by its name, wherever it listens', () => {
    const both = modelWith(web('a', { listen: ['tcp://10.9.0.1:80', 'tcp://10.9.0.1:443'] }));
    expect(change(both, { op: 'delete-service', service: 'web' }).services).toEqual([]);
  });
});
