// SPDX-License-Identifier: Apache-2.0
/**
 * What a route is: one value that says everything about it. Validation, the OpenAPI document, the tests of the contract
 * and the fuzzer all read the same description, so none of them can tell another story than the handler, whose types are
 * derived from it as well.
 */
import type { ServerResponse } from 'node:http';

import type { Static, TObject, TProperties, TSchema } from '@sinclair/typebox';

import type { Precondition } from '../director/run-time.js';
import type { AdminActions, StatusAnswer } from './api.js';
import type { EventStreams } from './event-streams.js';

export type Method = 'GET' | 'POST' | 'DELETE';

export const jsonType = 'application/json';

/** What a client sends where no long body is wanted is read up to here. */
export const maxBodyBytes = 64 * 1024;

/** Statuses beside 200 that a route may answer for reasons of its own; openapi.ts has those that all of them share. */
export type RefusalStatus = 404 | 409 | 412 | 422 | 503;

export interface AdminSource {
  /** Everything of the status but the director's part. */
  readonly status: () => Omit<StatusAnswer, 'director'>;
  /** undefined while the daemon starts. */
  readonly actions: () => AdminActions | undefined;
  readonly streams: EventStreams;
}

/** One request, read and found valid. */
export interface Asked<Path, Query, Body> {
  readonly source: AdminSource;
  /** What the daemon can do; refuses with 503 while it starts or stops. */
  readonly actions: () => AdminActions;
  readonly path: Path;
  readonly query: Query;
  readonly body: Body;
  /** From If-Match; to be called in the turn of the change. */
  readonly precondition: Precondition;
  /** From Vsnat-By: who asks. */
  readonly by: string;
  /** What If-Match takes to mean this revision, as a quoted ETag. */
  readonly tagOf: (revision: number) => string;
  readonly lastEventId: string | null;
}

/** What an answer may be made of: where the schema has an array, anything that can be gone through once. */
export type Answerable<T> = T extends string | number | boolean | null | undefined
  ? T // branded ones too
  : T extends readonly (infer Item)[]
    ? Iterable<Answerable<Item>>
    : T extends object
      ? { readonly [Key in keyof T]: Answerable<T[Key]> }
      : T;

export type Reply<Body> =
  | { readonly body: Body; readonly etag?: string }
  /** Text that is no JSON. */
  | { readonly pieces: Iterator<string, void, undefined>; readonly type: string; readonly etag?: string }
  /** Writes head and body itself, for as long as the peer stays. */
  | { readonly stream: (response: ServerResponse) => void; readonly type: string };

interface Description {
  readonly method: Method;
  /** "/v1/services/{name}": a word in braces is one segment of the path. */
  readonly path: string;
  /** One sentence, as it stands in the list of routes in docs/admin-api.md. */
  readonly summary: string;
  /** Of bodies; longer ones are refused with 413. */
  readonly maxBodyBytes?: number;
  readonly refusals?: readonly RefusalStatus[];
  /** Other content types than JSON that it may answer with. */
  readonly otherTypes?: readonly string[];
  /** Carries an ETag and answers 304 to If-None-Match. */
  readonly tagged?: true;
}

interface Spec<
  Path extends TProperties,
  Query extends TProperties,
  Body extends TSchema,
  Answer extends TSchema,
> extends Description {
  /** Of each word in braces. */
  readonly parameters?: Path;
  readonly query?: Query;
  /** Left out: a body is refused. */
  readonly body?: Body;
  /** Reads a body in steps in the place of the schema's own check, where there is one with better words. Throws VSNAT_USAGE. */
  readonly readBody?: (body: unknown) => Generator<void, Static<Body>, undefined>;
  readonly answer: Answer;
  handle(
    asked: Asked<Static<TObject<Path>>, Static<TObject<Query>>, Static<Body>>,
  ): Reply<Answerable<Static<Answer>>> | Promise<Reply<Answerable<Static<Answer>>>>;
}

/** Any route, for those who read descriptions. */
export interface Route extends Description {
  readonly parameters: TProperties;
  readonly query: TProperties;
  readonly body: TSchema | null;
  readonly readBody: ((body: unknown) => Generator<void, unknown, undefined>) | null;
  readonly answer: TSchema;
  handle(asked: Asked<unknown, unknown, unknown>): Reply<unknown> | Promise<Reply<unknown>>;
}

type NoProperties = Record<string, never>;

export function route<
  Answer extends TSchema,
  Path extends TProperties = NoProperties,
  Query extends TProperties = NoProperties,
  Body extends TSchema = TSchema,
>(spec: Spec<Path, Query, Body, Answer>): Route {
  const { parameters = {}, query = {}, body = null, readBody = null } = spec;
  // What handle() is given has been read by these very schemas.
  const handle = spec.handle.bind(spec) as Route['handle'];
  return { ...spec, parameters, query, body, readBody, handle };
}
