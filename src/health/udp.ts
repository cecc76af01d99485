// SPDX-License-Identifier: Apache-2.0
/**
 * udp: a datagram with a payload of the user's. With a pattern the first reply decides. Without one any reply is good,
 * and so is silence until the deadline: only ICMP unreachable is bad then, which a host that is off cannot send.
 */
import { bad, good, skipped, type Checker, type QuestionOf } from './checker.js';
import { exchange } from './datagram.js';
import { quoted } from './message.js';
import { matches, requirePattern } from './pattern.js';

export const udpChecker: Checker<QuestionOf<'udp'>> = {
  ask({ send, expect }, target, finish) {
    requirePattern(expect);
    const udp = exchange(target, send, {
      message: (reply) => {
        udp.stop();
        if (expect === null) return finish(good(`${reply.length} bytes came back`));
        switch (matches(expect, reply)) {
          case 'matches':
            return finish(good('the reply is as expected'));
          case 'differs':
            return finish(bad('content', `the reply does not match: ${quoted(reply)}`));
          case 'too slow':
            return finish(skipped('slow_pattern', 'matching the reply takes too long, mend the pattern'));
        }
      },
      failed: finish,
    });
    return {
      progress: () => 'no reply',
      stop: () => udp.stop(),
      ...(expect === null ? { silence: () => good('not refused') } : {}),
    };
  },
};
