// SPDX-License-Identifier: Apache-2.0
/** A daemon that is changed at run time: what that means for its log, its file and its rates. */
import type { AdminActions } from '../admin/api.js';
import { describeChange, type Change } from '../director/diff.js';
import type { Director } from '../director/director.js';
import type { ReloadOutcome } from '../director/reload.js';
import type { Precondition, RunTime } from '../director/run-time.js';
import { estimatorPeriodMs } from '../ipvsadm/index.js';
import { VsnatError } from '../errors.js';
import { formatEndpoint, type Model, type RealServer } from '../model/index.js';
import type { Logger } from './log.js';

/** The estimator's clock. It holds up neither the end of the process nor anything else. */
export function startTicking(runTime: RunTime): () => void {
  const timer = setInterval(() => void runTime.tick(), estimatorPeriodMs).unref();
  return () => clearInterval(timer);
}

/** A file that is loaded again undoes what was changed at run time; the log keeps it, so that nothing is lost unseen. */
export async function applyFile(
  file: Model,
  runTime: RunTime,
  log: Logger,
  precondition?: Precondition,
): Promise<readonly Change[]> {
  const { changes, lost, notes } = await runTime.load(file, precondition);
  for (const note of notes) log.warn(note);
  if (lost.length > 0)
    log.warn({ changes: clipped(lost) }, 'the file has replaced what was changed at run time');
  return changes;
}

/** What the admin API does with operations: they are obeyed, logged, and looked at for what may surprise. */
export function changer(
  director: Pick<Director, 'events' | 'model'>,
  runTime: RunTime,
  unreachable: (servers: readonly RealServer[]) => Promise<readonly string[]>,
  log: Logger,
): AdminActions['change'] {
  return async (operations, { dryRun, precondition, by }) => {
    if (dryRun) {
      const changes = await runTime.preview(operations, precondition);
      return { changes, notes: [], dryRun, revision: runTime.revision };
    }
    const changes = await runTime.change(operations, precondition, by);
    const { revision } = runTime;
    if (changes.length > 0) {
      log.info({ by, changes: clipped(changes) }, 'changed at run time');
      director.events.record({
        kind: 'change',
        text: `changed at run time: ${brief(changes)}`,
        detail: { by, changes: changes.slice(0, 100).map(describeChange) },
      });
    }
    const added = new Set(operations.flatMap((one) => (one.op === 'add-server' ? [one.server] : [])));
    const servers = director.model.services.flatMap((service) =>
      service.servers.filter((server) => added.has(formatEndpoint(server))),
    );
    const notes = (await unreachable(servers)).map(
      (server) =>
        `server ${server} is in no subnet of this host; VS/NAT needs its replies to come back through this director`,
    );
    for (const note of notes) log.warn(note);
    return { changes, notes, dryRun, revision };
  };
}

/** The first few of many changes. */
export function brief(changes: readonly Change[], most = 3): string {
  const lines = changes.slice(0, most).map(describeChange).join('; ');
  return changes.length <= most ? lines : `${lines} and ${changes.length - most} more`;
}

/** A log is read by people: of a hundred thousand lines they want to know how many more there are. */
export function clipped(changes: readonly Change[], most = 1000): readonly string[] {
  const lines = changes.slice(0, most).map(describeChange);
  return changes.length <= most ? lines : [...lines, `and ${changes.length - most} more`];
}

/** What the admin API makes of a reload: an outcome is an answer or an error. */
export function reloadAnswerer(
  runTime: RunTime,
  load: () => Promise<Model>,
  reload: (by: string, precondition: Precondition) => Promise<ReloadOutcome>,
): AdminActions['reload'] {
  return async ({ dryRun, precondition, by }) => {
    if (dryRun) {
      const { changes, lost } = await runTime.previewLoad(await load(), precondition);
      const result = changes.length === 0 ? 'unchanged' : 'would-apply';
      return { result, changes, lost, revision: runTime.revision };
    }
    const outcome = await reload(by, precondition);
    if (!('error' in outcome)) return { ...outcome, revision: runTime.revision };
    const { error } = outcome;
    throw error instanceof VsnatError
      ? error
      : new VsnatError('VSNAT_DATAPLANE', error.message, { cause: error });
  };
}
