// SPDX-License-Identifier: Apache-2.0
/** Where others come in: administration and metrics. */
import { Type } from '@sinclair/typebox';
import { count, map, oneOf, optionalMap, yesOrNo } from './words.js';

const file = 'must be the path of a file';

const tls = Type.Object(
  {
    certificate: Type.String({
      description: 'PEM, with the chain; relative to this file.',
      errorMessage: file,
      examples: ['/etc/vsnat/admin.pem'],
    }),
    key: Type.String({
      description: 'Its private key, PEM.',
      errorMessage: file,
      examples: ['/etc/vsnat/admin.key'],
    }),
    client_ca: Type.Optional(
      Type.String({
        description: 'Clients must have a certificate of this authority.',
        otherwise: 'none',
        errorMessage: file,
      }),
    ),
  },
  { ...map, description: 'TLS on `admin.listen`.' },
);

export const adminSchema = Type.Optional(
  Type.Object(
    {
      socket: Type.Optional(
        Type.String({
          description: 'Unix socket that `vsnat status`, `reload` and the others talk to.',
          default: '/run/vsnat/vsnat.sock',
          pattern: '^/[^\\u0000]{1,106}$',
          errorMessage: 'must be an absolute path of at most 107 bytes',
        }),
      ),
      mode: Type.Optional(
        Type.String({
          description: 'Permissions of the socket. Whoever may write to it administers the director.',
          default: '0660',
          pattern: '^0?[0-7]{3}$',
          errorMessage: 'must be octal digits in quotes, like "0660"',
        }),
      ),
      group: Type.Optional(
        Type.Union(
          [
            Type.String({ pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$' }),
            Type.Integer({ minimum: 0, maximum: 0xfffffffe }),
          ],
          {
            description: 'Group of the socket, by name or number.',
            otherwise: "the daemon's",
            errorMessage: 'must be the name or number of a group',
          },
        ),
      ),
      listen: Type.Optional(
        Type.String({
          description: 'The same over TCP, for those with the token or a certificate; or `off`.',
          default: 'off',
          errorMessage: 'must be off or address:port like 127.0.0.1:9192',
        }),
      ),
      token_file: Type.Optional(
        Type.String({
          description: 'File with the bearer token that `admin.listen` asks for.',
          otherwise: 'none',
          errorMessage: file,
        }),
      ),
      tls: Type.Optional(tls),
      run_time_changes: Type.Optional(
        oneOf(['drop', 'keep'], {
          description: 'What a reload does with changes made at run time that the file does not have.',
          default: 'drop',
        }),
      ),
    },
    { ...optionalMap, description: 'Administration.' },
  ),
);

export const metricsSchema = Type.Optional(
  Type.Object(
    {
      listen: Type.Optional(
        Type.String({
          description: 'Where Prometheus finds /metrics, with /livez and /readyz beside it; or `off`.',
          default: '127.0.0.1:9191',
          errorMessage: 'must be off or address:port like 127.0.0.1:9191',
        }),
      ),
      node_ipvs: yesOrNo(false, 'The names of the node exporter, `node_ipvs_*`, as well.'),
      max_series: count(100, 1_000_000, {
        description: 'Time series in one scrape at most; metrics.md tells what goes first beyond it.',
        default: 10_000,
      }),
    },
    { ...optionalMap, description: 'Metrics over HTTP.' },
  ),
);
