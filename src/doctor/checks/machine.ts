// SPDX-License-Identifier: Apache-2.0
/** What the process may do here: the driver, capabilities, eBPF, descriptors, and who holds the device. */
import { doubtful, wrong, type Check } from '../finding.js';
import { serversOf, type Facts } from '../facts.js';

/** linux/capability.h */
const capability = { netAdmin: 12n, sysAdmin: 21n, bpf: 39n } as const;

const has = (facts: Facts, name: keyof typeof capability): boolean =>
  facts.capabilities === null || (facts.capabilities & (1n << capability[name])) !== 0n;

export const tunDriver: Check<Facts> = {
  name: 'tun-driver',
  title: '/dev/net/tun is there',
  look: ({ hasTunDriver, container }) =>
    hasTunDriver
      ? []
      : [
          wrong({
            what: `/dev/net/tun is missing${container === null ? '' : `; this is a container (${container})`}`,
            why: 'vsnat moves packets through a TUN device and cannot start without its driver',
            mend:
              container === null
                ? 'modprobe tun; mkdir -p /dev/net && mknod /dev/net/tun c 10 200'
                : 'docker run --device /dev/net/tun --cap-add NET_ADMIN …',
            ...(container === null ? {} : { mendAt: 'where the container is started' }),
          }),
        ],
};

export const capabilities: Check<Facts> = {
  name: 'capability',
  title: 'this process has CAP_NET_ADMIN',
  look: (facts) =>
    has(facts, 'netAdmin')
      ? []
      : [
          wrong({
            what: 'CAP_NET_ADMIN is missing in this process',
            why: 'the device, routes and rules cannot be made without it; and this doctor sees less',
            mend: facts.container === null ? 'sudo vsnat doctor' : 'docker run --cap-add NET_ADMIN …',
            ...(facts.container === null ? {} : { mendAt: 'where the container is started' }),
          }),
        ],
};

export const bpf: Check<Facts> = {
  name: 'bpf',
  title: 'packets are steered to queues by eBPF',
  look: (facts) => {
    const device = facts.daemon?.status.director.device;
    const needed = device === undefined || device.queues > 1;
    const off = device !== undefined && device.steering === 'none';
    const forbidden = has(facts, 'netAdmin') && !has(facts, 'bpf') && !has(facts, 'sysAdmin');
    if (!needed || !(off || (device === undefined && forbidden))) return [];
    const cause = facts.seccomp === true ? ', and a seccomp filter is on this process' : '';
    return [
      doubtful({
        what: off
          ? `${device.name} has ${device.queues} queues and no steering program${cause}`
          : `bpf() is not allowed here: neither CAP_BPF nor CAP_SYS_ADMIN${cause}`,
        why: 'both directions of a connection may come to different queues: all is correct, and slower (locks and cache lines are shared)',
        mend:
          facts.container === null
            ? 'systemctl edit vsnat   # [Service] AmbientCapabilities=CAP_NET_ADMIN CAP_BPF'
            : 'docker run --cap-add NET_ADMIN --cap-add BPF --security-opt seccomp=unconfined …',
        ...(facts.container === null ? {} : { mendAt: 'where the container is started' }),
      }),
    ];
  },
};

/** sendmsg of UDP superpackets into a TUN: drivers/net/tun.c, TUN_F_USO4, Linux 6.2. */
export const kernel: Check<Facts> = {
  name: 'kernel',
  title: 'the kernel has what vsnat uses',
  look: ({ kernel: release, daemon }) => {
    const [major = 0, minor = 0] = release.split('.').map((part) => parseInt(part, 10));
    const isOld = major < 6 || (major === 6 && minor < 2);
    const hasUdp = (daemon?.services ?? []).some(({ listen }) =>
      listen.some(({ protocol }) => protocol === 'udp'),
    );
    return isOld && hasUdp
      ? [
          doubtful({
            what: `kernel ${release} has no UDP segmentation offload on TUN devices (Linux 6.2)`,
            why: 'bulk UDP costs one pass per datagram instead of one per superpacket; nothing is lost',
            mend: 'apt-get install linux-image-amd64/bookworm-backports',
          }),
        ]
      : [];
  },
};

export const descriptors: Check<Facts> = {
  name: 'descriptors',
  title: 'enough files may be open',
  look: (facts) => {
    if (facts.openFiles === null) return 'the limit cannot be read';
    const servers = facts.wanted === null ? 0 : serversOf(facts.wanted).length;
    const needed = 512 + servers;
    return facts.openFiles >= needed
      ? []
      : [
          doubtful({
            what: `${facts.openFiles} files may be open, and ${servers} real servers with queues, clients of the API and metrics may need ${needed}`,
            why: 'checks of servers and requests to the API would fail with EMFILE',
            mend: 'systemctl edit vsnat   # [Service] LimitNOFILE=65536',
          }),
        ];
  },
};

export const deviceHolder: Check<Facts> = {
  name: 'device',
  title: 'the TUN device is there and up, and only the daemon holds it',
  look: (facts) => {
    const { wanted, tun, daemon, links } = facts;
    if (wanted === null || tun === null) return 'no configuration and no daemon';
    const { device } = wanted;
    const others = tun.holders.filter(({ pid }) => pid !== daemon?.status.pid);
    if (tun.exists && !tun.isTun)
      return [
        wrong({
          what: `an interface named ${device} exists and is no TUN device`,
          why: 'the daemon cannot make its device',
          mend: `ip link set dev ${device} down; ip link set dev ${device} name ${device.slice(0, 11)}old`,
        }),
      ];
    if (daemon === null && others.length > 0)
      return [
        wrong({
          what: `${device} belongs to process ${others.map(({ pid, command }) => `${pid} (${command})`).join(', ')}, which does not answer here`,
          why: 'a second daemon cannot have the same device',
          mend: `kill ${others.map(({ pid }) => pid).join(' ')}`,
        }),
      ];
    if (daemon === null && tun.exists)
      return [
        wrong({
          what: `a device named ${device} was made beforehand and no process holds it`,
          why: 'vsnat makes its own and refuses to start over another',
          mend: `ip link del dev ${device}`,
        }),
      ];
    if (daemon === null) return [];
    const link = links.find(({ name }) => name === device);
    if (link === undefined)
      return [
        wrong({
          what: `${device} is gone although the daemon runs`,
          why: 'no packet reaches the daemon',
          mend: 'systemctl restart vsnat',
        }),
      ];
    return link.isUp
      ? []
      : [
          wrong({
            what: `${device} is down`,
            why: 'its routes are gone, and no packet reaches the daemon',
            mend: `ip link set dev ${device} up; vsnat reload`,
          }),
        ];
  },
};

export const adminSocket: Check<Facts> = {
  name: 'daemon',
  title: 'the daemon answers',
  look: ({ daemon, daemonTrouble }) => {
    if (daemon !== null) {
      const { director } = daemon.status;
      return director.adopted
        ? []
        : [
            doubtful({
              what: `a queue has not adopted configuration ${director.generation} yet`,
              why: 'its packets are still balanced by the one before',
              mend: 'vsnat status   # again in a second',
            }),
          ];
    }
    if (daemonTrouble === null) return 'it was not asked';
    // A host on which nothing was started yet is not ill.
    if (!daemonTrouble.exists) return 'no daemon runs';
    return [
      wrong({
        what: daemonTrouble.message,
        why: 'a daemon that does not answer cannot be asked, changed or reloaded',
        mend: 'systemctl restart vsnat',
      }),
    ];
  },
};
