// SPDX-License-Identifier: Apache-2.0
/**
 * `vsnat restore`: the table becomes what ipvsadm-save wrote. Unlike ipvsadm-restore it clears and fills in one swap:
 * no moment without services, connections of what stays go on, and one bad line means that nothing has changed.
 */
import type { Operation } from '../director/operation.js';
import { VsnatError } from '../errors.js';
import { refusedByDesign, parseCommandLine, Refusal, wordsOfRule, type Names } from '../ipvsadm/index.js';
import { operationOf } from './ipvsadm-operation.js';

/**
 * The operations of a saved table, "clear" first. Throws at the first line that cannot be obeyed, and at no text at all: that is
 * what comes through a pipe from a `save` that failed, and it would cost every service.
 */
export async function restoreOperations(text: string, names: Names): Promise<readonly Operation[]> {
  if (text === '')
    throw new VsnatError(
      'VSNAT_USAGE',
      'restore: must be given rules on standard input, got nothing; `vsnat ipvsadm -C` removes every service',
    );
  const operations: Operation[] = [{ op: 'clear' }];
  for (const [index, line] of text.split('\n').entries()) {
    const words = wordsOfRule(line);
    if (words.length === 0 || line.trimStart().startsWith('#')) continue;
    operations.push(await operationOfLine(words, `line ${index + 1}`, names));
  }
  return operations;
}

async function operationOfLine(words: readonly string[], where: string, names: Names): Promise<Operation> {
  try {
    const request = await parseCommandLine(words, names);
    const refusal = refusedByDesign(request);
    if (refusal !== undefined) throw new VsnatError('VSNAT_CHANGE_REFUSED', `${where}: ${refusal}`);
    const operation = operationOf(request);
    if (operation !== undefined) return operation;
    throw new VsnatError('VSNAT_USAGE', `${where}: must be a rule like "-A -t 10.9.0.1:80 -s wlc"`);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new VsnatError('VSNAT_USAGE', `${where}: ${error.message.trimEnd()}`, { cause: error });
  }
}
