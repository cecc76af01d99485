// SPDX-License-Identifier: Apache-2.0
/** Totals since the last zero, and rates as the kernel estimates them (src/director/ledger.ts). */
import { Type } from '@sinclair/typebox';

import { rate } from './words.js';

const flow = Type.Object({
  connections: rate,
  inPackets: rate,
  outPackets: rate,
  inBytes: rate,
  outBytes: rate,
});

export const numbers = { totals: flow, rates: flow };
