// SPDX-License-Identifier: Apache-2.0
/** `npm start`: build whatever is missing, then show the demo. Arguments go to it: `npm start -- --once`. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { BootstrapError, ensureBuilt, root } from './bootstrap.mjs';

const startedAt = Date.now();
const noPermission = 4; // like vsnat's own exit code

async function start() {
  if (process.getuid?.() !== 0) {
    console.error(
      'npm start: shows the demo, which makes network namespaces; run it as root (sudo npm start)',
    );
    return noPermission;
  }
  try {
    await ensureBuilt();
  } catch (error) {
    if (!(error instanceof BootstrapError)) throw error;
    console.error(error.message);
    return 1;
  }
  const demo = spawn(process.execPath, [join(root, 'bin/vsnat'), 'demo', ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, VSNAT_STARTED_AT: String(startedAt) },
  });
  // Ctrl-C reaches the demo by itself, as a member of the same process group; this process only has to outlive it.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => demo.kill(signal));
  return new Promise((resolve) => demo.on('close', (status) => resolve(status ?? 1)));
}

process.exitCode = await start();
