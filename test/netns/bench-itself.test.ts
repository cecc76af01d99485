// SPDX-License-Identifier: Apache-2.0
/**
 * The test bench tests itself, without vsnat: over plain routing and kernel DNAT every helper must see what is there,
 * and must see damage when there is some. A bench that cannot fail proves nothing about the director.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { mentioning, protocolNumbers } from './support/capture.js';
import { hostState } from './support/host-state.js';
import { addressOf, at, families, Lab, vip, type LabOptions } from './support/lab.js';
import { loadProgram, ports, type StreamResult } from './support/load.js';
import { Metrics } from './support/metrics.js';
import { Background, must, run } from './support/process.js';
import { suite } from './support/suite.js';

suite('the bench without a director', () => {
  const labs: Lab[] = [];
  const build = async (options: LabOptions = {}): Promise<Lab> => {
    const lab = await Lab.create({ servers: 1, director: 'none', ...options });
    labs.push(lab);
    return lab;
  };
  afterEach(async () => {
    for (const lab of labs.splice(0)) await lab.close();
  });

  test('streams, requests, datagrams and pings pass plain routing whole, in both families', async () => {
    const lab = await build();
    for (const family of families) {
      const address = addressOf(lab.server(0), family);
      const stream = await lab.load('stream', {
        to: at(address, ports.stream),
        bytes: 50_000_000,
        direction: 'both',
      });
      expect(stream).toMatchObject({ failed: 0, badBytes: 0, bytesUp: 50_000_000, bytesDown: 50_000_000 });
      const http = await lab.load('http', {
        to: at(address, ports.http),
        mode: 'connect',
        requests: 500,
        connections: 4,
      });
      expect(http).toMatchObject({ answered: 500, failed: 0, byServer: { rs1: 500 } });
      const udp = await lab.load('udp', {
        to: at(address, ports.udp),
        sources: 20,
        datagrams: 20,
        segments: 4,
      });
      expect(udp).toMatchObject({ received: 400, lost: 0, duplicated: 0, corrupted: 0 });
      const ping = await lab.load('ping', { to: address });
      expect(ping).toMatchObject({ received: 3, hopLimits: { 63: 3 } });
    }
  }, 240_000); // compiles the load tool when nobody has yet

  test('a bottleneck between routers is found by path MTU discovery, and the capture sees the error and its quote', async () => {
    const lab = await build({ serverPath: [1500, 1400, 1500] });
    const { ipv4, ipv6 } = lab.server(0);
    const capture = await lab.captureAtClient('icmp or icmp6');
    for (const address of [ipv4, ipv6]) {
      const stream = await lab.load('stream', {
        to: at(address, ports.stream),
        bytes: 5_000_000,
        direction: 'up',
      });
      expect(stream).toMatchObject({ failed: 0, badBytes: 0 });
    }
    const packets = await capture.stop();
    for (const [address, type, protocol] of [
      [ipv4, 3, protocolNumbers.icmp],
      [ipv6, 2, protocolNumbers.icmp6],
    ] as const) {
      const errors = packets.filter((packet) => packet.protocol === protocol && packet.icmp?.type === type);
      expect(errors.length).toBeGreaterThan(0);
      expect(errors[0]?.icmp).toMatchObject({
        mtu: 1400,
        quoted: { destination: address, protocol: protocolNumbers.tcp },
      });
      expect(mentioning(packets, [address])).toHaveLength(errors.length);
    }
    expect(mentioning(packets, ['10.9.9.9'])).toEqual([]);
  });

  test('kernel DNAT hides the real server, and its table shows in the host state', async () => {
    const lab = await build();
    const director = lab.topology.director.namespace;
    const before = await hostState(director);
    await director.must(['nft', '-f', '-'], {
      input: `table ip kernel {
        chain prerouting {
          type nat hook prerouting priority dstnat;
          ip daddr ${vip.v4} tcp dport ${vip.http} dnat to ${lab.server(0).ipv4}:${ports.http}
        }
      }`,
    });
    const capture = await lab.captureAtClient();
    const http = await lab.load('http', { to: at(vip.v4, vip.http), requests: 100 });
    expect(http).toMatchObject({ answered: 100, failed: 0 });
    const packets = await capture.stop();
    expect(mentioning(packets, [vip.v4]).length).toBeGreaterThan(200);
    expect(mentioning(packets, lab.rips)).toEqual([]);
    expect(await hostState(director)).not.toBe(before);
    await director.must(['nft', 'flush', 'ruleset']);
    expect(await hostState(director)).toBe(before);
  });

  test('offload off means no frame is larger than the MTU', async () => {
    const lab = await build({ offload: 'off' });
    const { ipv4 } = lab.server(0);
    const capture = await lab.captureAtClient('tcp');
    const stream = await lab.load('stream', {
      to: at(ipv4, ports.stream),
      bytes: 2_000_000,
      direction: 'both',
    });
    expect(stream).toMatchObject({ failed: 0, badBytes: 0 });
    const sizes = (await capture.stop()).map(({ totalLength }) => totalLength);
    expect(Math.max(...sizes)).toBe(1500);
  });

  test('nothing of a lab is left once it is closed', async () => {
    const lab = await build();
    const { name } = lab.client;
    await lab.close();
    expect(await must(['ip', 'netns', 'list'])).not.toContain(name);
    expect((await run(['ip', 'netns', 'exec', name, 'true'])).code).not.toBe(0);
  });
});

suite('the load tool', () => {
  /** A TCP relay on loopback that changes one byte on the way to the client. */
  const damagingRelay = async (to: number, offset: number): Promise<{ port: number; close: () => void }> => {
    const sockets: Socket[] = [];
    const relay = createServer((client) => {
      const server = connect(to, '127.0.0.1');
      let passed = 0;
      sockets.push(client, server);
      client.on('error', () => server.destroy()).pipe(server);
      server.on('error', () => client.destroy());
      server.on('end', () => client.end());
      server.on('data', (chunk: Buffer) => {
        if (passed <= offset && offset < passed + chunk.length) {
          chunk.writeUInt8(chunk.readUInt8(offset - passed) ^ 0x10, offset - passed);
        }
        passed += chunk.length;
        client.write(chunk);
      });
    });
    await once(relay.listen(0, '127.0.0.1'), 'listening');
    const close = (): void => {
      relay.close();
      for (const socket of sockets) socket.destroy();
    };
    return { port: (relay.address() as AddressInfo).port, close };
  };

  test('finds the one byte that was changed on the way', async () => {
    const program = await loadProgram();
    const server = new Background([program, 'serve', '--stream', '15501']);
    await server.waitForOutput(/^ready$/m);
    const relay = await damagingRelay(15501, 3_333_333);
    try {
      const to = `127.0.0.1:${relay.port}`;
      const { code, stdout } = await run([program, 'stream', '--to', to, '--bytes', '5000000']);
      expect(code).toBe(1);
      expect(JSON.parse(stdout) as StreamResult).toMatchObject({
        badBytes: 1,
        firstBad: 3_333_333,
        failed: 0,
      });
    } finally {
      relay.close();
      await server.stop('SIGKILL');
    }
  }, 240_000);
});

suite('the conservation equations', () => {
  const queue = (rx: number, tx: number): string => `
vsnat_queue_packets_total{queue="0",direction="rx"} ${rx}
vsnat_queue_packets_total{queue="0",direction="tx"} ${tx}
vsnat_queue_forwarded_total{queue="0"} 70
vsnat_queue_passed_total{queue="0"} 20
vsnat_packets_dropped_total{queue="0",reason="truncated"} 7
vsnat_packets_dropped_total{queue="0",reason="no_flow"} 3
vsnat_packets_generated_total{queue="0",kind="tcp_reset"} 4
vsnat_queue_tx_failed_total{queue="0"} 1`;

  test('hold for counters that add up', () => {
    expect(new Metrics(queue(100, 93)).violations()).toEqual([]);
  });

  test('name the side on which a packet went missing', () => {
    expect(new Metrics(queue(101, 93)).violations()).toEqual([
      expect.stringMatching(/^queue 0: rx 101 is not/),
    ]);
    expect(new Metrics(queue(100, 92)).violations()).toEqual([
      expect.stringMatching(/^queue 0: tx 92 is not/),
    ]);
  });
});
