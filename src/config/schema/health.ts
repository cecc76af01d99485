// SPDX-License-Identifier: Apache-2.0
/**
 * Health checks. One map for all types, not one per type: a misspelt or misplaced key is then answered with the key that
 * was meant, where a union of nine maps could only say that none of them fits. Which key belongs to which type is `keysOf`.
 */
import { Type } from '@sinclair/typebox';
import { dnsRecordTypes, type CheckKind } from '../../model/health.js';
import { count, duration, map, oneOf, yesOrNo } from './words.js';

export const checkKinds = [
  'tcp',
  'http',
  'https',
  'dns',
  'udp',
  'icmp',
  'exec',
  'agent',
  'module',
] as const satisfies readonly CheckKind[];

export const httpMethods = ['GET', 'HEAD', 'OPTIONS', 'POST'] as const;

const http = ['method', 'path', 'host', 'headers', 'expect', 'body'];

/** Keys that not every type has. */
export const keysOf: Readonly<Record<CheckKind, readonly string[]>> = {
  tcp: [],
  http,
  https: [...http, 'tls'],
  dns: ['name', 'record', 'transport', 'expect', 'answer'],
  udp: ['send', 'expect'],
  icmp: [],
  exec: ['command'],
  agent: ['send'],
  module: ['file', 'options'],
};

const text = 'must be text';

const pem = 'must be the path of a PEM file, or PEM text';

const tls = Type.Object(
  {
    server_name: Type.Optional(
      Type.String({
        description: 'Name asked for (SNI) and expected of the certificate.',
        otherwise: '`host`',
        errorMessage: text,
      }),
    ),
    verify: yesOrNo(true, 'Whether the certificate must be one that `ca` vouches for, with the right name.'),
    ca: Type.Optional(
      Type.String({
        description: 'The authorities to believe, as a file relative to this one, or as text.',
        otherwise: "the system's",
        errorMessage: pem,
      }),
    ),
    certificate: Type.Optional(
      Type.String({
        description: "The check's own certificate, for servers that ask for one; with `key`.",
        otherwise: 'none',
        errorMessage: pem,
      }),
    ),
    key: Type.Optional(
      Type.String({ description: 'Its private key.', otherwise: 'none', errorMessage: pem }),
    ),
  },
  { ...map, description: '`https`: how far the server is believed.' },
);

const check = Type.Object(
  {
    type: oneOf(checkKinds, {
      description: 'What is asked of the server; see health.md.',
      examples: ['tcp'],
    }),
    interval: duration('100ms..1h', { description: 'From one check to the next.', default: '2s' }),
    fast_interval: duration('50ms..1h', {
      description: 'The same while the last answers and the state of the server disagree, or it is suspect.',
      otherwise: 'a quarter of `interval`, and at least 100ms',
    }),
    timeout: duration('10ms..1h', {
      description: 'For one check, from its first packet to its last. Not longer than `interval`.',
      otherwise: '1s, or `interval` where that is shorter',
    }),
    rise: count(1, 1000, { description: 'So many good answers in a row bring a server up.', default: 2 }),
    fall: count(1, 1000, { description: 'So many bad ones take it down.', default: 3 }),
    jitter: Type.Optional(
      Type.String({
        description: 'Every wait is longer or shorter by up to this share of it.',
        default: '10%',
        errorMessage: 'must be 0%..50%',
      }),
    ),
    port: count(1, 65535, {
      description: 'Where to ask; with `through: vip` a port of the service. `agent` needs it.',
      otherwise: "the server's port",
    }),
    source: Type.Optional(
      Type.String({
        description:
          'Address of this host to ask from. With `through: vip`, which needs it, an address that no host has; see health.md.',
        otherwise: "the kernel's choice",
        errorMessage: 'must be an IPv4 or IPv6 address',
      }),
    ),
    through: Type.Optional(
      oneOf(['direct', 'vip'], {
        description:
          '`vip`: the check goes in at the VIP and through the dataplane to this very server, as a client would. For `tcp`, `http`, `https`, `dns` and `udp`; needs `source`.',
        default: 'direct',
      }),
    ),
    passive: yesOrNo(
      true,
      "Clients' SYNs without an answer, resets and ICMP errors make the server suspect, and it is asked sooner.",
    ),
    method: Type.Optional(oneOf(httpMethods, { description: '`http`, `https`.', default: 'GET' })),
    path: Type.Optional(
      Type.String({
        description: '`http`, `https`: what is asked for.',
        default: '/',
        pattern: '^/[!-~]{0,2000}$',
        errorMessage: 'must begin with / and have no spaces; write %20 for one',
      }),
    ),
    host: Type.Optional(
      Type.String({
        description: '`http`, `https`: the `Host` header.',
        otherwise: 'address and port of the server',
        pattern: '^[A-Za-z0-9._:\\[\\]-]{1,255}$',
        errorMessage: 'must be a host name, with :port where needed',
      }),
    ),
    headers: Type.Optional(
      Type.Object(
        {},
        {
          additionalProperties: Type.String({ errorMessage: 'must be text; put it in quotes' }),
          description: '`http`, `https`: further headers, as `{ X-Probe: vsnat }`.',
          default: {},
          otherwise: 'none',
          errorMessage: 'must be a map of texts',
        },
      ),
    ),
    expect: Type.Optional(
      Type.Union([Type.String(), Type.Integer(), Type.Array(Type.Union([Type.String(), Type.Integer()]))], {
        description:
          '`http`, `https`: status codes, as `200-399` or `"200-299, 404"`. `dns`: response codes, as `[NOERROR]`. `udp`: a regular expression for the answer; without one silence is good and only an ICMP error is bad.',
        otherwise: '`200-399`, `[NOERROR]`, or none',
        errorMessage: 'must be text or a list',
      }),
    ),
    body: Type.Optional(
      Type.String({
        description: '`http`, `https`: a regular expression that the first 64 KiB of the body must match.',
        otherwise: 'none',
        errorMessage: 'must be a regular expression',
      }),
    ),
    tls: Type.Optional(tls),
    name: Type.Optional(
      Type.String({ description: '`dns`: the name asked for.', otherwise: 'required', errorMessage: text }),
    ),
    record: Type.Optional(oneOf(dnsRecordTypes, { description: '`dns`: the type of record.', default: 'A' })),
    transport: Type.Optional(
      oneOf(['udp', 'tcp'], { description: '`dns`: how it is asked.', default: 'udp' }),
    ),
    answer: Type.Optional(
      Type.String({
        description: '`dns`: what one record of the answer must be, as `10.2.1.2`.',
        otherwise: 'any',
        errorMessage: text,
      }),
    ),
    send: Type.Optional(
      Type.String({
        description: '`udp`, `agent`: what is sent, as text, `hex:0a0b` or `base64:Cgs=`; `agent` as text.',
        default: '',
        errorMessage: text,
      }),
    ),
    command: Type.Optional(
      Type.Array(Type.String(), {
        description:
          '`exec`: program and arguments; exit code 0 is good. A path without a leading slash, as `./check.sh`, is relative to this file.',
        otherwise: 'required',
        minItems: 1,
        errorMessage: 'must be a list of texts, the program first',
      }),
    ),
    file: Type.Optional(
      Type.String({
        description: '`module`: an ES module, relative to this file.',
        otherwise: 'required',
        errorMessage: 'must be the path of a module',
      }),
    ),
    options: Type.Optional(
      Type.Unknown({
        description: '`module`: given to the module as they are.',
        default: {},
        errorMessage: 'must be any value',
      }),
    ),
  },
  map,
);

const healthText = 'must be a map with type, a list of such maps, or off';

/** Of a service; the same of the document, for every service without its own. */
export const healthSchema = (described: {
  readonly description: string;
  readonly default?: 'off';
  readonly otherwise?: string;
  readonly sameAs?: string;
}) =>
  Type.Optional(
    Type.Union([Type.Literal('off'), check, Type.Array(check, { minItems: 1, maxItems: 16 })], {
      errorMessage: healthText,
      examples: ['{ type: tcp }'],
      ...described,
    }),
  );
