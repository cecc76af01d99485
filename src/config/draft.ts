// SPDX-License-Identifier: Apache-2.0
/**
 * Document to drafts: every text read into what it means, each with its field, so that the checks between services
 * can run over whatever was readable. When nothing was wrong at all, a draft is complete and becomes the model.
 * draft/ has the parts.
 */
import type { Model } from '../model/model.js';
import { atOnce } from '../pace.js';
import { adminOf, draftDoors, metricsOf, type DoorsDraft } from './draft/doors.js';
import { draftHealth, type CheckDraft } from './draft/health.js';
import { draftService, serviceOf, type ServiceDraft } from './draft/service.js';
import type { Field } from './field.js';
import type { Files } from './files.js';
import { ipvsSettings } from './ipvs.js';
import { draftMarks, markRuleOf, type MarkDraft } from './marks.js';
import type { FindScheduler } from './schedulers.js';
import { parseSize } from './units.js';

export type { ServiceDraft } from './draft/service.js';

export interface Draft {
  readonly root: Field;
  readonly services: readonly ServiceDraft[];
  readonly marks: readonly MarkDraft[];
  /** For services without checks of their own. */
  readonly health: readonly CheckDraft[];
  readonly flowCapacity: number;
  readonly doors: DoorsDraft;
}

/** `root` is the first file; `others` have services and marks alone. */
export function draft(root: Field, others: readonly Field[], files: Files, find: FindScheduler): Draft {
  return atOnce(drafting(root, others, files, find));
}

/** The same in steps. */
export function* drafting(
  root: Field,
  others: readonly Field[],
  files: Files,
  find: FindScheduler,
): Generator<void, Draft, undefined> {
  const all = [root, ...others];
  const marks = all.flatMap((file) => draftMarks(file.get('marks')));
  const health = draftHealth(root.get('health'), files);
  const services: ServiceDraft[] = [];
  for (const service of all.flatMap((file) => file.get('services').items())) {
    services.push(draftService(service, { marks, health, files, find }));
    yield;
  }
  return {
    root,
    services,
    marks,
    health,
    flowCapacity: readCapacity(root.get('flows').get('capacity')),
    doors: draftDoors(root),
  };
}

/** Only of a draft without problems. The fallbacks below repeat no default: nothing here is ever missing then. */
export function modelOf({ root, services, marks, flowCapacity, doors }: Draft): Model {
  const tun = root.get('tun');
  const log = root.get('log');
  return {
    services: services.map(serviceOf),
    marks: marks.map(markRuleOf),
    tun: {
      name: tun.get('name').text() ?? '',
      queues: tun.get('queues').integer(1, 256) ?? 'auto',
      offload: tun.get('offload').word('auto', 'off') ?? 'auto',
      mtu: tun.get('mtu').integer(1280, 65535) ?? 0,
      steering: tun.get('steering').word('auto', 'off', 'random') ?? 'auto',
      io: tun.get('io').word('auto', 'uring', 'poll') ?? 'auto',
      ingress: tun.get('ingress').word('auto', 'route', 'direct') ?? 'auto',
      egress: tun.get('egress').word('auto', 'route', 'direct') ?? 'auto',
      shortcut: tun.get('shortcut').word('auto', 'off') ?? 'auto',
      persist: false,
    },
    flows: { capacity: flowCapacity },
    admin: adminOf(root.get('admin'), doors),
    metrics: metricsOf(root.get('metrics'), doors),
    log: {
      level: log.get('level').word('trace', 'debug', 'info', 'warn', 'error', 'fatal') ?? 'info',
      format: log.get('format').word('text', 'json') ?? 'text',
    },
    ipvs: ipvsSettings(root.get('ipvs')),
  };
}

function readCapacity(at: Field): number {
  const text = at.textOrNumber();
  if (text === undefined) return 0;
  const size = parseSize(text);
  if (size.ok && size.value >= 1024 && size.value <= 67_108_864) return size.value;
  at.refuse({ must: 'be 1024..67108864', hint: 'write a number, 256k or 1M' });
  return 0;
}
