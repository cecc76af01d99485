// SPDX-License-Identifier: Apache-2.0
/** Classic BPF run slowly: the instructions a filter of ours may have, and nothing else (Documentation/networking/filter.rst). */
export interface Passing {
  readonly packet: Uint8Array;
  readonly interface: number;
  /** 4: outgoing. */
  readonly kind: number;
}

/** How many bytes are kept. */
export function runFilter(program: Uint32Array, { packet, interface: device, kind }: Passing): number {
  let accumulator = 0;
  for (let at = 0; at < program.length / 4; at += 1) {
    const [code, jumpTrue = 0, jumpFalse = 0, value = 0] = program.subarray(4 * at, 4 * at + 4);
    const size = code === 0x20 ? 4 : 1;
    switch (code) {
      case 0x20:
      case 0x30:
        if (value === 0xfffff004) accumulator = kind;
        else if (value === 0xfffff008) accumulator = device;
        else if (value + size > packet.length)
          return 0; // beyond the packet: refused
        else accumulator = Buffer.from(packet).readUIntBE(value, size);
        break;
      case 0x54:
        accumulator = (accumulator & value) >>> 0;
        break;
      case 0x15:
        at += accumulator === value ? jumpTrue : jumpFalse;
        break;
      case 0x05:
        at += value;
        break;
      case 0x06:
        return value;
      default:
        throw new Error(`instruction ${at}: code ${code} is none of ours`);
    }
  }
  throw new Error('the program runs past its end');
}
