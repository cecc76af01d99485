// SPDX-License-Identifier: Apache-2.0
/** The devices themselves. */
import { doubtful, wrong, type Check, type Finding } from '../finding.js';
import { involved, type Facts } from '../facts.js';

export const carriers: Check<Facts> = {
  name: 'links',
  title: 'devices with addresses are up',
  look: (facts) =>
    involved(facts)
      .filter(({ name }) => facts.addresses.some(({ device }) => device === name))
      .filter(({ isUp, hasCarrier }) => !isUp || !hasCarrier)
      .map(({ name, isUp }) =>
        wrong({
          what: `${name} has addresses and ${isUp ? 'no carrier' : 'is down'}`,
          why: 'what lies behind it cannot be reached',
          mend: isUp
            ? `ip link show dev ${name}   # the cable, or the other end`
            : `ip link set dev ${name} up`,
        }),
      ),
};

export const lro: Check<Facts> = {
  name: 'lro',
  title: 'no device merges received packets for good (LRO)',
  look: (facts) => {
    const links = involved(facts);
    if (links.length > 0 && links.every(({ lro: on }) => on === null))
      return 'ethtool is missing (apt-get install ethtool)';
    return links
      .filter(({ lro: on }) => on === true)
      .map(({ name }) =>
        wrong({
          what: `large receive offload is on for ${name}`,
          why: 'it merges packets in a way that cannot be undone: forwarded, they are too large for the next link and are dropped. GRO, which vsnat likes, is another thing',
          mend: `ethtool -K ${name} lro off`,
        }),
      );
  },
};

export const mtu: Check<Facts> = {
  name: 'mtu',
  title: 'the TUN device is no narrower than the links',
  look: (facts) => {
    const { wanted, links } = facts;
    if (wanted === null) return 'no configuration and no daemon';
    const tun = links.find(({ name }) => name === wanted.device);
    const mtuOfTun = tun?.mtu ?? wanted.deviceMtu;
    if (mtuOfTun === null) return 'the device is not there';
    const widest = involved(facts)
      .filter(({ isUp }) => isUp)
      .sort((a, b) => b.mtu - a.mtu)[0];
    if (widest === undefined || mtuOfTun >= widest.mtu) return [];
    const finding: Finding = doubtful({
      what: `${wanted.device} takes packets of ${mtuOfTun} bytes, ${widest.name} of ${widest.mtu}`,
      why: 'larger packets are refused with "fragmentation needed"; where a firewall eats that message, connections hang at their first full packet',
      mend: `ip link set dev ${wanted.device} mtu 65535`,
    });
    return [tun === undefined ? { ...finding, mend: 'vsnat check   # tun.mtu: leave it out' } : finding];
  },
};
