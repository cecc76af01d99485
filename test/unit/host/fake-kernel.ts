// SPDX-License-Identifier: Apache-2.0
/**
 * A kernel's routing state in memory, driven by the same command lines as the real one: the slow, obvious model that
 * the plumbing is tested against without root. It refuses what the kernel refuses (a rule, route or set element that
 * is there already, the removal of one that is not), so a plan that only works by luck fails here too.
 */
import { nftChains } from '../../../src/host/nft.js';
import type { Notices } from '../../../src/host/notices.js';
import type { CommandResult, System } from '../../../src/host/system.js';

interface Rule {
  readonly preference: number;
  /** The selector and action as written, without pref and protocol. */
  readonly body: string;
  readonly protocol: string;
}

export interface FakeLink {
  readonly name: string;
  readonly index: number;
  readonly kind?: 'tun';
  readonly addresses?: readonly string[];
}

const ok = (stdout = ''): CommandResult => ({ status: 0, stdout, stderr: '' });

class Refusal extends Error {}

export class FakeKernel implements System {
  readonly files = new Map<string, string>();
  readonly rules: Record<4 | 6, Rule[]>;
  readonly routes = new Set<string>();
  readonly proxies = new Map<string, string>();
  /** Table name to set elements. */
  readonly tables = new Map<string, Set<string>>();
  /** Of the device: what `link set` and `address replace` have made of it. */
  readonly device = { mtu: 1500, txqlen: 500, isUp: false, addresses: new Set<string>() };
  /** Rules that somebody flushed, by chain. */
  readonly flushedChains = new Set<string>();
  /** Every program run, for assertions about their number. */
  readonly runs: (readonly string[])[] = [];
  /** Who follows `ip monitor address`. */
  readonly #listeners = new Set<{ heard: (line: string) => void; ended: () => void }>();
  readonly #newAddresses: { readonly link: string; readonly text: string }[] = [];
  /** Called with each changing line before it takes effect; throwing refuses it. */
  refuse: (line: string) => boolean = () => false;
  /** Called after each change. */
  observe: () => void = () => undefined;

  constructor(
    readonly links: readonly FakeLink[],
    private readonly options: { readonly hasNft?: boolean } = {},
  ) {
    const kernel = (table: string, preference: number): Rule => ({
      preference,
      body: `lookup ${table}`,
      protocol: '2',
    });
    this.rules = {
      4: [kernel('255', 0), kernel('main', 32766), kernel('default', 32767)],
      6: [kernel('255', 0), kernel('main', 32766)],
    };
    this.files.set('/proc/sys/net/ipv4/ip_forward', '1\n');
    this.files.set('/proc/sys/net/ipv6/conf/all/forwarding', '1\n');
    for (const link of links) this.files.set(`/proc/sys/net/ipv6/conf/${link.name}/proxy_ndp`, '0\n');
  }

  /** All state but the device's own settings, which go with it. */
  snapshot(): string {
    const sysctls = [...this.files].filter(([path]) => path.endsWith('proxy_ndp'));
    return JSON.stringify(
      [
        this.rules,
        [...this.routes].sort(),
        [...this.proxies].sort(),
        [...this.tables].map(([n, s]) => [n, [...s]]),
        sysctls,
      ],
      null,
      1,
    );
  }

  get followers(): number {
    return this.#listeners.size;
  }

  /** Somebody gives a link an address. */
  addAddress(link: string, text: string): void {
    this.#newAddresses.push({ link, text });
    const family = text.includes(':') ? 'inet6' : 'inet';
    for (const { heard } of this.#listeners) heard(`9: ${link}    ${family} ${text} scope global ${link}`);
  }

  /** The program that tells of addresses is killed. */
  endFollowing(): void {
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const { ended } of listeners) ended();
  }

  follow = (_argv: readonly string[], heard: (line: string) => void, ended: () => void): (() => void) => {
    const listener = { heard, ended };
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Whether this kernel tells of changes. */
  tells = false;
  #heard: (() => void) | null = null;

  notices = (_subjects: readonly string[], heard: () => void): Notices | null => {
    if (!this.tells) return null;
    return { listen: () => void (this.#heard = heard), close: () => void (this.#heard = null) };
  };

  /** Something has changed. */
  tell(): void {
    const heard = this.#heard;
    this.#heard = null;
    heard?.();
  }

  read = (path: string): Promise<string | null> => Promise.resolve(this.files.get(path) ?? null);
  list = (): Promise<readonly string[]> => Promise.resolve([]);
  link = (): Promise<string | null> => Promise.resolve(null);

  write = (path: string, text: string): Promise<void> => {
    if (this.refuse(path)) return Promise.reject(new Error(`EINVAL: ${path}`));
    this.files.set(path, `${text}\n`);
    this.observe();
    return Promise.resolve();
  };

  run = (argv: readonly string[], stdin = ''): Promise<CommandResult> => {
    this.runs.push(argv);
    const [program, ...args] = argv;
    if (program === 'nft') return Promise.resolve(this.#nft(args, stdin));
    if (args.includes('-batch')) return Promise.resolve(this.#batch(args, stdin));
    return Promise.resolve(ok(JSON.stringify(this.#show(args.filter((arg) => arg !== '-json')))));
  };

  #batch(args: readonly string[], stdin: string): CommandResult {
    const version = args[0] === '-6' ? 6 : 4;
    let stderr = '';
    let stdout = '';
    for (const [index, line] of stdin.split('\n').entries()) {
      if (line === '') continue;
      if (/^\w+ show/.test(line)) {
        stdout += `${JSON.stringify(this.#show([`-${version}`, ...line.split(' ')]))}\n`;
        continue;
      }
      try {
        if (this.refuse(line)) throw new Refusal('RTNETLINK answers: injected');
        this.#change(version, line.split(' '));
        this.observe();
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        stderr += `${error.message}\nCommand failed -:${index + 1}\n`;
        if (!args.includes('-force')) break;
      }
    }
    return { status: stderr === '' ? 0 : 1, stdout, stderr };
  }

  #change(version: 4 | 6, words: readonly string[]): void {
    const [object, verb] = words;
    const after = (word: string): string | undefined => words[words.indexOf(word) + 1];
    if (object === 'address') {
      if (verb === 'replace') this.device.addresses.add(words[2] ?? '');
      else this.device.addresses.delete(words[2] ?? '');
    } else if (object === 'link') {
      if (words.includes('mtu')) this.device.mtu = Number(after('mtu'));
      if (words.includes('txqueuelen')) this.device.txqlen = Number(after('txqueuelen'));
      if (words.includes('up')) this.device.isUp = true;
      if (words.includes('down')) this.device.isUp = false;
    } else if (object === 'rule') this.#changeRule(version, verb, words);
    else if (object === 'route') {
      const route = `${version} ${words.slice(2).join(' ')}`;
      if (verb === 'add' && this.routes.has(route)) throw new Refusal('RTNETLINK answers: File exists');
      if (verb === 'add') this.routes.add(route);
      else if (!this.routes.delete(route)) throw new Refusal('RTNETLINK answers: No such process');
    } else if (object === 'neigh') {
      const key = `${words[3]} ${words[5]}`;
      if (verb === 'add') this.proxies.set(key, words[7] ?? '');
      else if (!this.proxies.delete(key)) throw new Refusal('RTNETLINK answers: No such file or directory');
    } else throw new Error(`the fake kernel does not know: ${words.join(' ')}`);
  }

  #changeRule(version: 4 | 6, verb: string | undefined, words: readonly string[]): void {
    const match = /^pref (\d+) (.*) protocol (\d+)$/.exec(words.slice(2).join(' '));
    if (match === null) throw new Error(`the fake kernel does not know: ${words.join(' ')}`);
    const [, preference = '', body = '', protocol = ''] = match;
    const rules = this.rules[version];
    const rule = { preference: Number(preference), body, protocol };
    const same = (r: Rule): boolean => r.preference === rule.preference && r.body === body;
    if (verb === 'add') {
      if (rules.some(same)) throw new Refusal('RTNETLINK answers: File exists');
      const after = rules.findIndex((r) => r.preference > rule.preference);
      rules.splice(after < 0 ? rules.length : after, 0, rule);
      return;
    }
    // Like the kernel: the first rule that agrees in everything the request names.
    const named = body.split(/ (?=iif|lookup|goto|from|to|fwmark)/);
    const at = rules.findIndex(
      (r) =>
        r.preference === rule.preference &&
        r.protocol === protocol &&
        named.every((part) => r.body.includes(part)),
    );
    if (at < 0) throw new Refusal('RTNETLINK answers: No such file or directory');
    rules.splice(at, 1);
  }

  #nft(args: readonly string[], stdin: string): CommandResult {
    if (this.options.hasNft === false) return { status: 127, stdout: '', stderr: 'nft: not found' };
    if (args[0] === '-j') return this.#nftJson(args.at(-1) ?? '');
    if (args[0] === 'list') return ok([...this.tables.keys()].map((name) => `table inet ${name}\n`).join(''));
    if (args.includes('--check')) return ok();
    const draft = new Map([...this.tables].map(([name, elements]) => [name, new Set(elements)]));
    for (const line of stdin.split(/\n(?=add|delete|table)/)) {
      if (line.trim() === '') continue;
      if (this.refuse(line.trim())) return { status: 1, stdout: '', stderr: 'Error: injected' };
      if (!changeDraft(draft, line))
        return { status: 1, stdout: '', stderr: 'Error: No such file or directory' };
    }
    if (/^table inet/m.test(stdin)) this.flushedChains.clear();
    this.tables.clear();
    for (const [name, elements] of draft) this.tables.set(name, elements);
    this.observe();
    return ok();
  }

  #nftJson(name: string): CommandResult {
    const elements = this.tables.get(name);
    if (elements === undefined) return { status: 1, stdout: '', stderr: 'Error: No such file or directory' };
    const sets = new Map<string, unknown[]>();
    for (const element of elements) {
      const [set = '', ...words] = element.split(' ');
      const parts = words.filter((word) => word !== '.');
      const shown =
        parts.length === 1 ? parts[0] : { concat: parts.map((p) => (/^\d+$/.test(p) ? Number(p) : p)) };
      sets.set(set, [...(sets.get(set) ?? []), shown]);
    }
    const rules = nftChains('any', 1)
      .filter((chain) => !this.flushedChains.has(chain.name))
      .flatMap((chain) => chain.rules.map(() => ({ rule: { chain: chain.name } })));
    const nftables = [
      { table: { name } },
      ...[...sets].map(([n, elem]) => ({ set: { name: n, elem } })),
      ...rules,
    ];
    return ok(JSON.stringify({ nftables }));
  }

  #addressesOf(link: FakeLink): readonly string[] {
    const later = this.#newAddresses.filter((one) => one.link === link.name).map(({ text }) => text);
    return [...(link.addresses ?? []), ...later];
  }

  #show(args: readonly string[]): unknown {
    const words = args.filter((arg) => !arg.startsWith('-'));
    const version = args.includes('-6') ? 6 : 4;
    switch (words[0]) {
      case 'link':
        return this.links.map((link) => ({
          ifindex: link.index,
          ifname: link.name,
          ...(link.kind === undefined ? {} : { linkinfo: { info_kind: link.kind } }),
        }));
      case 'address':
        if (words.includes('dev'))
          return [
            {
              ifname: words.at(-1),
              flags: this.device.isUp ? ['UP'] : [],
              mtu: this.device.mtu,
              txqlen: this.device.txqlen,
              addr_info: [...this.device.addresses].map((text) => {
                const [local, length] = text.split('/');
                return { local, prefixlen: Number(length), scope: 'host' };
              }),
            },
          ];
        return this.links.map((link) => ({
          ifname: link.name,
          addr_info: this.#addressesOf(link).map((text) => {
            const [local, length] = text.split('/');
            return { local, prefixlen: Number(length) };
          }),
        }));
      case 'neigh':
        return [...this.proxies].map(([key, protocol]) => {
          const [dst, dev] = key.split(' ');
          return { dst, dev, proxy: null, protocol };
        });
      case 'rule':
        return this.rules[version].map(showRule);
      default: {
        const dev = words.includes('dev') ? words.at(-1) : undefined;
        return [...this.routes]
          .map((text) => /^([46]) ((?:local )?\S+) dev (\S+)(?: table (\d+))? protocol 118$/.exec(text))
          .filter((match) => match !== null)
          .filter((match) => Number(match[1]) === version && (dev === undefined || dev === match[3]))
          .filter((match) => words.includes('all') || match[4] === undefined)
          .map(([, , dst, name, table]) => ({
            ...(dst?.startsWith('local ') === true && { type: 'local' }),
            dst: dst?.replace(/^local /, '').replace(/\/\d+$/, ''),
            ...(dev === undefined && { dev: name }),
            ...(table !== undefined && { table }),
          }));
      }
    }
  }
}

function changeDraft(draft: Map<string, Set<string>>, line: string): boolean {
  const table = /^table inet (\S+) \{/.exec(line)?.[1];
  if (table !== undefined) {
    draft.set(table, draft.get(table) ?? new Set());
    return true;
  }
  const dropped = /^delete table inet (\S+)/.exec(line)?.[1];
  if (dropped !== undefined) return draft.delete(dropped);
  const [, verb, name = '', set, element] =
    /^(add|delete) element inet (\S+) (\S+) \{ (.*) \}/.exec(line) ?? [];
  const elements = draft.get(name);
  if (elements === undefined) return false;
  const key = `${set ?? ''} ${element ?? ''}`;
  return verb === 'add' ? elements.add(key).has(key) : elements.delete(key);
}

function showRule(rule: Rule): Record<string, unknown> {
  const word = (name: string): string | undefined => new RegExp(`(?:^| )${name} (\\S+)`).exec(rule.body)?.[1];
  const table = word('lookup');
  const fields = {
    iif: word('iif'),
    fwmark: word('fwmark'),
    sport: word('sport'),
    dport: word('dport'),
    goto: word('goto'),
    dst: word('to'),
    ipproto: word('ipproto'),
    table: table === '255' ? 'local' : table,
  };
  return {
    priority: rule.preference,
    src: word('from') ?? 'all',
    protocol: rule.protocol === '2' ? 'kernel' : rule.protocol,
    ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)),
  };
}
