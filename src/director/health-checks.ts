// SPDX-License-Identifier: Apache-2.0
/** The checks of real servers as they are made on a real machine: all kinds, with the addon's ICMP sockets. */
import { loadAddon } from '../dataplane/native.js';
import { createMonitor, makeCheckers, type IcmpTransport } from '../health/index.js';
import type { MakeMonitor } from './caretaker.js';

export interface NoticeLog {
  readonly info: (message: string) => void;
  readonly warn: (message: string) => void;
}

/** A verdict is an event of the director, so only what checks cannot do is told here. */
export const healthChecks =
  (log: NoticeLog): MakeMonitor =>
  (onChange) =>
    createMonitor({
      onChange,
      checkers: makeCheckers({ icmp: icmpTransport() }),
      onNotice: ({ level, service, server, kind, text }) => {
        const isVerdict = text.startsWith('down: ');
        if (level === 'warn' && !isVerdict)
          log.warn(`${kind} check of server ${server} of ${service}: ${text}`);
      },
    });

/** null with an addon that has none. */
function icmpTransport(): IcmpTransport | null {
  const { IcmpSocket } = loadAddon();
  if (IcmpSocket === undefined) return null;
  return { open: (family, source, receive) => new IcmpSocket(family === 'ipv6', source, receive) };
}
