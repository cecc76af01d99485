// SPDX-License-Identifier: Apache-2.0
/** From the target of a request to its route. The path is matched as it was sent: dots and escapes have no tricks here. */
import { HttpRefusal } from './refusal.js';
import { isWellEncoded, readParameter } from './read-values.js';
import type { Method, Route } from './route.js';

export interface Target {
  readonly path: string;
  readonly query: string;
}

export interface Found {
  readonly route: Route;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** In origin form (`/v1/status?x=1`), or in the absolute form that proxies send and RFC 9112 section 3.2.2 asks for. */
export function targetOf(url = '/'): Target {
  const [whole = '/'] = url.split('#', 1);
  const rest = whole.replace(/^https?:\/\/[^/?]*/i, '');
  const at = rest.indexOf('?');
  return at < 0 ? { path: rest, query: '' } : { path: rest.slice(0, at), query: rest.slice(at + 1) };
}

export class Router {
  readonly #routes: readonly { readonly route: Route; readonly segments: readonly string[] }[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes.map((route) => ({ route, segments: route.path.split('/') }));
  }

  /** Throws 404 for a path nobody has, 405 for a method that a path does not have, 400 for a bad name in a path. */
  find(method: string, path: string): Found {
    const segments = path.split('/');
    const here = this.#routes.filter((one) => fits(one.segments, segments));
    if (here.length === 0) throw new HttpRefusal(404, `path: must be one of ${this.#paths().join(', ')}`);
    const wanted = method === 'HEAD' ? 'GET' : method;
    const found = here.find(({ route }) => route.method === (wanted as Method));
    if (found === undefined) {
      const allow = here.flatMap(({ route }) => (route.method === 'GET' ? ['GET', 'HEAD'] : [route.method]));
      throw new HttpRefusal(405, `method: must be ${allow.join(' or ')}`, { allow: allow.join(', ') });
    }
    return { route: found.route, parameters: parametersOf(found.route, found.segments, segments) };
  }

  #paths(): readonly string[] {
    return [...new Set(this.#routes.map(({ route }) => route.path))];
  }
}

const isParameter = (segment: string): boolean => segment.startsWith('{');

const fits = (pattern: readonly string[], segments: readonly string[]): boolean =>
  pattern.length === segments.length &&
  pattern.every((word, index) => (isParameter(word) ? segments[index] !== '' : word === segments[index]));

function parametersOf(
  { parameters }: Route,
  pattern: readonly string[],
  segments: readonly string[],
): Readonly<Record<string, unknown>> {
  const given = pattern.flatMap((word, index) =>
    isParameter(word) ? [[word.slice(1, -1), segments[index] ?? ''] as const] : [],
  );
  return Object.fromEntries(
    given.map(([name, text]) => {
      if (!isWellEncoded(text))
        throw new HttpRefusal(400, 'path: must be percent-encoded UTF-8 without control characters');
      const schema = parameters[name];
      return [name, schema === undefined ? text : readParameter(name, schema, decodeURIComponent(text))];
    }),
  );
}
