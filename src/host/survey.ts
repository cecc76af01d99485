// SPDX-License-Identifier: Apache-2.0
/**
 * Which steps of a plan the kernel no longer shows. Other programs flush rulesets, restart networks and take links
 * down, and none of them asks first. Everything is read with one `ip -batch` per IP version and one `nft -j`; what
 * the kernel shows is written as step ids, so the comparison is a set lookup per step.
 *
 * The route of a VIP counts as missing, too, once the VIP is an address of this host: table `local` is asked before any
 * route, so it leads nowhere. keepalived does that, and so does whoever configures the address after the service.
 *
 * Not looked at: addrgenmode of the device, and the text of nftables rules. Their number is: a flushed chain is seen,
 * a rule rewritten in place is not.
 */
import { VsnatError } from '../errors.js';
import { nftChains } from './nft.js';
import { movedLocalPreference, nftTableOf, protocolNumber } from './ownership.js';
import type { HostDevice } from './plan-context.js';
import type { IpVersion, Step } from './step.js';
import type { System } from './system.js';

type Row = Readonly<Record<string, unknown>>;

const text = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : '';
const rowsOf = (value: unknown): readonly Row[] => (Array.isArray(value) ? (value as Row[]) : []);

/** The steps that are not in place, in the order of the plan; with the nftables table, everything inside it. */
export async function findMissing(
  steps: readonly Step[],
  device: HostDevice,
  system: System,
): Promise<readonly Step[]> {
  const seen = new Set<string>();
  const has6 = steps.some(({ do: action }) => action?.tool === 'ip' && action.version === 6);
  for (const version of has6 ? ([4, 6] as const) : ([4] as const))
    for (const id of await surveyIp(version, device, system)) seen.add(id);

  const table = `nft table ${nftTableOf(device.name)}`;
  if (steps.some(({ id }) => id === table))
    for (const id of await surveyNft(device, steps, system)) seen.add(id);

  for (const step of steps) if (isSysctl(step) && (await holds(step, system))) seen.add(step.id);
  return steps.filter(
    ({ id, within }) =>
      !seen.has(id.replace(/ addrgenmode none$/, '')) || (within !== undefined && !seen.has(within)),
  );
}

async function surveyIp(
  version: IpVersion,
  { name }: HostDevice,
  system: System,
): Promise<readonly string[]> {
  const batch =
    `address show dev ${name}\naddress show\nroute show table all proto ${protocolNumber} dev ${name}\n` +
    'rule show\nneigh show proxy\n';
  const result = await system.run(['ip', `-${version}`, '-json', '-batch', '-'], batch);
  if (result.status !== 0)
    throw new VsnatError(
      'VSNAT_HOST_REFUSED',
      `host: cannot look at routes and rules, got ${JSON.stringify(result.stderr.trim().slice(0, 200))}; ` +
        'what others change meanwhile is not put back',
    );
  const rows = result.stdout
    .split('\n')
    .filter((line) => line.trim() !== '')
    .flatMap((line) => rowsOf(JSON.parse(line)));
  // Told apart by shape, not by place: some versions of iproute2 print nothing at all for an empty list.
  const rules = rows.filter((row) => row['priority'] !== undefined);
  const own = new Set(
    rows
      .filter((row) => row['ifname'] !== name)
      .flatMap((row) => rowsOf(row['addr_info']).map((info) => text(info['local']))),
  );
  return [
    ...rows.filter((row) => row['ifname'] === name).flatMap(linkIds),
    ...rows.filter((row) => 'proxy' in row).map((row) => `proxy ${text(row['dst'])} ${text(row['dev'])}`),
    ...rows
      .filter((row) => row['dst'] !== undefined && row['priority'] === undefined && !('proxy' in row))
      .filter((row) => !own.has(text(row['dst'])))
      .map((row) =>
        row['type'] === 'local'
          ? `local${version} ${text(row['dst'])}`
          : row['table'] === undefined
            ? `route ${text(row['dst'])}`
            : `table${version} ${text(row['table'])}`,
      ),
    ...rules.map((row) => `rule${version} ${selectorOf(row)}`),
    ...localIds(version, rules),
  ];
}

function linkIds(row: Row): readonly string[] {
  const name = text(row['ifname']);
  const ids = [`link set dev ${name} mtu ${text(row['mtu'])} txqueuelen ${text(row['txqlen'])}`];
  if (Array.isArray(row['flags']) && row['flags'].includes('UP')) ids.push(`link set dev ${name} up`);
  for (const info of rowsOf(row['addr_info']))
    ids.push(
      `address replace ${text(info['local'])}/${text(info['prefixlen'])} dev ${name} scope ${text(info['scope'])}`,
    );
  return ids;
}

/** A rule as plan-rules.ts writes it: the words in that order. */
function selectorOf(row: Row): string {
  const words = [
    ['pref', row['priority']],
    ['from', row['src'] === 'all' ? undefined : row['src']],
    ['to', row['dst']],
    ['iif', row['iif']],
    ['fwmark', row['fwmark']],
    ['ipproto', row['ipproto']],
    ['sport', row['sport']],
    ['dport', row['dport']],
    ['goto', row['goto']],
    ['lookup', row['table']],
  ] as const;
  return words
    .filter(([, value]) => value !== undefined)
    .map(([word, value]) => `${word} ${text(value)}`)
    .join(' ');
}

function localIds(version: IpVersion, rules: readonly Row[]): readonly string[] {
  const selectors = new Set(rules.map(selectorOf));
  const isAt = (preference: number): boolean =>
    selectors.has(`pref ${preference} lookup local`) || selectors.has(`pref ${preference} lookup 255`);
  return [
    ...(isAt(movedLocalPreference) ? [`rule${version} local behind`] : []),
    ...(isAt(0) ? [] : [`rule${version} local no longer first`]),
  ];
}

async function surveyNft(
  { name, index }: HostDevice,
  steps: readonly Step[],
  system: System,
): Promise<readonly string[]> {
  const table = nftTableOf(name);
  const listed = await system.run(['nft', '-j', 'list', 'table', 'inet', table]);
  if (listed.status !== 0) {
    // Either the table is gone, or this nft was built without JSON: then the table's name has to be evidence enough.
    const plain = await system.run(['nft', 'list', 'tables']);
    if (plain.status !== 0)
      throw new VsnatError(
        'VSNAT_HOST_REFUSED',
        `host: cannot look at nftables, got ${JSON.stringify(plain.stderr.trim().slice(0, 200))}; ` +
          'what others change there meanwhile is not put back',
      );
    const isThere = plain.stdout.split('\n').includes(`table inet ${table}`);
    return isThere ? steps.filter(({ id }) => id.startsWith('nft ')).map(({ id }) => id) : [];
  }
  const objects = rowsOf((JSON.parse(listed.stdout) as Row)['nftables']);
  const of = (kind: string): readonly Row[] =>
    objects.map((object) => object[kind] as Row | undefined).filter((object) => object !== undefined);
  const ids: string[] = [];
  const rulesIn = (chain: string): number => of('rule').filter((rule) => rule['chain'] === chain).length;
  if (nftChains(name, index).every((chain) => rulesIn(chain.name) >= chain.rules.length))
    ids.push(`nft table ${table}`);
  for (const set of of('set')) {
    const elements: unknown = set['elem'];
    for (const element of Array.isArray(elements) ? (elements as unknown[]) : [])
      ids.push(`nft ${table} ${text(set['name'])} ${elementOf(element)}`);
  }
  return ids;
}

function elementOf(element: unknown): string {
  if (typeof element !== 'object' || element === null) return text(element);
  const parts = (element as Row)['concat'];
  return Array.isArray(parts) ? parts.map(text).join(' . ') : '';
}

const isSysctl = ({ id }: Step): boolean => id.startsWith('sysctl ');

/** Of `sysctl KEY=VALUE`, where to read and what is to be there. */
function sysctlOf({ id }: Step): readonly [file: string, value: string] {
  const [key = '', value = ''] = id.slice('sysctl '.length).split('=');
  return [`/proc/sys/${key}`, value];
}

/** The files behind the sysctls of a plan. */
export const sysctlFiles = (steps: readonly Step[]): readonly string[] =>
  steps.filter(isSysctl).map((step) => sysctlOf(step)[0]);

/** A file that cannot be read is no evidence of a change. */
async function holds(step: Step, system: System): Promise<boolean> {
  const [file, value] = sysctlOf(step);
  const now = await system.read(file);
  return now === null || now.trim() === value;
}
