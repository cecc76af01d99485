// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { Heap, type HeapEntry } from '../../../src/health/heap.js';

interface Entry extends HeapEntry {
  readonly id: number;
}

it('a heap hands out what a sorted list would, whatever is put in, moved and taken out', () => {
  const step = fc.record({
    what: fc.constantFrom('set' as const, 'delete' as const, 'first' as const),
    id: fc.nat(20),
    at: fc.nat(50),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = new Heap<Entry>();
      const entries = Array.from({ length: 21 }, (_, id): Entry => ({ id, at: 0, place: -1 }));
      const reference = new Map<number, number>();
      for (const { what, id, at } of steps) {
        const entry = entries[id];
        if (entry === undefined) continue;
        if (what === 'set') {
          heap.set(entry, at);
          reference.set(id, at);
        } else if (what === 'delete') {
          heap.delete(entry);
          reference.delete(id);
        } else {
          const first = heap.first();
          expect(first?.at).toBe(reference.size === 0 ? undefined : Math.min(...reference.values()));
          if (first === undefined) continue;
          heap.delete(first);
          expect(reference.delete(first.id)).toBe(true);
        }
        expect(heap.size).toBe(reference.size);
      }
    }),
  );
});
