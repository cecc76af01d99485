// SPDX-License-Identifier: Apache-2.0
/** When the defences are on: against the kernel's own switch, which remembers its judgement in the sysctl. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { FakeDataplane } from '../../../src/dataplane/fake.js';
import {
  Defender,
  defences,
  judge,
  watchMemory,
  type DefenceName,
  type MemoryWatch,
} from '../../../src/director/defence.js';
import { Director } from '../../../src/director/director.js';
import { kernelSysctls, type Sysctls } from '../../../src/model/index.js';
import { emptyModel } from './models.js';

const withSysctls = (sysctls: Partial<Sysctls>): Sysctls => ({ ...kernelSysctls, ...sysctls });

/** update_defense_level, as it is written: a switch per sysctl, which writes 2 for 1 and 1 for 2. */
class Kernel {
  readonly sysctl: Record<DefenceName, number>;
  dropRate = 0;
  dropEntry = 0;
  secure = false;

  constructor(readonly settings: Sysctls) {
    const { drop_entry, drop_packet, secure_tcp } = settings;
    this.sysctl = { drop_entry, drop_packet, secure_tcp };
  }

  update(available: number): void {
    const { amemthresh, am_droprate } = this.settings;
    const noMemory = available < amemthresh;
    switch (this.sysctl.drop_entry) {
      case 0:
        this.dropEntry = 0;
        break;
      case 1:
        this.dropEntry = noMemory ? 1 : 0;
        if (noMemory) this.sysctl.drop_entry = 2;
        break;
      case 2:
        this.dropEntry = noMemory ? 1 : 0;
        if (!noMemory) this.sysctl.drop_entry = 1;
        break;
      default:
        this.dropEntry = 1;
    }
    const automaticRate = Math.trunc(amemthresh / (amemthresh - available));
    switch (this.sysctl.drop_packet) {
      case 0:
        this.dropRate = 0;
        break;
      case 1:
        this.dropRate = noMemory ? automaticRate : 0;
        if (noMemory) this.sysctl.drop_packet = 2;
        break;
      case 2:
        this.dropRate = noMemory ? automaticRate : 0;
        if (!noMemory) this.sysctl.drop_packet = 1;
        break;
      default:
        this.dropRate = am_droprate;
    }
    if (this.sysctl.secure_tcp === 1 && noMemory) this.sysctl.secure_tcp = 2;
    else if (this.sysctl.secure_tcp === 2 && !noMemory) this.sysctl.secure_tcp = 1;
    this.secure = this.sysctl.secure_tcp >= 2;
  }
}

describe('the defences', () => {
  it("are on when the kernel's would be, second by second", () => {
    const mode = fc.integer({ min: 0, max: 3 });
    fc.assert(
      fc.property(
        fc.record({
          drop_entry: mode,
          drop_packet: mode,
          secure_tcp: mode,
          amemthresh: fc.integer({ min: 0, max: 3000 }),
          am_droprate: fc.integer({ min: 0, max: 20 }),
        }),
        fc.array(fc.integer({ min: 0, max: 4000 }), { minLength: 1, maxLength: 20 }),
        (settings, seconds) => {
          const sysctls = withSysctls(settings);
          const kernel = new Kernel(sysctls);
          const dataplane = new FakeDataplane();
          const defender = new Defender(dataplane, sysctls);
          for (const available of seconds) {
            kernel.update(available);
            defender.observe(available);
            expect(defender.state).toMatchObject({ modes: kernel.sysctl, dropRate: kernel.dropRate });
            expect(dataplane.defended.at(-1)).toMatchObject({
              dropRate: kernel.dropRate,
              dropEntries: kernel.dropEntry === 1,
              secureTcp: kernel.secure,
            });
          }
        },
      ),
    );
  });

  it('drop the more the less memory there is', () => {
    const rate = (pages: number): number =>
      judge(withSysctls({ drop_packet: 1, amemthresh: 1000 }), pages).dropRate;
    expect([2000, 1000, 999, 900, 500, 499, 0].map(rate)).toEqual([0, 0, 1000, 10, 2, 1, 1]);
  });

  it('count as unneeded while nobody can tell the memory', () => {
    expect(judge(withSysctls({ drop_packet: 1, drop_entry: 2, secure_tcp: 2 }), null)).toMatchObject({
      modes: { drop_entry: 1, drop_packet: 1, secure_tcp: 1 },
      dropRate: 0,
    });
  });

  it('tell the dataplane what changes, and count anew every second only in the automatic mode', () => {
    const dataplane = new FakeDataplane();
    const defender = new Defender(dataplane, withSysctls({ drop_packet: 3 }));
    for (let second = 0; second < 5; second += 1) defender.observe(100);
    expect(dataplane.defended).toEqual([
      { dropRate: 10, countAnew: false, dropEntries: false, secureTcp: false },
    ]);
    defender.configure(withSysctls({ drop_packet: 1, amemthresh: 200 }));
    defender.observe(100);
    defender.observe(100);
    defender.observe(300);
    expect(dataplane.defended.slice(1)).toEqual([
      { dropRate: 0, countAnew: false, dropEntries: false, secureTcp: false }, // nobody has looked yet
      { dropRate: 2, countAnew: true, dropEntries: false, secureTcp: false },
      { dropRate: 2, countAnew: true, dropEntries: false, secureTcp: false },
      { dropRate: 0, countAnew: false, dropEntries: false, secureTcp: false },
    ]);
  });
});

/** Seconds that pass when the test says so, and memory it holds back or gives. */
class FakeMemory implements MemoryWatch {
  pages: number | null | Error = null;
  asked = 0;
  stopped = 0;
  #held: (() => void)[] | undefined;
  #tick: () => void = () => undefined;

  readonly availablePages = (): Promise<number | null> => {
    this.asked += 1;
    const answer = (): Promise<number | null> =>
      this.pages instanceof Error ? Promise.reject(this.pages) : Promise.resolve(this.pages);
    if (this.#held === undefined) return answer();
    return new Promise((resolve, reject) => this.#held?.push(() => void answer().then(resolve, reject)));
  };
  readonly everySecond = (tick: () => void): (() => void) => {
    this.#tick = tick;
    return () => {
      this.stopped += 1;
    };
  };

  hold(): void {
    this.#held = [];
  }
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const answer of held) answer();
  }
  async second(): Promise<void> {
    this.#tick();
    for (let turns = 0; turns < 10; turns += 1) await Promise.resolve();
  }
}

describe('watching the memory', () => {
  const automatic = withSysctls({ drop_entry: 1 });

  it('looks once a second, one look at a time, and only when something depends on it', async () => {
    const memory = new FakeMemory();
    const defender = new Defender(new FakeDataplane(), kernelSysctls);
    watchMemory(defender, memory);
    await memory.second();
    expect(memory.asked).toBe(0);
    defender.configure(automatic);
    memory.pages = 5;
    await memory.second();
    expect([memory.asked, defender.state.availablePages]).toEqual([1, 5]);
    memory.hold();
    await memory.second();
    await memory.second();
    expect(memory.asked).toBe(2);
    memory.release();
    await memory.second();
    await memory.second();
    expect(memory.asked).toBeGreaterThan(2);
  });

  it('takes a failure for plenty, and goes on', async () => {
    const memory = new FakeMemory();
    const defender = new Defender(new FakeDataplane(), automatic);
    watchMemory(defender, memory);
    memory.pages = 5;
    await memory.second();
    expect(defender.state.modes.drop_entry).toBe(2);
    memory.pages = new Error('no /proc');
    await memory.second();
    expect(defender.state).toMatchObject({ modes: { drop_entry: 1 }, availablePages: null });
    memory.pages = 6;
    await memory.second();
    expect(defender.state.modes.drop_entry).toBe(2);
  });

  it('says nothing to a dataplane that was closed meanwhile', async () => {
    const memory = new FakeMemory();
    const dataplane = new FakeDataplane();
    const stop = watchMemory(new Defender(dataplane, automatic), memory);
    const told = dataplane.defended.length;
    memory.hold();
    await memory.second();
    stop();
    dataplane.close();
    memory.pages = 1;
    memory.release();
    for (let turns = 0; turns < 10; turns += 1) await Promise.resolve();
    expect([dataplane.defended.length, memory.stopped]).toEqual([told, 1]);
  });
});

describe('a director', () => {
  const model = (sysctls: Partial<Sysctls>) => ({
    ...emptyModel,
    ipvs: { ...emptyModel.ipvs, sysctls: withSysctls(sysctls) },
  });

  it('defends from the start, as configured, and as reloaded', async () => {
    const dataplane = new FakeDataplane();
    const memory = new FakeMemory();
    const director = await Director.start({ dataplane, memory }, model({ secure_tcp: 3 }));
    expect(dataplane.defended.at(-1)).toMatchObject({ secureTcp: true, dropEntries: false });
    await director.apply(model({ drop_entry: 1 }));
    expect(dataplane.defended.at(-1)).toMatchObject({ secureTcp: false, dropEntries: false });
    memory.pages = 10;
    await memory.second();
    expect(dataplane.defended.at(-1)).toMatchObject({ dropEntries: true });
    expect(director.defence).toMatchObject({ modes: { drop_entry: 2 }, availablePages: 10 });
    await director.close();
    expect(memory.stopped).toBe(1);
  });

  it('knows the three by their names', () => {
    expect([...defences].sort()).toEqual(['drop_entry', 'drop_packet', 'secure_tcp']);
  });
});
