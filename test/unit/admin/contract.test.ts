// SPDX-License-Identifier: Apache-2.0
/** Every route gives every answer it is described with, and each answer is what the OpenAPI document says. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { ErrorAnswer } from '../../../src/admin/api.js';
import { refusalsOf, sharedRefusals } from '../../../src/admin/openapi.js';
import { jsonType, type Route } from '../../../src/admin/route.js';
import { routes } from '../../../src/admin/routes/index.js';
import { openAdmin } from '../../../src/admin/server.js';
import type { FlowRow } from '../../../src/dataplane/dataplane.js';
import { webConfig } from '../cli/parts.js';
import { fakeActions } from './actions.js';
import { ask, serve, type Heard, type Sent, type Served } from './served.js';
import { document, mistakesOf } from './strict.js';

const services = `services:
  - name: web
    listen: tcp://10.9.0.1:80
    persistence: { timeout: 300s, netmask: 24 }
    servers: [10.2.1.2:8080, { address: 10.2.1.3:8080, weight: 3 }]
  - { name: dns, listen: ["udp://10.9.0.1:53"], scheduler: rr, servers: [10.2.1.2:53] }
`;

const flow: FlowRow = {
  protocol: 'tcp',
  state: 'ESTABLISHED',
  expiresInSeconds: 897,
  clientAddress: '192.0.2.7',
  clientPort: 49_153,
  virtualAddress: '10.9.0.1',
  virtualPort: 80,
  realAddress: '10.2.1.2',
  realPort: 8080,
  serviceSlot: 0,
  serverSlot: 0,
  queue: 0,
};

let served: Served;
const seen = new Set<string>();

beforeAll(async () => {
  served = await serve(services);
  served.machine.dataplane.rows = [flow, { ...flow, serviceSlot: 99 }];
});
afterAll(() => served.stop());

const find = (method: string, path: string): Route => {
  const route = routes.find((one) => one.method === method && one.path === path);
  if (route === undefined) throw new Error(`no route ${method} ${path}`);
  return route;
};

function judge(route: Route, heard: Heard): Heard {
  expect(mistakesOf(route, heard.status, heard.body ?? heard.text, heard.type || jsonType)).toEqual([]);
  seen.add(`${route.method} ${route.path} ${heard.status}`);
  return heard;
}

async function told(name: string, path: string, sent?: Sent): Promise<Heard> {
  const [method = '', pattern = ''] = name.split(' ');
  return judge(find(method, pattern), await served.ask(method, path, sent));
}

const json = (body: unknown, headers: Sent['headers'] = {}): Sent => ({
  headers: { 'content-type': jsonType, ...headers },
  body: JSON.stringify(body),
});

const aServer = { service: 'web', server: '10.2.1.2:8080' };
const bodies: Readonly<Record<string, unknown>> = {
  '/v1/change': { operations: [{ op: 'set-weight', ...aServer, weight: 7 }] },
  '/v1/drain': { ...aServer, deadlineSeconds: 30, then: 'silence' },
  '/v1/weight': { ...aServer, weight: 5 },
  '/v1/disable': aServer,
  '/v1/enable': aServer,
  '/v1/zero': { service: null },
};

const concrete = (path: string): string => path.replace('{name}', 'web');
const parameters: Readonly<Record<string, string>> = {
  'GET /v1/events': '?follow=0',
  'DELETE /v1/flows': '?service=web',
  'GET /v1/explain': '?protocol=tcp&client=192.0.2.7:40000&to=10.9.0.1:80',
};
/** With the parameters it takes to get an answer, and one that ends. */
const sensible = ({ method, path }: Route): string =>
  `${concrete(path)}${parameters[`${method} ${path}`] ?? ''}`;
const name = ({ method, path }: Route): string => `${method} ${path}`;
const named = (some: readonly Route[]): [string, Route][] => some.map((route) => [name(route), route]);
const refuses = (status: number): Route[] =>
  routes.filter(({ refusals = [] }) => refusals.includes(status as never));

describe.each(named(routes))('%s', (_, route) => {
  const path = concrete(route.path);
  const sent = route.body === null ? {} : json(bodies[route.path]);

  it('answers 200 as described', async () => {
    expect(judge(route, await served.ask(route.method, sensible(route), sent)).status).toBe(200);
  });

  it('answers 400 to a parameter that is not there, one given twice and one in broken escapes', async () => {
    for (const query of ['nonsense=1', '__proto__=1', 'x=%zz', 'x=%ff', 'x=%00'])
      expect(judge(route, await served.ask(route.method, `${path}?${query}`, sent)).status).toBe(400);
    const [known] = Object.keys(route.query);
    if (known !== undefined)
      expect(judge(route, await served.ask(route.method, `${path}?${known}=1&${known}=1`, sent)).status).toBe(
        400,
      );
  });

  it('answers 413 to a body beyond its bound, before that has been sent', async () => {
    const headers = { 'content-type': jsonType, 'content-length': String(2 ** 30) };
    expect(judge(route, await served.ask(route.method, sensible(route), { headers })).status).toBe(413);
  });

  it('answers 415 to a packed body, and to one of another type', async () => {
    for (const headers of [{ 'content-encoding': 'gzip' }, { 'content-type': 'text/plain' }])
      expect(
        judge(route, await served.ask(route.method, sensible(route), { headers, body: '{}' })).status,
      ).toBe(415);
  });

  it('answers 400 to a body that makes no sense here', async () => {
    const wrong = route.body === null ? [json({})] : [{}, json(7), json({}), json({ operations: 1 })];
    for (const one of wrong) expect(judge(route, await served.ask(route.method, path, one)).status).toBe(400);
  });

  it('says of HEAD what it says of GET, without a body', async () => {
    if (route.method !== 'GET') return;
    const heard = await served.ask('HEAD', sensible(route));
    expect([heard.status, heard.text]).toEqual([200, '']);
  });

  it('is never kept by a cache nor taken for another type', async () => {
    const { headers } = await served.ask(route.method, `${path}?nonsense=1`);
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    expect(headers).not.toHaveProperty('access-control-allow-origin');
  });
});

describe('a filter', () => {
  it.each(['/v1/servers', '/v1/health', '/v1/flows', '/v1/events?follow=0'])(
    'of %s that names no service is refused, with those there are',
    async (path) => {
      const { status, body } = await served.ask('GET', `${path}${path.includes('?') ? '&' : '?'}service=wbe`);
      expect(status).toBe(400);
      expect((body as ErrorAnswer).error.message).toMatch(/^service: must be one of web[\w, ]*, got "wbe"; /);
    },
  );

  it.each([
    ['state=WRONG', /^state: must be one of NONE, ESTABLISHED, .*, got "WRONG"; /],
    ['state=established', /^state: must be one of /],
    ['protocol=icmp', /^protocol: must be one of tcp, udp, sctp, ip, got "icmp"; /],
    ['vip=web', /^vip: must be an address, or address:port \(\[v6\]:port\), got "web"; /],
  ])('of connections is refused as %s', async (query, sentence) => {
    const { status, body } = await served.ask('GET', `/v1/flows?${query}`);
    expect(status).toBe(400);
    expect((body as ErrorAnswer).error.message).toMatch(sentence);
  });
});

describe('the other answers', () => {
  it('404: a service that is not there, in a path that would move a cursor or not', async () => {
    for (const one of ['wbe', '%1b%5b2J', 'a%2fb', '%zz']) {
      const heard = await told('GET /v1/services/{name}', `/v1/services/${one}`);
      expect([400, 404]).toContain(heard.status);
      expect(heard.text).not.toContain('\u001b');
    }
  });

  it('409: a change that does not fit', async () => {
    const nobody = { service: 'web', server: '10.2.1.9:8080' };
    const wrong: Readonly<Record<string, unknown>> = {
      '/v1/change': { operations: [{ op: 'delete-service', service: 'nothing' }] },
      '/v1/drain': nobody,
      '/v1/weight': { ...nobody, weight: 1 },
      '/v1/disable': nobody,
      '/v1/enable': nobody,
      '/v1/zero': { service: 'nothing' },
    };
    for (const route of refuses(409)) {
      const heard =
        route.method === 'DELETE'
          ? await told(name(route), `${route.path}?service=nothing`)
          : await told(name(route), route.path, json(wrong[route.path]));
      expect(heard.status, route.path).toBe(409);
    }
  });

  it('412: somebody was faster', async () => {
    for (const route of refuses(412)) {
      const body = bodies[route.path];
      const heard = await told(name(route), route.path, {
        ...(body === undefined ? {} : json(body)),
        headers: { 'if-match': '"0-0"', 'content-type': jsonType },
      });
      expect([heard.status, heard.body]).toMatchObject([412, { error: { reason: 'changed-meanwhile' } }]);
    }
  });

  it('422: a file with mistakes', async () => {
    served.machine.text = 'services: 7';
    for (const path of ['/v1/reload', '/v1/reload?dry_run=1'])
      expect(await told('POST /v1/reload', path)).toMatchObject({
        status: 422,
        body: { error: { code: 'VSNAT_CONFIG_INVALID' } },
      });
    served.machine.text = services;
  });

  it('503: while the daemon starts', async () => {
    const socket = `${served.machine.socket}.2`;
    const identity = { pid: 1, version: '0', configFile: 'x', startedAt: 5 };
    const starting = await openAdmin({ socket, identity, onFailure: () => undefined });
    for (const route of refuses(503)) {
      const body = bodies[route.path];
      const heard = await ask(socket, route.method, sensible(route), body === undefined ? {} : json(body));
      expect(judge(route, heard).status).toBe(503);
    }
    await starting.close();
  });

  it('500: a bug, told to the log and not to the asker', async () => {
    const socket = `${served.machine.socket}.3`;
    const identity = { pid: 1, version: '0', configFile: 'x', startedAt: 5 };
    const failures: unknown[] = [];
    const broken = await openAdmin({ socket, identity, onFailure: (error) => failures.push(error) });
    const fail = (): never => {
      throw new TypeError('secret');
    };
    const failing = Object.fromEntries(Object.keys(fakeActions()).map((key) => [key, fail]));
    broken.attach(fakeActions(failing));
    for (const route of refuses(503)) {
      const body = bodies[route.path];
      const heard = await ask(socket, route.method, sensible(route), body === undefined ? {} : json(body));
      expect(judge(route, heard).status).toBe(500);
      expect(heard.text).not.toContain('secret');
    }
    expect(failures).toHaveLength(refuses(503).length);
    await broken.close();
  });

  it('304: whoever has it already', async () => {
    for (const route of routes.filter(({ tagged }) => tagged)) {
      const { headers } = await told(name(route), route.path);
      const etag = headers['etag'] as string;
      for (const sent of [etag, `"x", ${etag}`, `W/${etag}`, '*'])
        expect((await told(name(route), route.path, { headers: { 'if-none-match': sent } })).status).toBe(
          304,
        );
      expect((await told(name(route), route.path, { headers: { 'if-none-match': '"x"' } })).status).toBe(200);
      expect((await told(name(route), route.path, { headers: { 'if-none-match': 'x' } })).status).toBe(400);
    }
  });

  it('in YAML: the configuration, which is one again', async () => {
    const heard = await told('GET /v1/config', '/v1/config?format=yaml');
    expect(heard.type).toBe('application/yaml');
    served.machine.text = heard.text;
    expect((await told('POST /v1/reload', '/v1/reload?dry_run=1')).body).toMatchObject({
      result: 'unchanged',
    });
    served.machine.text = services;
  });

  it('are all of them: no route is described with a refusal it does not give', () => {
    const elsewhere = [401, 403, 429]; // over TCP: see tcp.test.ts
    const described = routes.flatMap((route) =>
      [200, ...refusalsOf(route)]
        .filter((status) => !elsewhere.includes(status))
        // A route that asks nobody has nobody to fail.
        .filter((status) => status !== 500 || (route.refusals ?? []).includes(503))
        .map((status) => `${name(route)} ${status}`),
    );
    expect(described.filter((one) => !seen.has(one))).toEqual([]);
  });
});

describe('a change', () => {
  const weight = async (): Promise<number | undefined> => {
    const { body } = await served.ask('GET', '/v1/services/web');
    return (body as { servers: { weight: number }[] }).servers[0]?.weight;
  };

  it('can be shown before it is made, by every route that makes one', async () => {
    await served.post('/v1/weight', { ...aServer, weight: 2 });
    const dry = await served.post('/v1/weight?dry_run=1', { ...aServer, weight: 9 });
    expect(dry.body).toMatchObject({ dryRun: true, changes: [{ property: 'weight', from: '2', to: '9' }] });
    expect(await weight()).toBe(2);
    served.machine.text = webConfig(4);
    const file = await served.ask('POST', '/v1/reload?dry_run=1');
    expect(file.body).toMatchObject({ result: 'would-apply' });
    expect((file.body as { lost: unknown[] }).lost.length).toBeGreaterThan(0);
    expect(await weight()).toBe(2);
    served.machine.text = services;
  });

  it('is listed against the file, until the file is loaded again', async () => {
    await served.ask('POST', '/v1/reload');
    expect((await served.ask('GET', '/v1/changes')).body).toMatchObject({ changes: [] });
    await served.post('/v1/weight', { ...aServer, weight: 9 });
    expect((await served.ask('GET', '/v1/changes')).body).toMatchObject({
      changes: [{ kind: 'changed', name: 'web 10.2.1.2:8080', from: '1', to: '9', by: 'api' }],
    });
  });

  it('says by whom: what the asker calls itself, in the list, in the events and in the log', async () => {
    await served.ask('POST', '/v1/reload', { headers: { 'vsnat-by': 'cli' } });
    await served.post('/v1/weight', { ...aServer, weight: 8 }, { 'vsnat-by': 'deployer@ci' });
    await served.daemon.reload();
    await served.post('/v1/weight', { ...aServer, weight: 7 }, { 'vsnat-by': 'ipvsadm' });
    const { body } = await served.ask('GET', '/v1/changes');
    expect(body).toMatchObject({ changes: [{ to: '7', by: 'ipvsadm', at: expect.any(Number) as number }] });
    const authors = async (kind: string): Promise<unknown[]> => {
      const page = await served.ask('GET', `/v1/events?follow=0&kind=${kind}`);
      return (page.body as { events: { detail: { by?: unknown } }[] }).events.map(({ detail }) => detail.by);
    };
    expect((await authors('change')).slice(-2)).toEqual(['deployer@ci', 'ipvsadm']);
    expect((await authors('reload')).slice(-2)).toEqual(['cli', 'sighup']);
    expect(served.machine.log.join('')).toContain('by=deployer@ci');
  });

  it.each([
    ['a name beyond ASCII', 'r\u00f6ot'],
    ['a name that would colour a terminal', '[31mroot'],
    ['two names', 'cli api'],
    ['a name that is too long', 'x'.repeat(33)],
    ['no name', ''],
    ['the daemon itself', 'sighup'],
    ['the daemon itself, in capitals', 'Health'],
  ])('is refused to %s, and nothing is changed', async (_, name) => {
    const before = await weight();
    const { status, body } = await served.post(
      '/v1/weight',
      { ...aServer, weight: 99 },
      { 'vsnat-by': name },
    );
    expect(status).toBe(400);
    expect((body as { error: { message: string } }).error.message).toMatch(/^vsnat-by: must /);
    expect(await weight()).toBe(before);
  });

  it('of two writers who read the same is made once, and many who try again lose nothing', async () => {
    await served.post('/v1/weight', { ...aServer, weight: 0 });
    let refused = 0;
    const writer = async (): Promise<void> => {
      for (;;) {
        const { headers, body } = await served.ask('GET', '/v1/config');
        const { configuration } = body as {
          configuration: { services: { servers: { weight: number }[] }[] };
        };
        const next = (configuration.services[0]?.servers[0]?.weight ?? 0) + 1;
        const ifMatch = { 'if-match': headers['etag'] as string };
        const { status } = await served.post('/v1/weight', { ...aServer, weight: next }, ifMatch);
        if (status === 200) return;
        expect(status).toBe(412);
        refused += 1;
      }
    };
    await Promise.all(Array.from({ length: 12 }, writer));
    expect(await weight()).toBe(12);
    expect(refused).toBeGreaterThan(0);
  });
});

describe('the OpenAPI document', () => {
  it('names every route, and every reference in it leads somewhere', () => {
    const paths = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(paths.toSorted()).toEqual(routes.map(name).toSorted());
    for (const [, ref = ''] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const found = ref
        .split('/')
        .reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], document);
      expect(found, ref).toBeDefined();
    }
  });

  it('has another operationId for every route', () => {
    const ids = [...JSON.stringify(document).matchAll(/"operationId":"([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(routes.length);
  });

  it('says of every status that any route may answer what it means', () => {
    for (const status of Object.keys(sharedRefusals))
      expect(document.components.responses).toHaveProperty(`E${status}`);
  });
});
