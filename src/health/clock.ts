// SPDX-License-Identifier: Apache-2.0
/** Time as an argument. `now` never goes back and is for waiting; `wall` is for people. */
export interface Clock {
  /** Milliseconds since some moment. */
  now(): number;
  /** Unix milliseconds. */
  wall(): number;
  /** Calls once after `ms`; what it returns takes that back. A timer of health keeps no process alive. */
  after(ms: number, call: () => void): () => void;
}

export const realClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms).unref();
    return () => clearTimeout(timer);
  },
};
