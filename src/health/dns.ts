// SPDX-License-Identifier: Apache-2.0
/**
 * dns: one query, with a random id and (udp) from a random port. Datagrams that do not answer this query are passed over:
 * they may be late answers or forgeries, and the real one may still come.
 */
import { randomInt } from 'node:crypto';

import {
  bad,
  good,
  type Answer,
  type Checker,
  type Finish,
  type QuestionOf,
  type Target,
} from './checker.js';
import { exchange } from './datagram.js';
import { decodeAnswer, encodeQuery, type DnsAnswer } from './dns-codec.js';
import { quoted } from './message.js';
import { drop, openStream } from './stream.js';

type DnsQuestion = QuestionOf<'dns'>;

export const dnsChecker: Checker<DnsQuestion> = {
  ask(question, target, finish) {
    const id = randomInt(0x10000);
    const query = encodeQuery(id, question.name, question.type);
    return question.transport === 'udp'
      ? overUdp(question, query, target, finish)
      : overTcp(question, query, target, finish);
  },
};

/** Whether `message` is an answer to `query`: its id and what it repeats of the question. */
function answerTo(message: Buffer, query: Buffer): DnsAnswer | undefined {
  const answer = decodeAnswer(message, query);
  if (answer === undefined || answer.id !== query.readUInt16BE(0)) return undefined;
  return answer.asks === 'something else' ? undefined : answer;
}

function overUdp(
  question: DnsQuestion,
  query: Buffer,
  target: Target,
  finish: Finish,
): ReturnType<typeof dnsChecker.ask> {
  let strangers = 0;
  const udp = exchange(target, query, {
    message: (bytes) => {
      const answer = answerTo(bytes, query);
      if (answer === undefined) {
        strangers += 1;
        return;
      }
      udp.stop();
      finish(judge(question, answer));
    },
    failed: finish,
  });
  return {
    progress: () => (strangers === 0 ? 'no reply' : `${strangers} datagrams came, no answer to this query`),
    stop: () => udp.stop(),
  };
}

/** RFC 1035, 4.2.2: two bytes of length before each message. */
function overTcp(
  question: DnsQuestion,
  query: Buffer,
  target: Target,
  finish: Finish,
): ReturnType<typeof dnsChecker.ask> {
  const pieces: Buffer[] = [];
  let length = 0;
  let wanted = 2;
  let isConnected = false;
  const end = (answer: Answer): void => {
    drop(socket);
    finish(answer);
  };
  const socket = openStream(target, {
    connected: (ready) => {
      isConnected = true;
      ready.write(Buffer.concat([Buffer.from([query.length >> 8, query.length & 0xff]), query]));
    },
    data: (bytes) => {
      // At most 64 KiB and one read: `wanted` is two bytes of the server's.
      pieces.push(Buffer.from(bytes));
      length += bytes.length;
      if (length < wanted) return;
      let received = Buffer.concat(pieces.splice(0));
      wanted = 2 + received.readUInt16BE(0);
      if (length < wanted) {
        pieces.push(received);
        return;
      }
      received = received.subarray(2, wanted);
      const answer = answerTo(received, query);
      end(
        answer === undefined
          ? bad('protocol', `no answer to this query: ${quoted(received)}`)
          : judge(question, answer),
      );
    },
    ended: () => end(bad('protocol', 'closed without an answer')),
    failed: finish,
  });
  return {
    progress: () => (isConnected ? 'connected, no whole answer yet' : 'not connected'),
    isConnecting: () => !isConnected,
    stop: () => drop(socket),
  };
}

function judge({ expect, answer }: DnsQuestion, reply: DnsAnswer): Answer {
  if (!expect.includes(reply.code)) return bad('status', `${reply.code}, not ${expect.join(' or ')}`);
  if (answer === null) return good(reply.code);
  const wanted = canonical(answer);
  if (reply.records.some(({ text }) => canonical(text) === wanted))
    return good(`${reply.code}, answer as expected`);
  if (reply.isTruncated)
    return bad('content', `${reply.code}, but truncated before the answer came; use transport tcp`);
  const [first] = reply.records;
  return bad(
    'content',
    `${reply.code}, but the answer is ${first === undefined ? 'empty' : `"${first.text}"`}, not "${answer}"`,
  );
}

/** Names have no case and may end in a dot. */
const canonical = (text: string): string => text.toLowerCase().replace(/\.$/, '');
