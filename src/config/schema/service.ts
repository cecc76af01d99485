// SPDX-License-Identifier: Apache-2.0
/** A virtual service, and what a mark stands for. */
import { Type } from '@sinclair/typebox';
import { helperNames } from '../../model/service.js';
import { kernelPersistenceSeconds, persistenceEngines } from '../../model/persistence.js';
import { kernelTimeouts } from '../../model/timeouts.js';
import { schedulerFlags, schedulerNames, shippedNames } from '../../scheduler/index.js';
import { healthSchema } from './health.js';
import { serversSchema, sorrySchema } from './server.js';
import { drainSchema, quorumSchema, slowStartSchema } from './standing.js';
import { count, map, oneOf, optionalMap, seconds, textOrNumber, yesOrNo } from './words.js';

const timeouts = Type.Optional(
  Type.Object(
    {
      tcp_established: seconds(
        kernelTimeouts.tcpEstablished,
        'A connection in use. RFC 5382 asks a NAT for 7440s; raise it for quiet connections without keepalives.',
      ),
      tcp_syn_recv: seconds(kernelTimeouts.tcpSynRecv, 'SYN seen, handshake not finished.'),
      tcp_syn_sent: seconds(kernelTimeouts.tcpSynSent, "A SYN from the server's side."),
      tcp_fin_wait: seconds(kernelTimeouts.tcpFinWait, 'The server closed its half.'),
      tcp_time_wait: seconds(kernelTimeouts.tcpTimeWait, 'Both halves closed.'),
      tcp_close: seconds(kernelTimeouts.tcpClose, 'After a reset.'),
      tcp_close_wait: seconds(
        kernelTimeouts.tcpCloseWait,
        'The client closed its half; a pause longer than this in what the server still sends ends the connection.',
      ),
      tcp_last_ack: seconds(kernelTimeouts.tcpLastAck, 'Waiting for the last acknowledgement.'),
      udp: seconds(kernelTimeouts.udp, 'A UDP client that went quiet; its next datagram is scheduled anew.'),
      sctp_established: seconds(
        kernelTimeouts.sctpEstablished,
        'An SCTP association in use. While it opens or closes the kernel fixed 61s, or 4s after the first INIT.',
      ),
    },
    { ...optionalMap, description: 'How long idle connections of this service are remembered, by state.' },
  ),
);

const persistence = Type.Optional(
  Type.Object(
    {
      timeout: seconds(
        kernelPersistenceSeconds,
        'How long a client is remembered after its last new connection; longer while it has any.',
      ),
      netmask: Type.Optional(
        textOrNumber({
          description:
            'How much of a client address counts: 24 or 255.255.255.0 for all clients of a /24 together; `full` for all of it. An IPv4 mask may have holes: with 0.0.0.255 the last byte alone counts.',
          default: 'full',
          errorMessage: 'must be full, a prefix length like 24 or a mask like 255.255.255.0',
        }),
      ),
      engine: Type.Optional(
        oneOf(['none', ...persistenceEngines], {
          description:
            'What of a connection must be the same besides the client. `sip`: the Call-ID of the SIP message in its first datagram; a datagram without one is dropped.',
          default: 'none',
        }),
      ),
    },
    {
      ...map,
      description:
        'New connections of a client go to the real server of its last one. `{}` for the defaults; persistence.md tells the details.',
    },
  ),
);

const listenAddress = Type.String({
  errorMessage: 'must be text like tcp://10.9.0.1:80',
  examples: ['tcp://10.9.0.1:80'],
});

const listenText = 'must be text like tcp://10.9.0.1:80 or a list of such';

export const serviceSchema = Type.Object(
  {
    name: Type.String({
      description: 'Identity across reloads and label in metrics.',
      pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$',
      errorMessage: 'must be 1..63 letters, digits, dots, dashes or underscores, a letter or digit first',
      examples: ['web'],
    }),
    listen: Type.Optional(
      Type.Union([listenAddress, Type.Array(listenAddress, { minItems: 1 })], {
        description:
          'VIP and port, as `tcp://10.9.0.1:80` or `udp://[2001:db8::1]:53`, or with `sctp://`; or a list of them, of one address family. Without a port, every port: for services with `persistence` or a `mark`. To be left out where `marks` explains the `mark`.',
        errorMessage: listenText,
        examples: ['tcp://10.9.0.1:80'],
        otherwise: 'required, or of `marks`',
      }),
    ),
    scheduler: Type.Optional(
      Type.Unsafe<string>({
        // The names are for editors; draft/scheduler.ts tells what is none.
        anyOf: [{ type: 'string', enum: [...schedulerNames, ...shippedNames] }, { type: 'string' }],
        errorMessage: `must be one of ${[...schedulerNames, ...shippedNames].join(', ')} or a module like ./my-scheduler.js`,
        description:
          'How a server is chosen for a new connection; see schedulers.md. A module is a file beside this one or a package.',
        default: 'wlc',
      }),
    ),
    scheduler_options: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: 'What the scheduler may be told; each module, `peak-ewma` and `bounded-hash` say what.',
        errorMessage: 'must be a map',
        otherwise: 'none',
      }),
    ),
    flags: Type.Optional(
      Type.Array(oneOf(schedulerFlags, { description: '' }), {
        description:
          "`sh-port`, `mh-port`: hash the client's port as well. `sh-fallback`, `mh-fallback`: take another server when the hashed one is unusable.",
        default: [],
        uniqueItems: true,
        errorMessage: `must be a list of ${schedulerFlags.join(', ')}, each once`,
      }),
    ),
    servers: serversSchema,
    routed: yesOrNo(false, '`routed` for every server of the service.'),
    helper: Type.Optional(
      oneOf(helperNames, {
        description:
          '`ftp`: the service is an FTP control port; active and passive data connections work, too. See ftp.md.',
        default: 'none',
      }),
    ),
    health: healthSchema({
      description:
        'How it is known whether a server works: a check, or a list of which all must be good; or `off`.',
      otherwise: '`health` of the file, or `off`',
    }),
    slow_start: slowStartSchema,
    drain: drainSchema,
    quorum: quorumSchema,
    sorry_server: sorrySchema,
    timeouts,
    persistence,
    mark: count(0, 0xffffffff, {
      description:
        'Makes all of `listen` one service, as a firewall mark of this number does for IPVS: persistence holds over all of it. 0: no mark.',
      default: 0,
    }),
    one_packet: yesOrNo(
      false,
      'UDP only: every datagram is scheduled on its own, and no connection is remembered.',
    ),
  },
  map,
);

export const markRuleSchema = Type.Object(
  {
    mark: Type.Integer({
      description: 'The number. One rule for each number and address family.',
      minimum: 1,
      maximum: 0xffffffff,
      errorMessage: 'must be 1..4294967295',
      examples: [1],
    }),
    listen: Type.Union([listenAddress, Type.Array(listenAddress, { minItems: 1 })], {
      description:
        'What would be marked: as `listen` of a service, of one address family, protocols mixed as you like.',
      errorMessage: listenText,
      examples: ['tcp://10.9.0.1:80'],
    }),
  },
  map,
);
