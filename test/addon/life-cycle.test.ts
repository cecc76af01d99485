// SPDX-License-Identifier: Apache-2.0
/**
 * The addon's life in a process: loaded twice, loaded in workers, a process that ends while engines live. Each in a
 * Node of its own, because the failures looked for here (an abort at exit, a hang, a segfault after unloading) end
 * the process. What needs a real TUN with running threads is in test/netns.
 */
import { describe, expect, it } from 'vitest';

import { runChild } from './support.js';

const fine = { code: 0, signal: null };

describe('the addon', () => {
  it('says how to mend it when there is no memory for the flows', async () => {
    const result = await runChild(`
      const { execFileSync } = require('node:child_process');
      const { readFileSync } = require('node:fs');
      const kib = Number(/^VmSize:\\s*(\\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
      execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + (kib * 1024 + 2 ** 30)]);
      try {
        new addon.Engine({ ...memoryOptions, flowCapacity: 64 * 2 ** 20 });
      } catch (error) {
        console.log(error.code, error.message);
      }`);
    expect(result).toEqual({
      ...fine,
      output:
        'VSNAT_DATAPLANE mmap of the IPv4 flow table: Cannot allocate memory; ' +
        'lower flows.capacity, or let the process have more memory (ulimit -v, LimitAS=)\n',
    });
  });

  it('loads twice in one process', async () => {
    const result = await runChild(`
      delete require.cache[addonFile];
      const again = require(addonFile);
      for (const a of [addon, again]) {
        const engine = new a.Engine(memoryOptions);
        engine.publish(oneService);
        engine.close();
      }
      console.log('both');
    `);
    expect(result).toMatchObject({ ...fine, output: 'both\n' });
  });

  it('lets a process end that never closed its engine', async () => {
    const result = await runChild(`
      globalThis.engine = new addon.Engine(memoryOptions);
      engine.publish(oneService);
      console.log('end');
    `);
    expect(result).toMatchObject({ ...fine, output: 'end\n' });
  });

  it('lets process.exit and an uncaught error have their own exit codes', async () => {
    const open = 'globalThis.engine = new addon.Engine(memoryOptions); engine.publish(oneService);';
    expect(await runChild(`${open} process.exit(7);`)).toMatchObject({ code: 7, signal: null });
    expect(await runChild(`${open} throw new Error('mine');`)).toMatchObject({ code: 1, signal: null });
  });

  it('works in worker threads beside the main thread, each with engines of its own', async () => {
    const result = await runChild(`
      const { Worker } = require('node:worker_threads');
      const body = \`
        const { parentPort, workerData } = require('node:worker_threads');
        const addon = require(workerData.addonFile);
        const engine = new addon.Engine(workerData.memoryOptions);
        parentPort.postMessage(engine.publish(workerData.oneService));
      \`;
      const main = new addon.Engine(memoryOptions);
      let left = 8;
      for (let i = 0; i < 8; ++i) {
        const worker = new Worker(body, { eval: true, workerData: { addonFile, memoryOptions, oneService } });
        worker.on('message', (generation) => {
          if (generation !== 1) process.exitCode = 9;
        });
        worker.on('exit', (code) => {
          if (code !== 0) process.exitCode = 8;
          if (--left === 0) console.log('generation', main.publish(oneService));
        });
      }
    `);
    expect(result).toMatchObject({ ...fine, output: 'generation 1\n' });
  });

  it('survives that the only thread using it is terminated', async () => {
    const result = await runChild(`
      const { Worker } = require('node:worker_threads');
      const body = \`
        const { parentPort, workerData } = require('node:worker_threads');
        const engine = new (require(workerData.addonFile).Engine)(workerData.memoryOptions);
        engine.publish(workerData.oneService);
        parentPort.postMessage('up');
        setInterval(() => engine.counters(), 1);
      \`;
      const worker = new Worker(body, { eval: true, workerData: { addonFile, memoryOptions, oneService } });
      worker.on('message', async () => {
        await worker.terminate();
        console.log('terminated');
      });
    `);
    expect(result).toMatchObject({ ...fine, output: 'terminated\n' });
  });

  it('gives the memory of thousands of engines back', async () => {
    // The wrapper objects are collected, and their finalizers run, only between turns of the event loop.
    const result = await runChild(`
      require('node:v8').setFlagsFromString('--expose-gc');
      const collect = require('node:vm').runInNewContext('gc');
      const some = async () => {
        for (let i = 0; i < 100; ++i) {
          const engine = new addon.Engine({ ...memoryOptions, flowCapacity: 100000 });
          engine.publish(oneService);
          engine.close();
        }
        collect();
        await new Promise((resolve) => setImmediate(resolve));
      };
      (async () => {
        for (let i = 0; i < 5; ++i) await some();
        const before = process.memoryUsage().rss;
        for (let i = 0; i < 30; ++i) await some();
        const grown = (process.memoryUsage().rss - before) / 1048576;
        console.log(grown < 32 ? 'flat' : 'grew by ' + grown + ' MiB'); // a lane leaked each time would be 150
      })();
    `);
    expect(result).toMatchObject({ ...fine, output: 'flat\n' });
  });
});
