// SPDX-License-Identifier: Apache-2.0
/** What a director has beside its services: device, table, log, and where it differs from the kernel. */
import { Type } from '@sinclair/typebox';
import { expireNodestSchema, sysctlSchemas } from '../sysctls.js';
import { oneOf, optionalMap, textOrNumber } from './words.js';

export const tunSchema = Type.Optional(
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
      ingress: Type.Optional(
        oneOf(['auto', 'route', 'direct'], {
          description:
            "How packets get into the device. `route`: the kernel routes them there. `direct`: straight from the interface they come in by, faster, and past this host's PREROUTING and FORWARD rules (Linux 6.6). `auto`: direct while nobody has rules there; see ways.md.",
          default: 'auto',
        }),
      ),
      egress: Type.Optional(
        oneOf(['auto', 'route', 'direct'], {
          description:
            "How translated packets leave. `route`: the kernel routes them. `direct`: as frames, faster, and past this host's FORWARD and POSTROUTING rules. `auto`: direct while nobody has rules there; see ways.md.",
          default: 'auto',
        }),
      ),
      shortcut: Type.Optional(
        oneOf(['auto', 'off'], {
          description:
            'Whether connections that carry much go through the kernel alone, translated at the interface they come in by, for as long as ingress and egress are both direct. `off`: every packet comes through the device; see ways.md.',
          default: 'auto',
        }),
      ),
      io: Type.Optional(
        oneOf(['auto', 'uring', 'poll'], {
          description:
            'How packets cross the device. `uring`: by io_uring, a burst with one system call (Linux 6.7); the start fails where it is refused, as containers often do. `poll`: one read and one write for each. `auto`: io_uring where it can be had.',
          default: 'auto',
        }),
      ),
    },
    { ...optionalMap, description: 'The device packets come through.' },
  ),
);

export const flowsSchema = Type.Optional(
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
);

export const logSchema = Type.Optional(
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
);

export const ipvsSchema = Type.Optional(
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
);
