// SPDX-License-Identifier: Apache-2.0
/**
 * A health check of one's own: a server that says it is busy gets half of its weight. Named in vsnat.yaml by
 *
 *     health: { type: module, file: ./custom-health-check.mjs }
 *
 * Run by test/addon/examples.test.ts.
 * @type {import('vsnat').CustomCheck}
 */
export default {
  async check({ address, port }, signal) {
    const answer = await fetch(`http://${address}:${port}/load`, { signal });
    const load = Number(await answer.text());
    return { good: answer.ok, message: `load ${load}`, weightPercent: load > 2 ? 50 : 100 };
  },
};
