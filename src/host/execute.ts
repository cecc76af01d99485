// SPDX-License-Identifier: Apache-2.0
/**
 * Carries out plans. Neighbouring steps for the same tool become one batch: 10,000 VIPs are one `ip -batch`, not
 * 10,000 processes. An `ip` batch stops at its first failing line and names it, and an nft batch is one transaction,
 * so after a failure it is known exactly which steps took effect, and exactly those are undone.
 */
import { VsnatError, said } from '../errors.js';
import { describeAction, type Action, type SharedResource, type Step } from './step.js';
import type { CommandResult, System } from './system.js';

interface Failure {
  /** How many actions of the batch took effect. */
  readonly done: number;
  readonly complaints: readonly string[];
}

function* batches<T>(items: readonly T[], actionOf: (item: T) => Action): Generator<readonly T[]> {
  const key = (action: Action): string =>
    action.tool === 'ip' ? `ip${action.version}` : action.tool === 'nft' ? 'nft' : `sysctl ${action.key}`;
  let batch: T[] = [];
  for (const item of items) {
    const first = batch[0];
    if (first !== undefined && key(actionOf(first)) !== key(actionOf(item))) {
      yield batch;
      batch = [];
    }
    batch.push(item);
  }
  if (batch.length > 0) yield batch;
}

/** What the tool complained about, without the batch's own line numbers and nft's echo of the input. */
function complaintsOf(result: CommandResult): readonly string[] {
  const lines = result.stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('Command failed'));
  return lines.length > 0 ? lines : [`exit status ${result.status}`];
}

/** With force, `ip` goes on after a failing line and names each after its complaint: whose it was is known. */
function* attributed(stderr: string, batch: readonly Action[]): Generator<string> {
  let said = '';
  for (const line of stderr.split('\n')) {
    const number = /Command failed -:(\d+)/.exec(line)?.[1];
    const culprit = batch[Number(number) - 1];
    if (culprit === undefined) said = line.trim() === '' ? said : line.trim();
    else yield `${describeAction(culprit)}: ${said}`;
  }
}

async function runBatch(
  system: System,
  batch: readonly Action[],
  isForced: boolean,
): Promise<Failure | null> {
  const [first] = batch;
  if (first === undefined) return null;
  switch (first.tool) {
    case 'ip': {
      const text = batch.map((action) => (action.tool === 'ip' ? `${action.line}\n` : '')).join('');
      const force = isForced ? ['-force'] : [];
      const result = await system.run(['ip', `-${first.version}`, ...force, '-batch', '-'], text);
      if (result.status === 0) return null;
      const line = /Command failed -:(\d+)/.exec(result.stderr)?.[1];
      if (isForced) {
        const complaints = [...attributed(result.stderr, batch)];
        if (complaints.length > 0) return { done: 0, complaints };
      }
      // A batch that died without naming a line may have done anything: undo all of it.
      return { done: line === undefined ? batch.length : Number(line) - 1, complaints: complaintsOf(result) };
    }
    case 'nft': {
      const text = batch.map((action) => (action.tool === 'nft' ? `${action.line}\n` : '')).join('');
      const result = await system.run(['nft', '-f', '-'], text);
      return result.status === 0 ? null : { done: 0, complaints: complaintsOf(result).slice(0, 1) };
    }
    case 'sysctl':
      try {
        for (const action of batch)
          if (action.tool === 'sysctl') await system.write(`/proc/sys/${action.key}`, action.value);
        return null;
      } catch (error) {
        return { done: 0, complaints: [said(error)] };
      }
  }
}

type Doing = Step & { readonly do: Action };

/** Apply steps in order. When one fails, those that took effect are undone before the error is thrown. */
export async function applySteps(system: System, steps: readonly Step[]): Promise<void> {
  const applied: Step[] = [];
  const pending = steps.filter((step): step is Doing => step.do !== null);
  for (const batch of batches(pending, (step) => step.do)) {
    const failure = await runBatch(
      system,
      batch.map((step) => step.do),
      false,
    );
    // One by one: as arguments of a call, a hundred thousand are too many.
    for (const step of batch.slice(0, failure?.done)) applied.push(step);
    if (failure === null) continue;

    const culprit = batch[Math.min(failure.done, batch.length - 1)];
    const left = await undoSteps(system, applied, new Set());
    const aftermath =
      left.length === 0
        ? 'everything done so far was undone'
        : `and these could not be undone: ${left.join('; ')}`;
    const what = culprit === undefined ? '' : describeAction(culprit.do);
    const reason = failure.complaints.at(-1) ?? '';
    const isForbidden = /not permitted|permission denied|EPERM|EACCES/i.test(reason);
    throw new VsnatError(
      isForbidden ? 'VSNAT_NO_PERMISSION' : 'VSNAT_HOST_REFUSED',
      `host: ${what} failed, got ${JSON.stringify(reason)}; ${remedyFor(reason, isForbidden)}${aftermath}`,
    );
  }
}

function remedyFor(reason: string, isForbidden: boolean): string {
  if (isForbidden) return 'run as root or with CAP_NET_ADMIN; ';
  if (reason.includes('File exists')) return 'remove the object that is already there; ';
  return '';
}

/** Answers to a removal that mean: it is gone already, for instance because the device went first. */
const alreadyGone =
  /No such (file|process|device)|Cannot find device|Cannot assign requested address|does not exist|ENOENT/;

/** Undo in reverse order, going on after failures. Returns what could not be undone. */
export async function undoSteps(
  system: System,
  steps: readonly Step[],
  keep: ReadonlySet<SharedResource>,
): Promise<readonly string[]> {
  const going = new Set(steps.map((step) => step.id));
  const actions = steps
    .filter((step) => step.within === undefined || !going.has(step.within))
    .filter((step) => step.shared === undefined || !keep.has(step.shared))
    .map((step) => step.undo)
    .filter((action) => action !== null)
    .reverse();
  return runTolerantly(system, actions);
}

/** Run removals, one batch after the other, whatever happens. Returns the complaints worth a person's time. */
export async function runTolerantly(system: System, actions: readonly Action[]): Promise<readonly string[]> {
  return (await runForced(system, actions)).filter((complaint) => !alreadyGone.test(complaint));
}

/** Run everything that can be run, whatever fails meanwhile. Returns every complaint. */
export async function runForced(system: System, actions: readonly Action[]): Promise<readonly string[]> {
  const complaints: string[] = [];
  for (const batch of batches(actions, (action) => action)) {
    const failure = await runBatch(system, batch, true);
    if (failure === null) continue;
    // One refused line refuses a whole nft transaction: try them one by one.
    const [first] = batch;
    if (first?.tool === 'nft' && batch.length > 1) {
      for (const action of batch) complaints.push(...(await runForced(system, [action])));
      continue;
    }
    if (first?.tool === 'ip' && failure.complaints.every((complaint) => complaint.startsWith('ip -')))
      for (const complaint of failure.complaints) complaints.push(complaint);
    else if (first !== undefined)
      for (const complaint of failure.complaints) complaints.push(`${describeAction(first)}: ${complaint}`);
  }
  return complaints;
}
