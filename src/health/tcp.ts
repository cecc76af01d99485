// SPDX-License-Identifier: Apache-2.0
/** tcp: does the server complete a handshake? Nothing is sent, and whatever the server sends is not read. */
import { good, type Checker, type QuestionOf } from './checker.js';
import { drop, openStream } from './stream.js';

export const tcpChecker: Checker<QuestionOf<'tcp'>> = {
  ask(_, target, finish) {
    const socket = openStream(target, {
      connected: () => {
        drop(socket);
        finish(good('connected'));
      },
      failed: finish,
    });
    return { progress: () => 'not connected', isConnecting: () => true, stop: () => drop(socket) };
  },
};
