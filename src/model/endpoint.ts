// SPDX-License-Identifier: Apache-2.0
/**
 * Address and port ("10.2.1.2:8080", "[2001:db8::2]:8080"), with a protocol where a service listens
 * ("tcp://10.9.0.1:80"). The text of an endpoint is its identity everywhere: in reloads, labels, commands and logs.
 */
import { familyOf, parseAddress, type IpAddress } from './address.js';
import { good, mistake, required, type Parsed } from './parsed.js';

/** What vsnat balances. */
export type Protocol = 'tcp' | 'udp' | 'sctp';

/** An address and a port. */
export interface Endpoint {
  readonly address: IpAddress;
  /** Host order, 1..65535; 0 of a real server: the port the client asked for. */
  readonly port: number;
}

/** Where a virtual service listens: protocol, VIP and port. Port 0 is every port of the VIP. */
export interface Listen extends Endpoint {
  readonly protocol: Protocol;
}

const endpointForm = 'be address:port like 10.2.1.2:8080 or [2001:db8::2]:8080';
const listenForm = 'be protocol://address:port like tcp://10.9.0.1:80 or udp://[2001:db8::1]:53';

export function parseEndpoint(text: string): Parsed<Endpoint> {
  return readEndpoint(text, endpointForm);
}

/** As an endpoint, and port 0 as well: a real server that is asked on the port its client asked for. */
export function parseServer(text: string): Parsed<Endpoint> {
  return readEndpoint(text, endpointForm, 0);
}

export function parseListen(text: string): Parsed<Listen> {
  const match = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i.exec(text);
  if (match === null) {
    const hint = parseEndpoint(text).ok ? `write tcp://${text} or udp://${text}` : undefined;
    return mistake(listenForm, hint);
  }
  const [, protocol = '', rest = ''] = match;
  if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') {
    return mistake('start with tcp://, udp:// or sctp://');
  }
  const isWhole = parseAddress(rest.replace(/^\[(.*)\]$/, '$1')).ok && /^\[|^[^:]*$/.test(rest);
  const endpoint = readEndpoint(isWhole ? `${rest}:0` : rest, listenForm, 0);
  return endpoint.ok ? good({ protocol, ...endpoint.value }) : endpoint;
}

/** Address and port from text, for code. Throws VSNAT_CONFIG_INVALID; what is an endpoint already is given back. */
export function endpoint(text: string | Endpoint): Endpoint {
  return typeof text === 'string' ? required(`endpoint ${JSON.stringify(text)}`, parseServer(text)) : text;
}

/** "10.2.1.2:8080", "[2001:db8::2]:8080" */
export const formatEndpoint = ({ address, port }: Endpoint): string =>
  familyOf(address) === 'ipv6' ? `[${address}]:${port}` : `${address}:${port}`;

export const formatListen = (listen: Listen): string => `${listen.protocol}://${formatEndpoint(listen)}`;

function readEndpoint(text: string, form: string, leastPort = 1): Parsed<Endpoint> {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):([^:]*)$/.exec(text);
  if (match === null) return mistake(form, missingPart(text));
  const [, bracketed, bare, portText = ''] = match;
  const address = parseAddress(bracketed ?? bare ?? '');
  if (!address.ok) return mistake(form, address.hint);
  if ((bracketed !== undefined) !== (familyOf(address.value) === 'ipv6')) {
    return mistake(form, 'use brackets for IPv6 only');
  }
  const port = parsePort(portText, leastPort);
  return port.ok ? good({ address: address.value, port: port.value }) : port;
}

function parsePort(text: string, least: number): Parsed<number> {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  return port >= least && port <= 65535 ? good(port) : mistake(`have a port of ${least}..65535`);
}

/** Why a text without the overall form of an endpoint fails, for the two common slips. */
function missingPart(text: string): string | undefined {
  const address = parseAddress(text.replace(/^\[|\]$/g, ''));
  if (address.ok) return `add a port: ${formatEndpoint({ address: address.value, port: 80 })}`;
  const unbracketed = /^(.*):(\d{1,5})$/.exec(text);
  if (unbracketed === null) return undefined;
  const inner = parseAddress(unbracketed[1] ?? '');
  return inner.ok ? `write [${inner.value}]:${unbracketed[2] ?? ''}` : undefined;
}
