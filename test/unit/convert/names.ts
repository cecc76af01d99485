// SPDX-License-Identifier: Apache-2.0
import type { Names } from '../../../src/ipvsadm/index.js';

/** A machine without a resolver. */
export const noNames: Names = {
  addressOf: () => Promise.resolve(undefined),
  hostOf: () => Promise.resolve(undefined),
  portOf: () => undefined,
  serviceOf: () => undefined,
};
