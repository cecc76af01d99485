// SPDX-License-Identifier: Apache-2.0
/**
 * Every route fuzzed from its own description, against a real daemon over a fake dataplane. What a description allows is
 * never answered with 5xx; what it does not is answered with 4xx and a sentence; and after any 4xx the configuration is what it
 * was. VSNAT_FUZZ_SECONDS is for how long each; a moment when it is not set.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Route } from '../../../src/admin/route.js';
import { routes } from '../../../src/admin/routes/index.js';
import { requestFor, targetOf, type FuzzRequest } from './arbitrary.js';
import { serve, type Heard, type Served } from './served.js';
import { mistakesOf } from './strict.js';

const services = `services:
  - { name: web, listen: ["tcp://10.9.0.1:80"], scheduler: rr, servers: [10.2.1.2:8080, 10.2.1.3:8080] }
  - { name: dns, listen: ["udp://10.9.0.1:53"], scheduler: rr, servers: [10.2.1.2:53] }
`;

const seconds = Number(process.env['VSNAT_FUZZ_SECONDS'] ?? 0);
const long = { numRuns: 1_000_000_000, interruptAfterTimeLimit: seconds * 1000 };
const runs = (usual: number) => (seconds > 0 ? long : { numRuns: usual });
const timeout = 60_000 + seconds * 2_000;

let served: Served;
beforeAll(async () => {
  served = await serve(services);
});
afterAll(() => served.stop());

const byName = new Map(routes.map((route) => [`${route.method} ${route.path}`, route]));

function routeOf({ name }: FuzzRequest): Route {
  const route = byName.get(name);
  if (route === undefined) throw new Error(name);
  return route;
}

const anyRequest = fc.constantFrom(...routes).chain(requestFor);

async function configuration(): Promise<string> {
  return (await served.ask('GET', '/v1/config')).text;
}

function send(request: FuzzRequest, target = targetOf(request), text?: string): Promise<Heard> {
  const { body, headers } = request;
  const sent = text ?? (body === undefined ? undefined : JSON.stringify(body));
  return served.ask(routeOf(request).method, target, { headers, ...(sent !== undefined && { body: sent }) });
}

/** Also makes what was changed undone. */
async function judge(route: Route, ask: () => Promise<Heard>): Promise<number> {
  const before = await configuration();
  const heard = await ask();
  const { status } = heard;
  expect(status, heard.text).toBeLessThan(500);
  if (heard.type !== 'text/event-stream')
    expect(mistakesOf(route, status, heard.body ?? heard.text, heard.type)).toEqual([]);
  if (status >= 400) {
    const { message } = (heard.body as { error: { message: string } }).error;
    expect(message).toMatch(/[^:]: ./); // where: what is wrong
    expect(message).not.toMatch(/[^\P{Cc}\n]/u); // nothing that was sent moves a cursor
    expect(await configuration()).toBe(before);
  } else if (route.method !== 'GET') {
    expect((await served.ask('POST', '/v1/reload')).status).toBe(200);
  }
  return status;
}

describe('the admin API, fuzzed', () => {
  it(
    'never fails at what its routes allow',
    async () => {
      const seen = new Map<string, number>();
      await fc.assert(
        fc.asyncProperty(anyRequest, async (request) => {
          const route = routeOf(request);
          const isStream = route.path === '/v1/events' && !request.query.some(([name]) => name === 'follow');
          const target = targetOf(
            isStream ? { ...request, query: [...request.query, ['follow', '0']] } : request,
          );
          const status = await judge(route, () => send(request, target));
          seen.set(route.path, (seen.get(route.path) ?? 0) + (status === 200 ? 1 : 0));
        }),
        runs(400),
      );
      // A fuzzer that never gets through tries nothing.
      expect([...seen.values()].filter((count) => count > 0).length).toBeGreaterThan(routes.length / 2);
    },
    timeout,
  );

  const wrongQuery = fc.constantFrom(
    (target: string) => `${target}${target.includes('?') ? '&' : '?'}nonsense=1`,
    (target: string) => `${target}${target.includes('?') ? '&' : '?'}x=%`,
    (target: string) => `${target}${target.includes('?') ? '&' : '?'}x=%c3%28`,
    (target: string) => `${target}${target.includes('?') ? '&' : '?'}dry_run=maybe`,
    (target: string) => `${target}${target.includes('?') ? '&' : '?'}limit=-1&limit=2`,
  );

  it(
    'refuses what they do not: parameters',
    async () => {
      await fc.assert(
        fc.asyncProperty(anyRequest, wrongQuery, async (request, wrong) => {
          expect(await judge(routeOf(request), () => send(request, wrong(targetOf(request))))).toBe(400);
        }),
        runs(100),
      );
    },
    timeout,
  );

  const wrongText = fc.constantFrom(
    (text: string) => text.slice(0, -1),
    (text: string) => `${text}}`,
    (text: string) => `[${text}]`,
    () => '7',
    () => 'null',
    () => '"text"',
    () => '',
    () => `${'['.repeat(5_000)}${']'.repeat(5_000)}`,
    () => '{"__proto__":{"operations":[]}}',
    (text: string) => text.replace(/^\{/, '{"nonsense":1,'),
    (text: string) => text.replace(/"(?:service|operations)":/, '"nothing":'),
  );
  const withBody = fc.constantFrom(...routes.filter(({ body }) => body !== null)).chain(requestFor);

  it(
    'refuses what they do not: bodies',
    async () => {
      await fc.assert(
        fc.asyncProperty(withBody, wrongText, async (request, wrong) => {
          const text = wrong(JSON.stringify(request.body));
          const target = targetOf({ ...request, query: [] });
          expect(await judge(routeOf(request), () => send(request, target, text)), text).toBe(400);
        }),
        runs(150),
      );
    },
    timeout,
  );

  it(
    'takes or refuses, and never fails at, whatever else is sent',
    async () => {
      const anything = fc.oneof(
        fc.json(),
        fc.string({ unit: 'binary' }),
        fc
          .object({ key: fc.constantFrom('service', 'server', 'weight', 'operations', 'op', '__proto__') })
          .map((value) => JSON.stringify(value)),
      );
      await fc.assert(
        fc.asyncProperty(withBody, anything, async (request, text) => {
          await judge(routeOf(request), () => send(request, targetOf({ ...request, query: [] }), text));
        }),
        runs(150),
      );
    },
    timeout,
  );
});
