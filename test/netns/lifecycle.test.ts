// SPDX-License-Identifier: Apache-2.0
/** Starting, refusing to start, and stopping: exit codes, sentences, and a host that is as it was. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Installation } from './support/daemon.js';
import { hostState } from './support/host-state.js';
import { at, Lab, vip } from './support/lab.js';
import { suite } from './support/suite.js';

suite('the life of a daemon', () => {
  let lab: Lab;
  let installation: Installation;
  beforeEach(async () => {
    lab = await Lab.create({ servers: 1, director: 'none' });
    installation = await Installation.create(lab.topology.director.namespace);
  }, 240_000);
  afterEach(async () => {
    await installation.remove();
    await lab.close();
  });

  /** A start that must be refused: the exit code, what it says, and nothing done to the host. */
  const refused = async (exitCode: number, ...sentences: RegExp[]): Promise<void> => {
    const before = await hostState(installation.namespace);
    const { code, stdout, stderr } = await installation.runDaemon();
    expect({ code, said: stdout + stderr }).toMatchObject({ code: exitCode });
    for (const sentence of sentences) expect(stdout + stderr).toMatch(sentence);
    expect(await hostState(installation.namespace)).toBe(before);
  };

  test('SIGTERM in the middle of traffic leaves no device, route, rule, neighbour or table', async () => {
    for (let start = 0; start < 3; start++) {
      const daemon = await lab.startDaemon();
      const stream = await lab.startLoad('stream', { to: at(vip.v4, vip.stream), seconds: 20, stall: 1 });
      await lab.load('http', { to: at(vip.v6, vip.http), mode: 'connect', requests: 50 });
      await daemon.assertConservation();
      await lab.stopDaemon(); // judges exit code and leftovers
      await stream.process.stop('SIGKILL');
    }
  });

  test('an empty list of services is a valid start', async () => {
    await lab.startDaemon({ services: [] });
    await lab.stopDaemon();
  });

  test('a second start of the same file says who runs already and exits 4', async () => {
    const { pid, installation: first } = await lab.startDaemon();
    const { code, stderr } = await first.runDaemon();
    expect(stderr).toMatch(new RegExp(`\\b${pid}\\b`));
    expect(code).toBe(4);
  });

  test('a second start on the same socket says who holds it and exits 4', async () => {
    const { pid, installation: first } = await lab.startDaemon();
    await installation.write({
      services: [],
      tun: { name: 'other0' },
      admin: { socket: first.socket },
      metrics: { listen: '127.0.0.1:9192' },
    });
    await refused(4, new RegExp(`\\b${pid}\\b`), new RegExp(first.socket));
  });

  test('a second start on the same device says who holds it and exits 4', async () => {
    const { pid } = await lab.startDaemon();
    await installation.write({ services: [], metrics: { listen: '127.0.0.1:9192' } });
    await refused(4, new RegExp(`\\b${pid}\\b`), /vsnat0/);
    const http = await lab.load('http', { to: at(vip.v4, vip.http), mode: 'connect', requests: 20 });
    expect(http).toMatchObject({ answered: 20, failed: 0 }); // the first one does not mind
  });

  test('without ip_forward it exits 4 and gives the command that mends it', async () => {
    await installation.namespace.sysctl({ 'net.ipv4.ip_forward': 0 });
    await installation.write(lab.config);
    await refused(4, /sysctl -w net\.ipv4\.ip_forward=1/);
  });

  test('without IPv6 forwarding a service with an IPv6 VIP is refused likewise', async () => {
    await installation.namespace.sysctl({ 'net.ipv6.conf.all.forwarding': 0 });
    await installation.write(lab.config);
    await refused(4, /sysctl -w net\.ipv6\.conf\.all\.forwarding=1/);
  });

  test('without CAP_NET_ADMIN it exits 4', async () => {
    await installation.write(lab.config);
    const { namespace, configFile } = installation;
    const argv = [
      'setpriv',
      '--bounding-set=-net_admin',
      '--inh-caps=-net_admin',
      process.execPath,
      'bin/vsnat',
      'run',
      '-c',
    ];
    const { code, stderr } = await namespace.run([...argv, configFile]);
    expect(stderr).toContain('CAP_NET_ADMIN');
    expect(code).toBe(4);
  });

  test('a bad configuration exits 3 and names every mistake by line and column', async () => {
    await installation.writeText(
      'services:\n  - name: web\n    listen: tcp://10.9.0.1:80\n    shceduler: rr\n    servers: [10.2.1.2:99999]\n',
    );
    await refused(3, /vsnat\.yaml:4:5: .*shceduler.*scheduler/, /vsnat\.yaml:5:\d+: /);
  });

  test('a real server in no subnet of the director is refused unless it is said to be routed', async () => {
    const service = { name: 'web', listen: 'tcp://10.9.0.1:80', servers: ['192.0.2.7:80'] };
    await installation.write({ services: [service] });
    await refused(3, /192\.0\.2\.7/);
    await lab.startDaemon({ services: [{ ...service, routed: true }] });
    await lab.stopDaemon();
  });

  test('a missing file exits 3', async () => {
    const { code, stderr } = await installation.vsnat('run', '-c', '/nonexistent.yaml');
    expect(stderr).toContain('/nonexistent.yaml');
    expect(code).toBe(3);
  });

  test('check finds a good file good and touches nothing', async () => {
    await installation.write(lab.config);
    const before = await hostState(installation.namespace);
    expect(await installation.vsnat('check', installation.configFile)).toMatchObject({ code: 0 });
    expect(await hostState(installation.namespace)).toBe(before);
  });

  test('status, services and flows of a running daemon answer, and exit 5 when it is gone', async () => {
    const { installation: running } = await lab.startDaemon();
    await lab.load('http', { to: at(vip.v4, vip.http), mode: 'connect', requests: 10 });
    expect(await running.vsnat('status')).toMatchObject({ code: 0 });
    const services = await running.vsnat('services');
    expect(services.stdout).toContain('http-v4');
    expect(services.code).toBe(0);
    const flows = await running.vsnat('flows');
    expect(flows.code).toBe(0);
    expect(flows.stdout).toContain(lab.topology.client.ipv4);
    expect(flows.stdout).toContain(`${vip.v4}:${vip.http}`);
    await lab.stopDaemon();
    expect(await installation.vsnat('status')).toMatchObject({ code: 5 });
  });
});
