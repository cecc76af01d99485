// SPDX-License-Identifier: Apache-2.0
/** What becomes of a server that comes up, goes down or is drained, and of a service that has too few that work. */
import { Type } from '@sinclair/typebox';
import { count, map, oneOf, textOrNumber } from './words.js';

const percent = 'must be 1%..100%';

export const slowStartSchema = Type.Optional(
  Type.Union(
    [
      Type.String(),
      Type.Number(),
      Type.Object(
        {
          duration: Type.Union([Type.String(), Type.Number()], {
            description: 'How long it takes.',
            errorMessage: 'must be a duration of 1s..1h in whole seconds',
            examples: ['30s'],
          }),
          from: Type.Optional(
            Type.String({
              description: 'Share of the weight at the beginning.',
              default: '10%',
              errorMessage: percent,
            }),
          ),
          curve: Type.Optional(
            Type.Number({
              description: '1: a straight line. 2: slowly at first. 0.5: quickly at first.',
              default: 1,
              minimum: 0.1,
              maximum: 10,
              errorMessage: 'must be 0.1..10',
            }),
          ),
        },
        map,
      ),
    ],
    {
      description: 'The weight of a server that has come up grows over this time: `30s`, or a map.',
      otherwise: 'whole at once',
      errorMessage: 'must be a duration of 1s..1h in whole seconds, or a map with duration',
    },
  ),
);

export const drainSchema = Type.Optional(
  Type.Object(
    {
      deadline: Type.Optional(
        textOrNumber({
          description: 'How long live connections of a drained server may go on; `none`: until they end.',
          default: 'none',
          errorMessage: 'must be none or a duration of 1s..30d in whole seconds',
        }),
      ),
      then: Type.Optional(
        oneOf(['reset', 'silence'], {
          description: 'After it: RST to both ends of TCP, or their packets are dropped without a word.',
          default: 'reset',
        }),
      ),
    },
    { ...map, default: {}, description: 'What becomes of the connections of a server that is drained.' },
  ),
);

export const quorumSchema = Type.Optional(
  Type.Union(
    [
      Type.Integer({ minimum: 1, maximum: 0xffffffff }),
      Type.Object(
        {
          weight: Type.Integer({
            description: 'Least weight of all servers that work, added up.',
            minimum: 1,
            maximum: 0xffffffff,
            errorMessage: 'must be 1..4294967295',
            examples: [1],
          }),
          hysteresis: count(0, 0xffffffff, {
            description: 'Lost below weight - hysteresis, regained at weight + hysteresis.',
            default: 0,
          }),
        },
        map,
      ),
    ],
    {
      description: '`sorry_server` serves while the servers that work weigh less than this: `2`, or a map.',
      otherwise: 'any server that works is enough',
      errorMessage: 'must be 1..4294967295, or a map with weight',
    },
  ),
);
