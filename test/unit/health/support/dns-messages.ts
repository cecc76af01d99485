// SPDX-License-Identifier: Apache-2.0
/** DNS messages as a server writes them, sane or not; independent of src/health/dns-codec.ts. */
export const label = (text: string): Buffer =>
  Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'latin1')]);

/** A record of the name that the question has. */
export const record = (type: number, data: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from([0xc0, 12, type >> 8, type & 0xff, 0, 1, 0, 0, 0, 60, data.length >> 8, data.length & 0xff]),
    data,
  ]);

export function answerWith(
  query: Buffer,
  records: readonly Buffer[],
  { rcode = 0, answers = records.length, truncated = false } = {},
): Buffer {
  const message = Buffer.concat([query, ...records]);
  message[2] = 0x81 | (truncated ? 2 : 0);
  message[3] = 0x80 | rcode;
  message.writeUInt16BE(answers, 6);
  return message;
}
