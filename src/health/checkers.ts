// SPDX-License-Identifier: Apache-2.0
/** All kinds of checks. */
import { agentChecker } from './agent.js';
import type { Checkers } from './checker.js';
import { dnsChecker } from './dns.js';
import { execChecker } from './exec.js';
import { httpChecker } from './http.js';
import { icmpChecker, type IcmpTransport } from './icmp.js';
import { moduleChecker } from './module.js';
import { tcpChecker } from './tcp.js';
import { udpChecker } from './udp.js';

export interface CheckerParts {
  /** null: checks of that kind are skipped. */
  readonly icmp: IcmpTransport | null;
  /** What becomes of users' modules, in sentences for a log. */
  readonly tell?: (sentence: string) => void;
}

export function makeCheckers({ icmp, tell }: CheckerParts): Checkers {
  return {
    tcp: tcpChecker,
    http: httpChecker,
    https: httpChecker,
    dns: dnsChecker,
    udp: udpChecker,
    icmp: icmpChecker(icmp),
    exec: execChecker(),
    agent: agentChecker,
    module: moduleChecker(tell),
  };
}
