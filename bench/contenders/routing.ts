// SPDX-License-Identifier: Apache-2.0
/** The director forwards and translates nothing; clients ask the real server itself. The ceiling for all others. */
import { ripOf, takesAll, type Contender } from './contender.js';

export const routing: Contender = {
  name: 'plain routing',
  kind: 'kernel',
  declines: takesAll,
  start: (topology) =>
    Promise.resolve({
      to: (service, family) => ripOf(topology, service, family),
      processes: [],
      stop: () => Promise.resolve(),
    }),
};
