// SPDX-License-Identifier: Apache-2.0
// `node tools/first-time.mjs [REPOSITORY]`: what a newcomer does, as README says it, with a watch in hand: clone, build, write a
// service of one's own with two servers, check, run, and ask until both have answered. As root; it all happens in a folder
// below /tmp and in network namespaces, and goes away. CCACHE_DISABLE=1, so that no compiler remembers.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';

const source = process.argv[2] ?? path.resolve(import.meta.dirname, '..');
const folder = mkdtempSync(path.join(tmpdir(), 'vsnat-first-'));
const clone = path.join(folder, 'vsnat');
const env = { ...process.env, CCACHE_DISABLE: '1' };
const tag = `vsnat-f${process.pid}`;
const names = ['client', 'director', 'rs1', 'rs2'].map((name) => `${tag}-${name}`);
const [client, director, rs1, rs2] = names;
const children = [];
const began = performance.now();
let last = began;

function sh(line, options = {}) {
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', line], {
    env,
    cwd: folder,
    encoding: 'utf8',
    ...options,
  });
  if (status !== 0) throw new Error(`${line}\n${stdout}${stderr}`);
  return stdout;
}

function step(name) {
  const now = performance.now();
  console.log(`${((now - last) / 1000).toFixed(1).padStart(7)} s  ${name}`);
  last = now;
}

function start(namespace, argv, cwd = folder) {
  const child = spawn('ip', ['netns', 'exec', namespace, ...argv], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let said = '';
  child.stdout.on('data', (text) => (said += text));
  child.stderr.on('data', (text) => (said += text));
  return { child, said: () => said };
}

/** The network somebody has already: a client, a director between, two servers whose way back leads through it. */
function network() {
  for (const name of names) sh(`ip netns add ${name}; ip -n ${name} link set lo up`);
  for (const [at, far] of [client, rs1, rs2].entries()) {
    const subnet = `10.${at === 0 ? 1 : 2}.${at === 0 ? 0 : at}`;
    sh(`ip -n ${director} link add to${at} type veth peer name eth0 netns ${far}`);
    sh(`ip -n ${director} addr add ${subnet}.1/24 dev to${at}; ip -n ${director} link set to${at} up`);
    sh(
      `ip -n ${far} addr add ${subnet}.2/24 dev eth0; ip -n ${far} link set eth0 up; ip -n ${far} route add default via ${subnet}.1`,
    );
  }
  const answer = (name) =>
    `require('node:http').createServer((_, response) => response.end('${name}\\n')).listen(8080)`;
  start(rs1, [process.execPath, '-e', answer('rs1')]);
  start(rs2, [process.execPath, '-e', answer('rs2')]);
}

const configuration = `services:
  - name: web
    listen: tcp://10.9.0.1:80
    scheduler: wrr
    servers:
      - { address: 10.2.1.2:8080, weight: 5 }
      - { address: 10.2.2.2:8080, weight: 3 }
`;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function bothAnswer(daemon) {
  const heard = new Set();
  for (let until = performance.now() + 60_000; performance.now() < until; await pause(100)) {
    if (daemon.child.exitCode !== null) throw new Error(`the daemon ended:\n${daemon.said()}`);
    const { stdout } = spawnSync('ip', ['netns', 'exec', client, 'curl', '-sm', '2', 'http://10.9.0.1/'], {
      encoding: 'utf8',
    });
    if (/^rs\d$/m.test(stdout)) heard.add(stdout.trim());
    if (heard.size === 2) return;
  }
  throw new Error(`only ${[...heard].join(', ') || 'nobody'} answered:\n${daemon.said()}`);
}

try {
  network();
  last = performance.now();
  const from = last;
  sh(`git clone -q ${source} vsnat`);
  step('git clone');
  sh('npm ci', { cwd: clone });
  step('npm ci (compiles the addon)');
  sh('npm run build:ts', { cwd: clone });
  step('npm run build:ts');
  writeFileSync(path.join(clone, 'vsnat.yaml'), configuration);
  sh(`ip netns exec ${director} sysctl -qw net.ipv4.ip_forward=1`);
  process.stdout.write(sh(`ip netns exec ${director} bin/vsnat check vsnat.yaml`, { cwd: clone }));
  step('vsnat.yaml written, ip_forward set, vsnat check');
  const daemon = start(
    director,
    ['bin/vsnat', 'run', '-c', 'vsnat.yaml', '--socket', path.join(folder, 'vsnat.sock')],
    clone,
  );
  await bothAnswer(daemon);
  step('vsnat run, and both servers have answered through the VIP');
  const seconds = (performance.now() - from) / 1000;
  console.log(
    `${seconds.toFixed(1).padStart(7)} s  in all, without typing; ${cpus().length} processors, Node ${process.versions.node}`,
  );
} finally {
  for (const child of children) child.kill('SIGTERM');
  await Promise.all(
    children.map(
      (child) =>
        (child.exitCode ?? child.signalCode) !== null ||
        new Promise((resolve) => child.once('exit', resolve)),
    ),
  );
  for (const name of names) spawnSync('ip', ['netns', 'del', name]);
  rmSync(folder, { recursive: true, force: true });
}
