// SPDX-License-Identifier: Apache-2.0
/** Real servers and sorry servers. */
import { Type } from '@sinclair/typebox';
import { maxWeight } from '../../model/weight.js';
import { count, map, oneOf, yesOrNo } from './words.js';

const serverAddress = Type.String({
  description:
    'RIP and port; port 0 is the one the client asked for. IPv6 in brackets, and in quotes: "[2001:db8::2]:8080".',
  errorMessage: 'must be text like 10.2.1.2:8080',
  examples: ['10.2.1.2:8080'],
});

/** What a sorry server has, and every real server as well. */
const common = {
  address: serverAddress,
  weight: count(0, maxWeight, {
    description: 'Share of new connections. 0 drains: no new ones, live ones go on.',
    default: 1,
  }),
  max_connections: count(0, 0xffffffff, {
    description: 'No new connections while it has this many, active and inactive. 0: no limit.',
    default: 0,
  }),
  resume_connections: count(0, 0xffffffff, {
    description: 'After `max_connections` was reached: new ones again below this many. 0: at three quarters.',
    default: 0,
  }),
  routed: yesOrNo(
    false,
    'The server is behind a router, in no subnet of this host, and its replies still come back through here.',
  ),
};

const server = Type.Object(
  {
    ...common,
    backup: yesOrNo(false, 'New connections only while no server can take them that is not a backup.'),
    disabled: yesOrNo(false, 'No new connections, whatever its weight and health.'),
    health: Type.Optional(
      oneOf(['on', 'off'], {
        description: '`off`: not checked; it counts as up.',
        default: 'on',
      }),
    ),
  },
  map,
);

const sorryServer = Type.Object(common, map);

const shortOrLong = 'must be text like 10.2.1.2:8080 or a map with address, weight, …';

export const serversSchema = Type.Array(
  Type.Union([serverAddress, server], {
    description: 'A real server: `10.2.1.2:8080`, or a map with the keys below.',
    errorMessage: shortOrLong,
  }),
  {
    description:
      'The real servers, 1048576 at most in all services together. `[]` is valid: connections are refused until there is one.',
    errorMessage: 'must be a list; write [] for none',
    examples: ['10.2.1.2:8080'],
  },
);

export const sorrySchema = Type.Optional(
  Type.Union(
    [
      serverAddress,
      sorryServer,
      Type.Array(Type.Union([serverAddress, sorryServer], { errorMessage: shortOrLong }), { minItems: 1 }),
    ],
    {
      description:
        'Serves while no other server can, or `quorum` is lost; is not checked. As a server, or a list of them.',
      otherwise: 'none: connections are refused then',
      errorMessage: 'must be text like 10.2.9.9:80, a map with address, weight, … or a list of such',
    },
  ),
);
