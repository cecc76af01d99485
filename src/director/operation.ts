// SPDX-License-Identifier: Apache-2.0
/**
 * Changes at run time, as data: what `vsnat ipvsadm` and the admin API ask for. A service is named by where it listens, as
 * in LVS, or by its name; a server by where it is.
 */
import { Type, type Static } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';

import { VsnatError } from '../errors.js';
import { maxWeight, type IpAddress } from '../model/index.js';
import { schedulerFlags } from '../scheduler/index.js';

const exact = { additionalProperties: false } as const;
const service = Type.String({ maxLength: 100 });
const server = Type.String({ maxLength: 100 });
const threshold = Type.Integer({ minimum: 0, maximum: 0x7fffffff });
const seconds = Type.Integer({ minimum: 0, maximum: 31 * 24 * 3600 });
const weight = Type.Integer({ minimum: 0, maximum: maxWeight });

const serviceSettings = {
  scheduler: Type.String({ maxLength: 63 }),
  flags: Type.Array(Type.Union(schedulerFlags.map((flag) => Type.Literal(flag))), { maxItems: 4 }),
  /** Left out or null: none. */
  persistence: Type.Optional(
    Type.Union([
      Type.Null(),
      Type.Object(
        {
          timeoutSeconds: Type.Integer({ minimum: 1, maximum: 31 * 24 * 3600 }),
          prefixLength: Type.Integer({ minimum: 0, maximum: 128 }),
          /** IPv4: a mask that is no prefix, in the place of the length. */
          mask: Type.Optional(Type.Unsafe<IpAddress>(Type.String({ maxLength: 15 }))),
        },
        exact,
      ),
    ]),
  ),
  /** A persistence engine, by its name. Left out or null: none. */
  engine: Type.Optional(Type.Union([Type.Null(), Type.String({ maxLength: 16 })])),
  onePacket: Type.Optional(Type.Boolean()),
};

const serverSettings = {
  weight,
  upperThreshold: threshold,
  lowerThreshold: threshold,
};

/** By the word in `op`. */
export const operationSchemas = {
  'add-service': Type.Object({ op: Type.Literal('add-service'), service, ...serviceSettings }, exact),
  'edit-service': Type.Object({ op: Type.Literal('edit-service'), service, ...serviceSettings }, exact),
  'delete-service': Type.Object({ op: Type.Literal('delete-service'), service }, exact),
  'add-server': Type.Object({ op: Type.Literal('add-server'), service, server, ...serverSettings }, exact),
  'edit-server': Type.Object({ op: Type.Literal('edit-server'), service, server, ...serverSettings }, exact),
  'delete-server': Type.Object({ op: Type.Literal('delete-server'), service, server }, exact),
  clear: Type.Object({ op: Type.Literal('clear') }, exact),
  /** 0 leaves a timeout as it is. */
  'set-timeouts': Type.Object(
    { op: Type.Literal('set-timeouts'), tcp: seconds, tcpFin: seconds, udp: seconds },
    exact,
  ),
  /** null: the file's. */
  'set-weight': Type.Object(
    { op: Type.Literal('set-weight'), service, server, weight: Type.Union([weight, Type.Null()]) },
    exact,
  ),
  /** No new connections; what becomes of the live ones, the service's `drain` says. */
  disable: Type.Object({ op: Type.Literal('disable'), service, server }, exact),
  /** The same with a word of its own about the live ones: left out as the service says, null never. */
  drain: Type.Object(
    {
      op: Type.Literal('drain'),
      service,
      server,
      deadlineSeconds: Type.Optional(Type.Union([seconds, Type.Null()])),
      then: Type.Optional(Type.Union([Type.Literal('reset'), Type.Literal('silence')])),
    },
    exact,
  ),
  /** Both take back both of the above. */
  enable: Type.Object({ op: Type.Literal('enable'), service, server }, exact),
  undrain: Type.Object({ op: Type.Literal('undrain'), service, server }, exact),
} as const;

type Schemas = typeof operationSchemas;
export type OperationName = keyof Schemas;
export type Operation = { [Name in OperationName]: Readonly<Static<Schemas[Name]>> }[OperationName];

export const operationNames = Object.keys(operationSchemas) as readonly OperationName[];

/** Reads what came over the admin socket, `{ "operations": [ … ] }`, one by one. Throws VSNAT_USAGE. */
export function* readOperations(body: unknown): Generator<void, readonly Operation[], undefined> {
  const list: unknown = isMap(body) ? body['operations'] : undefined;
  if (!Array.isArray(list)) throw mistake('body', 'be {"operations": […]}');
  const operations: Operation[] = [];
  for (const [index, item] of list.entries()) {
    operations.push(readOperation(item, `operations[${index}]`));
    yield;
  }
  return operations;
}

function readOperation(item: unknown, where: string): Operation {
  const name = isMap(item) ? item['op'] : undefined;
  const known = operationNames.find((one) => one === name);
  if (known === undefined) throw mistake(`${where}.op`, `be one of ${operationNames.join(', ')}`);
  const error = Value.Errors(operationSchemas[known], item).First();
  if (error !== undefined) {
    throw mistake(`${where}${error.path.replaceAll('/', '.')}`, `fit: ${error.message.toLowerCase()}`);
  }
  return item as Operation;
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const mistake = (where: string, must: string): VsnatError =>
  new VsnatError('VSNAT_USAGE', `${where}: must ${must}; see docs/admin-api.md`);
