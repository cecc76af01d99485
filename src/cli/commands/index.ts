// SPDX-License-Identifier: Apache-2.0
/**
 * Every command, in the order of the help. A command is a file here: its name, what it takes, and a few lines over a
 * module that does the work and is loaded only when the command is run.
 */
import type { Register } from '../session.js';
import { capture } from './capture.js';
import { changes } from './changes.js';
import { check } from './check.js';
import { completion, completionWords } from './completion.js';
import { convert } from './convert.js';
import { demo } from './demo.js';
import { doctor } from './doctor.js';
import { events } from './events.js';
import { explain } from './explain.js';
import { flows } from './flows.js';
import { ipvsadm, restore, save } from './ipvsadm.js';
import { reload } from './reload.js';
import { run } from './run.js';
import { servers } from './servers.js';
import { disable, drain, enable, weight } from './server-words.js';
import { services } from './services.js';
import { simulate } from './simulate.js';
import { stats } from './stats.js';
import { status } from './status.js';
import { top } from './top.js';

export const commands: readonly Register[] = [
  run,
  check,
  status,
  services,
  servers,
  flows,
  stats,
  top,
  events,
  drain,
  weight,
  disable,
  enable,
  changes,
  reload,
  ipvsadm,
  save,
  restore,
  explain,
  capture,
  simulate,
  doctor,
  convert,
  demo,
  completion,
  completionWords,
];
