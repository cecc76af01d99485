// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { judge, type Observed, type ServiceStanding } from '../../../src/director/standing.js';
import {
  realServer,
  serverId,
  virtualService,
  type RealServerOptions,
  type VirtualService,
  type VirtualServiceOptions,
} from '../../../src/model/index.js';
import { idOf } from './models.js';
import { check } from './played.js';

/** Servers "a:3 b" with options by letter. */
function serviceOf(
  servers: string,
  options: Partial<VirtualServiceOptions> = {},
  each: Readonly<Record<string, RealServerOptions>> = {},
): VirtualService {
  return virtualService({
    name: 'web',
    listen: 'tcp://10.9.0.1:80',
    scheduler: 'wrr',
    health: [check],
    ...options,
    servers: servers.split(' ').map((text) => {
      const [letter = '', weight = '1'] = text.split(':');
      return realServer(idOf(letter), { weight: Number(weight), ...each[letter] });
    }),
  });
}

const sorry = realServer('10.2.9.9:80');

/** A service over time: what its checks say, one word a server, and what is published. */
class Play {
  standing: ServiceStanding | undefined;
  now = 0;
  lingering = false;
  readonly #said = new Map<string, Observed>();

  constructor(public service: VirtualService) {}

  say(letters: string, observed: Partial<Observed>): this {
    for (const letter of letters) {
      const before = this.#said.get(idOf(letter));
      this.#said.set(idOf(letter), {
        verdict: 'unknown',
        weightPercent: null,
        drainAsked: false,
        ...before,
        ...observed,
      });
    }
    return this;
  }

  up = (letters: string): this => this.say(letters, { verdict: 'up' });
  down = (letters: string): this => this.say(letters, { verdict: 'down' });

  at(ms: number): this {
    this.now = ms;
    return this;
  }

  judged(): ServiceStanding {
    this.standing = judge(this.service, this.standing, {
      observe: (server) => this.#said.get(server),
      lingers: () => this.lingering,
      now: this.now,
    });
    return this.standing;
  }

  /** "a=1 b=0!": weights as published; ! is withdrawn. */
  weights(): string {
    const letter = (id: string): string =>
      id === serverId(sorry) ? 'sorry' : String.fromCharCode(Number(/(\d+):/.exec(id)?.[1]));
    return this.judged()
      .effective.servers.map(
        (server) => `${letter(serverId(server))}=${server.weight}${server.withdrawn ? '!' : ''}`,
      )
      .join(' ');
  }

  places(): string {
    return this.judged()
      .servers.map(({ place }) => place)
      .join(' ');
  }
}

const play = (...parameters: Parameters<typeof serviceOf>): Play => new Play(serviceOf(...parameters));

describe('health', () => {
  it('leaves a service without checks as it is configured', () => {
    expect(play('a:3 b c:0', { health: [] }).down('a').weights()).toBe('a=3 b=1 c=0');
  });

  it('publishes what is configured, the very object, where nothing is to be different', () => {
    const web = play('a:3 b c:0');
    expect(web.judged().effective).toBe(web.service);
    expect(web.down('b').judged().effective).not.toBe(web.service);
    expect(web.up('b').judged().effective).toBe(web.service);
    expect(
      play('a:3 b', {}, { b: { disabled: true } })
        .judged()
        .effective.servers.map(({ weight }) => weight),
    ).toEqual([3, 0]);
  });

  it('counts every server of a new service as up until its checks have spoken', () => {
    const web = play('a b');
    expect(web.weights()).toBe('a=1 b=1');
    expect(web.down('a').weights()).toBe('a=0! b=1');
    expect(web.up('a').weights()).toBe('a=1 b=1');
  });

  it('has a server that joins others wait for its first answer', () => {
    const web = play('a b').up('ab');
    web.judged();
    web.service = serviceOf('a b c');
    expect(web.weights()).toBe('a=1 b=1 c=0');
    expect(web.places()).toBe('serving serving new');
    expect(web.up('c').weights()).toBe('a=1 b=1 c=1');
  });

  it('does not have it wait when nobody else can serve', () => {
    const web = play('a').down('a');
    web.judged();
    web.service = serviceOf('a b');
    expect(web.weights()).toBe('a=0! b=1');
  });

  it('keeps a verdict while the checks know none any more', () => {
    const web = play('a b').down('a');
    web.judged();
    expect(web.say('a', { verdict: 'unknown' }).weights()).toBe('a=0! b=1');
  });

  it('is not asked about a server that is not to be checked', () => {
    expect(
      play('a b', {}, { a: { checked: false } })
        .down('ab')
        .weights(),
    ).toBe('a=1 b=0!');
  });

  it('with all servers down leaves nobody', () => {
    const web = play('a b').down('ab');
    expect(web.weights()).toBe('a=0! b=0!');
    expect(web.judged()).toMatchObject({ quorum: 'lost', sorry: 'absent' });
  });

  it('publishes the very same service when nothing changes', () => {
    const web = play('a b').up('ab');
    const { effective } = web.judged();
    expect(web.at(5_000).judged().effective).toBe(effective);
    expect(web.down('a').judged().effective).not.toBe(effective);
  });

  it('remembers since when', () => {
    const web = play('a').at(1_000).up('a');
    web.judged();
    expect(web.at(2_000).judged().servers[0]?.since).toBe(1_000);
    expect(web.at(3_000).down('a').judged().servers[0]?.since).toBe(3_000);
  });
});

describe('an agent', () => {
  it('sets a share of the weight', () => {
    expect(play('a:2 b').up('ab').say('a', { weightPercent: 75 }).weights()).toBe('a=150 b=100');
  });

  it('takes all of it with 0 %, or by asking to be drained, and persistent clients stay', () => {
    const web = play('a b').up('ab').say('a', { weightPercent: 0 });
    expect(web.weights()).toBe('a=0 b=1');
    expect(web.places()).toBe('quiesced serving');
    web.say('a', { weightPercent: null, drainAsked: true });
    expect(web.weights()).toBe('a=0 b=1');
  });
});

describe('backups', () => {
  it('serve only while nobody else can', () => {
    const web = play('a b c', {}, { c: { backup: true } }).up('abc');
    expect(web.weights()).toBe('a=1 b=1 c=0');
    expect(web.places()).toBe('serving serving backup');
    expect(web.down('a').weights()).toBe('a=0! b=1 c=0');
    expect(web.down('b').weights()).toBe('a=0! b=0! c=1');
    expect(web.up('a').weights()).toBe('a=1 b=0! c=0');
  });

  it('are not called for by a server that has no answer yet', () => {
    const web = play('a b', {}, { b: { backup: true } })
      .down('a')
      .up('b');
    web.judged();
    web.service = serviceOf('a b c', {}, { b: { backup: true } });
    expect(web.weights()).toBe('a=0! b=0 c=1');
  });
});

describe('the quorum', () => {
  const withSorry = { sorryServers: [sorry] };

  it('without a number is lost with the last server that can serve', () => {
    const web = play('a b', withSorry).up('ab');
    expect(web.weights()).toBe('a=1 b=1');
    expect(web.down('a').weights()).toBe('a=0! b=1');
    expect(web.down('b').weights()).toBe('a=0! b=0! sorry=1');
    expect(web.up('b').weights()).toBe('a=0! b=1');
  });

  it('lost, has the sorry servers in the place of all others', () => {
    const web = play('a:2 b:2', { ...withSorry, quorum: { weight: 3, hysteresis: 0 } }).up('ab');
    expect(web.weights()).toBe('a=2 b=2');
    expect(web.down('a').weights()).toBe('a=0! b=0! sorry=1');
    expect(web.places()).toBe('down held');
  });

  it('lost without sorry servers, leaves those that work to serve', () => {
    const web = play('a b', { quorum: { weight: 2, hysteresis: 0 } })
      .up('ab')
      .down('a');
    expect(web.weights()).toBe('a=0! b=1');
    expect(web.judged().quorum).toBe('lost');
  });

  it('is lost below weight - hysteresis and regained at weight + hysteresis', () => {
    const web = play('a b c d e', { quorum: { weight: 3, hysteresis: 1 } }).up('abcde');
    const met = (): string => web.judged().quorum;
    expect(met()).toBe('met');
    web.down('ab');
    expect(met()).toBe('met'); // 3
    web.down('c');
    expect(met()).toBe('met'); // 2
    web.down('d');
    expect(met()).toBe('lost'); // 1
    web.up('cd');
    expect(met()).toBe('lost'); // 3
    web.up('b');
    expect(met()).toBe('met'); // 4
  });

  it('is regained with all servers, however great the hysteresis', () => {
    const web = play('a b', { quorum: { weight: 2, hysteresis: 1 } })
      .up('ab')
      .down('ab');
    expect(web.judged().quorum).toBe('lost');
    expect(web.up('a').judged().quorum).toBe('lost');
    expect(web.up('b').judged().quorum).toBe('met');
  });

  it('keeps a sorry server for the connections it has, and no longer', () => {
    const web = play('a', withSorry).down('a');
    web.judged();
    web.lingering = true;
    expect(web.up('a').weights()).toBe('a=1 sorry=0!');
    expect(web.judged().nextAt).toBe(5_000);
    web.lingering = false;
    expect(web.weights()).toBe('a=1');
    expect(web.judged().nextAt).toBeNull();
  });

  it('does not have a server stand in for itself', () => {
    const web = play('a', { sorryServers: [realServer(idOf('a'))] }).down('a');
    expect(web.weights()).toBe('a=0!');
    expect(web.judged().sorry).toBe('absent');
  });
});

describe('slow start', () => {
  const slowStart = { seconds: 10, from: 0.1, curve: 1 };

  it('begins when a server comes up again, and not at the start', () => {
    const web = play('a b', { slowStart }).up('ab');
    expect(web.weights()).toBe('a=1 b=1');
    web.down('a').judged();
    expect(web.at(1_000).up('a').weights()).toBe('a=10 b=100');
    expect(web.at(6_000).weights()).toBe('a=55 b=100');
    expect(web.at(10_999).weights()).toBe('a=1 b=1');
    expect(web.judged().nextAt).toBeNull();
  });

  it('says when to look again, and every look changes something', () => {
    const web = play('a b', { slowStart }).up('b').down('a');
    web.judged();
    web.at(1_000).up('a');
    const seen = [web.weights()];
    for (let next = web.standing?.nextAt; next !== null && next !== undefined; next = web.standing?.nextAt)
      seen.push(web.at(next).weights());
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toHaveLength(19);
    expect(seen.at(-1)).toBe('a=1 b=1');
    expect(web.now).toBe(10_445); // beyond 95 % the next whole step is all of it
  });

  it('is for one that is enabled, and for one that joins, as well', () => {
    const web = play('a b', { slowStart, health: [] }, { a: { disabled: true } });
    web.judged();
    web.service = serviceOf('a b c', { slowStart, health: [] });
    expect(web.at(500).weights()).toBe('a=10 b=100 c=10');
  });

  it('begins anew when it is interrupted', () => {
    const web = play('a b', { slowStart }).up('b').down('a');
    web.judged();
    web.up('a').judged();
    web.at(5_000).down('a').judged();
    expect(web.at(6_000).up('a').weights()).toBe('a=10 b=100');
  });
});

describe('a server that is disabled', () => {
  const disabled = { a: { disabled: true } };

  it('gets no new connections; its persistent clients stay', () => {
    const web = play('a b', {}, disabled).up('ab');
    expect(web.weights()).toBe('a=0 b=1');
    expect(web.places()).toBe('disabled serving');
  });

  it('is drained until the deadline and then withdrawn', () => {
    const drain = { deadlineSeconds: 60, then: 'reset' } as const;
    const web = play('a b', { drain }).up('ab');
    web.judged();
    web.service = serviceOf('a b', { drain }, disabled);
    expect(web.at(10_000).weights()).toBe('a=0 b=1');
    expect(web.places()).toBe('draining serving');
    expect(web.standing?.nextAt).toBe(70_000);
    expect(web.at(70_000).weights()).toBe('a=0! b=1');
    expect(web.places()).toBe('disabled serving');
    expect(web.standing?.servers[0]?.drain).toMatchObject({ isOver: true, since: 10_000 });
    expect(web.standing?.nextAt).toBeNull();
  });

  it('has a new deadline with a new word, and none when the daemon begins so', () => {
    const drain = { deadlineSeconds: 60, then: 'reset' } as const;
    const web = play('a', { drain }, disabled);
    expect(web.judged().nextAt).toBeNull();
    const own = realServer(idOf('a'), { disabled: true });
    web.service = { ...web.service, servers: [{ ...own, drain: { deadlineSeconds: 5, then: 'silence' } }] };
    expect(web.at(1_000).judged().nextAt).toBe(6_000);
  });

  it('is down as well when its checks say so', () => {
    expect(play('a b', {}, disabled).down('a').up('b').weights()).toBe('a=0! b=1');
  });
});
