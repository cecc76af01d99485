// SPDX-License-Identifier: Apache-2.0
/**
 * Every key of vsnat.yaml: type, range, default and documentation, once. The validator, the defaults, the type below,
 * vsnat.schema.json (for editors) and the table in docs/configuration.md are all made from here.
 *
 * `errorMessage` is the sentence for a wrong value: "must …", with what to do after a semicolon where that helps.
 * Editors with YAML support show it as well. What one key cannot say about another is in checks.ts.
 */
import { Type, type Static, type TSchema, type SchemaOptions } from '@sinclair/typebox';
import { helperNames } from '../model/service.js';
import { kernelTimeouts } from '../model/timeouts.js';
import { kernelPersistenceSeconds } from '../model/persistence.js';
import { maxWeight } from '../model/weight.js';
import { schedulerFlags, schedulerNames } from '../scheduler/index.js';
import { expireNodestSchema, sysctlSchemas } from './sysctls.js';

interface Documented extends SchemaOptions {
  readonly description: string;
  readonly errorMessage: string;
}

const map = { additionalProperties: false, errorMessage: 'must be a map' } as const;

/** A map that may be left out as a whole: each of its keys has a default. */
const optionalMap = { ...map, default: {} } as const;

const oneOf = <const T extends readonly string[]>(values: T, options: Omit<Documented, 'errorMessage'>) =>
  Type.Unsafe<T[number]>({
    type: 'string',
    enum: values,
    errorMessage: `must be one of ${values.join(', ')}`,
    ...options,
  });

const textOrNumber = (options: Documented) => Type.Union([Type.String(), Type.Number()], options);

const seconds = (value: number, description: string) =>
  Type.Optional(
    textOrNumber({
      description,
      default: `${value}s`,
      errorMessage:
        'must be a duration of 1s..30d in whole seconds; write 300s, 5m, 2h or a number of seconds',
    }),
  );

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
    },
    {
      ...map,
      description:
        'New connections of a client go to the real server of its last one. `{}` for the defaults; persistence.md tells the details.',
    },
  ),
);

const serverAddress = Type.String({
  description:
    'RIP and port; port 0 is the one the client asked for. IPv6 in brackets, and in quotes: "[2001:db8::2]:8080".',
  errorMessage: 'must be text like 10.2.1.2:8080',
  examples: ['10.2.1.2:8080'],
});

const server = Type.Object(
  {
    address: serverAddress,
    weight: Type.Optional(
      Type.Integer({
        description: 'Share of new connections. 0 drains: no new ones, live ones go on.',
        default: 1,
        minimum: 0,
        maximum: maxWeight,
        errorMessage: `must be 0..${maxWeight}`,
      }),
    ),
    max_connections: Type.Optional(
      Type.Integer({
        description: 'No new connections while it has this many, active and inactive. 0: no limit.',
        default: 0,
        minimum: 0,
        maximum: 0xffffffff,
        errorMessage: 'must be 0..4294967295',
      }),
    ),
    resume_connections: Type.Optional(
      Type.Integer({
        description:
          'After `max_connections` was reached: new ones again below this many. 0: at three quarters.',
        default: 0,
        minimum: 0,
        maximum: 0xffffffff,
        errorMessage: 'must be 0..4294967295',
      }),
    ),
    routed: Type.Optional(
      Type.Boolean({
        description:
          'The server is behind a router, in no subnet of this host, and its replies still come back through here.',
        default: false,
        errorMessage: 'must be true or false',
      }),
    ),
  },
  map,
);

const listenAddress = Type.String({
  errorMessage: 'must be text like tcp://10.9.0.1:80',
  examples: ['tcp://10.9.0.1:80'],
});

const listenText = 'must be text like tcp://10.9.0.1:80 or a list of such';

const service = Type.Object(
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
      oneOf(schedulerNames, {
        description: 'How a server is chosen for a new connection; see schedulers.md.',
        default: 'wlc',
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
    servers: Type.Array(
      Type.Union([serverAddress, server], {
        description: 'A real server: `10.2.1.2:8080`, or a map with the keys below.',
        errorMessage: 'must be text like 10.2.1.2:8080 or a map with address, weight, …',
      }),
      {
        description:
          'The real servers, 1048576 at most in all services together. `[]` is valid: connections are refused until there is one.',
        errorMessage: 'must be a list; write [] for none',
        examples: ['10.2.1.2:8080'],
      },
    ),
    routed: Type.Optional(
      Type.Boolean({
        description: '`routed` for every server of the service.',
        default: false,
        errorMessage: 'must be true or false',
      }),
    ),
    helper: Type.Optional(
      oneOf(helperNames, {
        description:
          '`ftp`: the service is an FTP control port; active and passive data connections work, too. See ftp.md.',
        default: 'none',
      }),
    ),
    timeouts,
    persistence,
    mark: Type.Optional(
      Type.Integer({
        description:
          'Makes all of `listen` one service, as a firewall mark of this number does for IPVS: persistence holds over all of it. 0: no mark.',
        default: 0,
        minimum: 0,
        maximum: 0xffffffff,
        errorMessage: 'must be 0..4294967295',
      }),
    ),
    one_packet: Type.Optional(
      Type.Boolean({
        description: 'UDP only: every datagram is scheduled on its own, and no connection is remembered.',
        default: false,
        errorMessage: 'must be true or false',
      }),
    ),
  },
  map,
);

const markRule = Type.Object(
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

export const configSchema = Type.Object(
  {
    services: Type.Array(service, {
      description:
        'The virtual services, 65536 at most. `[]` is valid: the director starts and waits for a reload.',
      errorMessage: 'must be a list; write [] for none',
      examples: [[]],
    }),
    marks: Type.Optional(
      Type.Array(markRule, {
        description:
          "What a firewall's rules would mark, for `ipvsadm -A -f` and for services that have a `mark` and no `listen`; see persistence.md. A mark without a service does nothing.",
        default: [],
        errorMessage: 'must be a list; write [] for none',
      }),
    ),
    tun: Type.Optional(
      Type.Object(
        {
          name: Type.Optional(
            Type.String({
              description: 'Name of the TUN device.',
              default: 'vsnat0',
              pattern: '^(?!(?:all|default|lo)$)[A-Za-z0-9][A-Za-z0-9._-]{0,14}$',
              errorMessage:
                'must be 1..15 letters, digits, dots, dashes or underscores, a letter or digit first, and not lo, all or default',
            }),
          ),
          queues: Type.Optional(
            Type.Union([Type.Literal('auto'), Type.Integer({ minimum: 1, maximum: 256 })], {
              description: 'Packet threads, each with a queue of its own. `auto`: one per CPU.',
              default: 'auto',
              errorMessage: 'must be auto or 1..256',
            }),
          ),
          offload: Type.Optional(
            oneOf(['auto', 'off'], {
              description:
                'Checksum and segmentation offload. `off` costs most of the throughput; for finding faults.',
              default: 'auto',
            }),
          ),
          persist: Type.Optional(
            Type.Unsafe<false>({
              type: 'boolean',
              const: false,
              description: 'Keep the device when the daemon ends. Not in this version.',
              default: false,
              errorMessage: 'must be false',
            }),
          ),
          mtu: Type.Optional(
            Type.Integer({
              description:
                'MTU of the device. Leave it at the most there is: the real links decide, the device must not be the bottleneck.',
              default: 65535,
              minimum: 1280,
              maximum: 65535,
              errorMessage: 'must be 1280..65535',
            }),
          ),
          steering: Type.Optional(
            oneOf(['auto', 'off', 'random'], {
              description:
                '`auto`: both directions of a connection reach the same queue, by eBPF where the kernel allows. `off` leaves it to the kernel. `random` is the worst case, for tests.',
              default: 'auto',
            }),
          ),
        },
        { ...optionalMap, description: 'The device packets come through.' },
      ),
    ),
    flows: Type.Optional(
      Type.Object(
        {
          capacity: Type.Optional(
            textOrNumber({
              description:
                'Connections remembered at once; the memory is taken at start. `256k` is 262144, `1M` 1048576.',
              default: 262144,
              errorMessage: 'must be 1024..67108864; write a number, 256k or 1M',
            }),
          ),
        },
        { ...optionalMap, description: 'The connection table.' },
      ),
    ),
    admin: Type.Optional(
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
        },
        { ...optionalMap, description: 'Administration.' },
      ),
    ),
    metrics: Type.Optional(
      Type.Object(
        {
          listen: Type.Optional(
            Type.String({
              description: 'Where Prometheus finds /metrics, with /livez and /readyz beside it; or `off`.',
              default: '127.0.0.1:9191',
              errorMessage: 'must be off or address:port like 127.0.0.1:9191',
            }),
          ),
        },
        { ...optionalMap, description: 'Metrics over HTTP.' },
      ),
    ),
    log: Type.Optional(
      Type.Object(
        {
          level: Type.Optional(
            oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal'], {
              description: 'The least severity that is written.',
              default: 'info',
            }),
          ),
          format: Type.Optional(
            oneOf(['text', 'json'], { description: 'For people or for collectors.', default: 'text' }),
          ),
        },
        { ...optionalMap, description: 'The log, on standard error.' },
      ),
    ),
    ipvs: Type.Optional(
      Type.Object(
        {
          removed_servers: Type.Optional(
            oneOf(['reset', 'silent'], {
              description:
                'A live connection whose server left the configuration: `reset` answers TCP with RST and gives UDP to another server; `silent` drops its packets until it times out, as the kernel does.',
              default: 'reset',
            }),
          ),
          one_packet_replies: Type.Optional(
            oneOf(['translate', 'pass'], {
              description:
                "`translate`: what a server of exactly one `one_packet` service sends is that service's reply, and leaves with its VIP; `pass`: it leaves as it is, as from the kernel.",
              default: 'translate',
            }),
          ),
          expire_nodest_conn: expireNodestSchema,
          ...sysctlSchemas,
        },
        {
          ...optionalMap,
          description:
            "Where IPVS behaves in more than one way: the kernel's sysctls of net/ipv4/vs, with its defaults.",
        },
      ),
    ),
  },
  {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'vsnat configuration',
    ...map,
  },
);

/** A configuration as users write it; short forms and missing defaults included. */
export type ConfigDocument = Static<typeof configSchema>;

/** The schema as plain JSON, ready for vsnat.schema.json. */
export const schemaText = (): string => `${JSON.stringify(configSchema, null, 2)}\n`;

/** The parts of a schema that its readers here walk over. */
export interface SchemaNode extends TSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[] | undefined;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly enum?: readonly string[];
  readonly errorMessage?: string;
  /** What the table says in the place of a default. */
  readonly otherwise?: string;
}
