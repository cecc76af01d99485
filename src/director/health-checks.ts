// SPDX-License-Identifier: Apache-2.0
/** The checks of real servers as they are made on a real machine: all kinds, with the addon's ICMP sockets. */
import { icmpSockets } from '../dataplane/native.js';
import { createMonitor, makeCheckers } from '../health/index.js';
import type { MakeMonitor } from './caretaker.js';

export interface NoticeLog {
  readonly info: (message: string) => void;
  readonly warn: (message: string) => void;
}

/** Verdicts and suspicions are events of the director, so only what checks cannot do is told here. */
export const healthChecks =
  (log: NoticeLog): MakeMonitor =>
  (onChange, connectThrough) =>
    createMonitor({
      onChange,
      ...(connectThrough !== undefined && { connectThrough }),
      checkers: makeCheckers({ icmp: icmpSockets(), tell: (sentence) => log.warn(sentence) }),
      onNotice: ({ what, service, server, kind, text }) => {
        if (what === 'skipped') log.warn(`${kind} check of server ${server} of ${service}: ${text}`);
      },
    });
