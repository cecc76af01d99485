// SPDX-License-Identifier: Apache-2.0
/** What there is to capture, as the daemon tells it, and what the command line picks of it. Pure. */
import type { ServicesAnswer } from '../../admin/api.js';
import { VsnatError } from '../../errors.js';
import { formatEndpoint, parseAddress, parseServer, type IpAddress } from '../../model/index.js';
import type { CapturedService, Filters } from './attribution.js';

/** GET /v1/config, as much of it as is needed. */
export interface ConfigAnswer {
  readonly configuration: {
    readonly services?: readonly { readonly name: string; readonly helper?: string }[];
  };
}

export function capturedServices(
  { services }: ServicesAnswer,
  { configuration }: ConfigAnswer,
): CapturedService[] {
  const helped = new Set(
    configuration.services?.flatMap(({ name, helper = 'none' }) => (helper === 'none' ? [] : [name])),
  );
  return services.map(({ service, listen, servers }) => ({
    service,
    listen: listen.map(({ protocol, address, port }) => ({
      protocol,
      address: address as IpAddress,
      port,
    })),
    servers: servers.flatMap(({ server }) => {
      const parsed = parseServer(server);
      return parsed.ok ? [parsed.value] : [];
    }),
    hasHelper: helped.has(service),
  }));
}

/** The filters in the one spelling that packets are compared with. */
export function checkedFilters(filters: Filters, services: readonly CapturedService[]): Filters {
  const { service, client, vip, server } = filters;
  if (service !== undefined && !services.some((one) => one.service === service))
    throw usage(
      `--service: must be one of ${services.map((one) => one.service).join(', ') || 'the services (there are none)'}, got "${service}"`,
    );
  const ends = { client, vip, server };
  const checked = Object.fromEntries(
    Object.entries(ends).flatMap(([name, text]) => (text === undefined ? [] : [[name, endText(name, text)]])),
  );
  return { ...filters, ...checked };
}

/** Whatever may be wanted has one of them: the client's, or else a VIP or a real server of the services. */
export function wantedAddresses(
  { service, client }: Filters,
  services: readonly CapturedService[],
): readonly IpAddress[] {
  const only = client === undefined ? null : addressOf(client);
  if (only !== null) return [only];
  const wanted = services.filter((one) => service === undefined || one.service === service);
  return [
    ...new Set(
      wanted.flatMap(({ listen, servers }) => [...listen, ...servers].map(({ address }) => address)),
    ),
  ];
}

function endText(name: string, text: string): string {
  const address = parseAddress(text);
  if (address.ok) return address.value;
  const end = parseServer(text);
  if (end.ok) return formatEndpoint(end.value);
  throw usage(`--${name}: must be an address, or an address and port, got "${text}"`);
}

function addressOf(text: string): IpAddress | null {
  const address = parseAddress(text);
  if (address.ok) return address.value;
  const end = parseServer(text);
  return end.ok ? end.value.address : null;
}

const usage = (message: string): VsnatError => new VsnatError('VSNAT_USAGE', `capture: ${message}`);
