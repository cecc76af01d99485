// SPDX-License-Identifier: Apache-2.0
/** A server of the running configuration as an operator's word leaves it: another weight, disabled, drained, or neither. */
import { parseWeight, type DrainPolicy, type RealServer } from '../model/index.js';
import { ChangeRefused } from './change-refused.js';
import type { Operation } from './operation.js';

type Adjustment = Extract<
  Operation,
  { readonly op: 'set-weight' | 'disable' | 'drain' | 'enable' | 'undrain' }
>;

/** `policy` is the service's; `inFile` finds the server as it was loaded, if it was. Throws ChangeRefused. */
export function adjustedServer(
  server: RealServer,
  operation: Adjustment,
  policy: DrainPolicy,
  inFile: () => RealServer | undefined,
): RealServer {
  const plain = withoutDrain(server);
  switch (operation.op) {
    case 'set-weight':
      return { ...server, weight: weightOf(operation, inFile) };
    case 'disable':
      return { ...plain, disabled: true };
    case 'drain':
      return {
        ...plain,
        disabled: true,
        drain: {
          deadlineSeconds:
            operation.deadlineSeconds === undefined ? policy.deadlineSeconds : operation.deadlineSeconds,
          then: operation.then ?? policy.then,
        },
      };
    case 'enable':
    case 'undrain':
      return { ...plain, disabled: false };
  }
}

function withoutDrain(server: RealServer): RealServer {
  const copy: { -readonly [Key in keyof RealServer]: RealServer[Key] } = { ...server };
  delete copy.drain;
  return copy;
}

function weightOf(
  { server, weight }: Extract<Adjustment, { readonly op: 'set-weight' }>,
  inFile: () => RealServer | undefined,
): RealServer['weight'] {
  if (weight === null) {
    const filed = inFile();
    if (filed !== undefined) return filed.weight;
    throw new ChangeRefused(
      'other',
      `server ${server}: must be in the configuration file to get its weight back from there; give it a weight`,
    );
  }
  const parsed = parseWeight(weight);
  if (parsed.ok) return parsed.value;
  throw new ChangeRefused('out-of-range', `server ${server}: weight must ${parsed.must}, got ${weight}`);
}
