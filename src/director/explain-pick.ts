// SPDX-License-Identifier: Apache-2.0
/** Which server a service's plan gives to a new connection now, in sentences: the usable servers, then the rule. */
import type { ServerSpec, ServiceSpec } from '../dataplane/dataplane.js';
import { formatEndpoint, type IpAddress, type LeastPlan } from '../model/index.js';
import { leastOf, usableAmong, type LiveServer } from '../scheduler/simulate-least.js';
import { pick } from '../scheduler/simulate.js';
import type { ExplainedService, Situation, Tuple } from './explain.js';

export interface Load {
  readonly active: number;
  readonly inactive: number;
  readonly overloaded: boolean;
}

export type Loads = (serverSlot: number) => Load;

export interface ExplainedPick {
  readonly server: ServerSpec | null;
  readonly certain: boolean;
  readonly steps: readonly string[];
}

export function explainPick(
  { scheduler, spec }: ExplainedService,
  { client, to }: Tuple,
  { loads, cursor }: Pick<Situation, 'loads' | 'cursor'>,
): ExplainedPick {
  const live = spec.servers.map(({ slot, weight }): LiveServer => ({ ...loads(slot), weight }));
  const steps = [usableText(spec, live)];
  const step = cursor(spec.slot);
  const { plan } = spec;
  // The memory of a local plan lives in the dataplane; without it the pick is what a destination never seen gets.
  const { server: index } = pick(plan, live, client, step, { destination: to.address });
  const server = index === null ? null : (spec.servers[index] ?? null);
  if (server === null)
    return { server, certain: true, steps: [...steps, `${scheduler}: no server can take it`] };
  const because = reasonOf(spec, live, step, nameOf(server));
  return {
    server,
    certain: because.certain,
    steps: [...steps, `${scheduler}: ${because.text}`],
  };
}

function usableText({ servers }: ServiceSpec, live: readonly LiveServer[]): string {
  const usable = usableAmong(live);
  const out = servers.flatMap((server, index) => {
    if (usable(index)) return [];
    return [
      `${nameOf(server)} (${live[index]?.overloaded === true ? 'at its connection limit' : 'weight 0'})`,
    ];
  });
  const rest = out.length === 0 ? '' : `; not ${out.join(', ')}`;
  return `${servers.length - out.length} of ${servers.length} servers can take it${rest}`;
}

function reasonOf(
  { plan, servers }: ServiceSpec,
  live: readonly LiveServer[],
  step: number,
  name: string,
): { readonly text: string; readonly certain: boolean } {
  switch (plan.kind) {
    case 'cycle': {
      const length = plan.loop.length;
      const at =
        step < plan.lead.length ? step : plan.lead.length + ((step - plan.lead.length) % Math.max(1, length));
      return {
        text: `step ${at + 1} of a cycle of ${plan.lead.length + length} is the turn of ${name}`,
        certain: true,
      };
    }
    case 'hash':
      return {
        text: `the hash of the ${plan.on === 'source' ? "client's address" : 'VIP'}${plan.usePort ? ' and port' : ''} falls to ${name}`,
        certain: true,
      };
    case 'bounded':
      return {
        text: `the hash falls to ${name}, the first on its way that is within its bound`,
        certain: true,
      };
    case 'first':
      return { text: `${name} is the first that may`, certain: true };
    case 'local':
      return {
        text: `${name} if nobody asked for this destination before; else the server that the dataplane remembers for it`,
        certain: false,
      };
    case 'least':
      return leastReason(plan, servers, live, name);
  }
}

function leastReason(
  plan: LeastPlan,
  servers: readonly ServerSpec[],
  live: readonly LiveServer[],
  name: string,
): { readonly text: string; readonly certain: boolean } {
  const usable = plan.order.filter(usableAmong(live));
  const costs = usable
    .slice(0, 8)
    .map((index) => {
      const { active = 0, inactive = 0, weight = 1 } = live[index] ?? {};
      const cost =
        (active * plan.activeCost + inactive * plan.inactiveCost + plan.constant) *
        (plan.factors?.[index] ?? 1);
      return `${nameOf(servers[index])} ${plan.weighted ? `${cost}/${weight}` : cost}`;
    })
    .join(', ');
  const list = `${costs}${usable.length > 8 ? ', …' : ''}`;
  if (plan.among === 'two' || plan.among === 'two-distinct') {
    const sum = usable.reduce((total, index) => total + (live[index]?.weight ?? 0), 0);
    return {
      text: `two servers are drawn by weight (sum ${sum}), and the cheaper one is taken: ${list}`,
      certain: usable.length === 1,
    };
  }
  if (plan.among === 'idle-first' && usable.some((index) => live[index]?.active === 0))
    return { text: `${name} is the first without an active connection`, certain: true };
  const best = leastOf(usable, live, plan);
  return { text: `${nameOf(best === null ? undefined : servers[best])} costs least: ${list}`, certain: true };
}

const nameOf = (server: ServerSpec | undefined): string =>
  server === undefined ? 'none' : formatEndpoint({ address: server.address as IpAddress, port: server.port });
