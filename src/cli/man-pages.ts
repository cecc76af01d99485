// SPDX-License-Identifier: Apache-2.0
/** The man pages of this version, by file name in contrib/man. */
import { referenceRows } from '../config/reference.js';
import { exitCodeTexts } from './exit-codes.js';
import { Io } from './io.js';
import { commandsPage, configurationPage } from './man-page.js';
import { buildProgram } from './program.js';
import { version } from './version.js';

export function manPages(): Readonly<Record<string, string>> {
  const nowhere = { write: () => undefined };
  const io = new Io({ stdout: nowhere, stderr: nowhere, env: {} });
  return {
    'vsnat.8': commandsPage(buildProgram(io).program, version, exitCodeTexts),
    'vsnat.yaml.5': configurationPage(referenceRows(), version),
  };
}
