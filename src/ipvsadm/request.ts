// SPDX-License-Identifier: Apache-2.0
/** One command line, understood: everything ipvsadm can be asked, whether or not this director can do it. */
import { familyOf, formatEndpoint, type Endpoint, type Family, type IpAddress } from '../model/index.js';

export type TableProtocol = 'tcp' | 'udp' | 'sctp';

/** A virtual service by its identity. Port 0 is every port, for persistent services. */
export type ServiceKey =
  | { readonly protocol: TableProtocol; readonly address: IpAddress; readonly port: number }
  | { readonly mark: number; readonly family: Family };

export const familyOfKey = (key: ServiceKey): Family => ('mark' in key ? key.family : familyOf(key.address));

/** "tcp://10.9.0.1:80", as the configuration writes it; marks as "mark://7". */
export const formatKey = (key: ServiceKey): string =>
  'mark' in key ? `mark://${key.mark}/${key.family}` : `${key.protocol}://${formatEndpoint(key)}`;

/** An IPv4 mask as an address, an IPv6 one as a prefix length. */
export type Netmask = IpAddress | number;

export interface ServiceSettings {
  readonly scheduler: string;
  /** Scheduler flags by their number, as the kernel keeps them: 1, 2, 3. */
  readonly flags: readonly number[];
  /** Seconds; null without -p. */
  readonly persistence: number | null;
  readonly netmask: Netmask;
  readonly engine: string | null;
  readonly onePacket: boolean;
}

export type Forwarding = 'masquerading' | 'tunneling' | 'direct routing';

export interface ServerSettings {
  readonly forwarding: Forwarding;
  readonly weight: number;
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
}

/** Port 0 where none was given and none could be taken over from the service. */
export type ServerKey = Endpoint;

export interface ListFormat {
  readonly numeric: boolean;
  readonly view: 'table' | 'stats' | 'rate' | 'thresholds' | 'persistent-conn';
  readonly exact: boolean;
  readonly sorted: boolean;
  readonly tunnelInfo: boolean;
}

export type Request =
  | {
      readonly command: 'add-service' | 'edit-service';
      readonly service: ServiceKey;
      readonly settings: ServiceSettings;
    }
  | { readonly command: 'delete-service'; readonly service: ServiceKey }
  | {
      readonly command: 'add-server' | 'edit-server';
      readonly service: ServiceKey;
      readonly server: ServerKey;
      readonly settings: ServerSettings;
    }
  | { readonly command: 'delete-server'; readonly service: ServiceKey; readonly server: ServerKey }
  | { readonly command: 'flush' | 'restore' | 'help' | 'version' }
  | { readonly command: 'zero'; readonly service: ServiceKey | null }
  | { readonly command: 'save'; readonly numeric: boolean }
  | { readonly command: 'set'; readonly timeouts: TimeoutChange }
  | { readonly command: 'start-daemon' | 'stop-daemon'; readonly role: 'master' | 'backup' }
  | {
      readonly command: 'list';
      readonly what: 'services' | 'connections' | 'timeouts' | 'daemons';
      readonly service: ServiceKey | null;
      readonly format: ListFormat;
    };

/** Seconds; 0 leaves a timeout as it is. */
export interface TimeoutChange {
  readonly tcp: number;
  readonly tcpFin: number;
  readonly udp: number;
}
