// SPDX-License-Identifier: Apache-2.0
/**
 * What is asked of a real server to know whether it works, and what becomes of the answer: complete and valid, as config/
 * makes it. health/ asks the questions; director/ turns the answers into weight.
 */
import type { IpAddress } from './address.js';

/** When a check is made and how often it must agree before its server changes. */
export interface CheckTiming {
  readonly intervalMs: number;
  /** Instead of `intervalMs` while the last answers and the server's state disagree, or it is suspect. */
  readonly fastIntervalMs: number;
  /** Of one check, from its first packet to its last; at most `intervalMs`. */
  readonly timeoutMs: number;
  /** So many good answers in a row bring a server up, so many bad ones take it down. */
  readonly rise: number;
  readonly fall: number;
  /** Each wait is longer or shorter by up to this share of it, at random; 0..0.5. */
  readonly jitter: number;
}

/** Inclusive: 200..399. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

/** Files are read when the configuration is; their contents stand here, PEM. */
export interface TlsOptions {
  /** Name asked for (SNI) and expected of the certificate; null: the `Host`. */
  readonly serverName: string | null;
  /** `ca`: as `verify: true`, with this authority in the place of the system's. */
  readonly verify: boolean;
  readonly ca: string | null;
  readonly certificate: string | null;
  readonly key: string | null;
}

/** Types of records, as the configuration names them. */
export const dnsRecordTypes = ['A', 'AAAA', 'NS', 'SOA', 'TXT', 'MX', 'CNAME', 'SRV', 'PTR', 'ANY'] as const;

/** What a DNS check asks for. */
export type DnsRecordType = (typeof dnsRecordTypes)[number];

/** What is asked. Each kind is a file in health/. */
export type Question =
  | { readonly kind: 'tcp' }
  | {
      readonly kind: 'http' | 'https';
      readonly method: 'GET' | 'HEAD' | 'OPTIONS' | 'POST';
      readonly path: string;
      /** The `Host` header; null: address:port. */
      readonly host: string | null;
      readonly headers: Readonly<Record<string, string>>;
      readonly expect: readonly StatusRange[];
      /** A regular expression that the first 64 KiB of the body must match; null: none. */
      readonly body: string | null;
      /** Of https. */
      readonly tls: TlsOptions | null;
    }
  | {
      readonly kind: 'dns';
      readonly transport: 'udp' | 'tcp';
      readonly name: string;
      readonly type: DnsRecordType;
      /** Response codes that are good: NOERROR, NXDOMAIN, … */
      readonly expect: readonly string[];
      /** An answer record must have this text; null: any answer will do. */
      readonly answer: string | null;
    }
  /** `expect` null: silence is good, ICMP unreachable is bad. */
  | { readonly kind: 'udp'; readonly send: Uint8Array; readonly expect: string | null }
  | { readonly kind: 'icmp' }
  /** Exit code 0 is good. VSNAT_ADDRESS, VSNAT_PORT, VSNAT_SERVICE, VSNAT_SERVER are in its environment. */
  | { readonly kind: 'exec'; readonly command: readonly string[] }
  /** HAProxy's agent-check: one line, "up 75%", "drain", "down". */
  | { readonly kind: 'agent'; readonly send: string }
  /** `check` of an ES module, docs/library.md. `options` is what the configuration gave it. */
  | { readonly kind: 'module'; readonly file: string; readonly options: unknown };

/** The kinds of health checks. */
export type CheckKind = Question['kind'];

/** One check of a service's servers. */
export interface HealthCheck {
  readonly question: Question;
  readonly timing: CheckTiming;
  /** Instead of the server's own port; null: that. */
  readonly port: number | null;
  /** Address the check is sent from; null: the kernel's choice. */
  readonly source: IpAddress | null;
  /** `vip`: the check goes in at the VIP and through the dataplane, as a client's connection to this very server. */
  readonly through: 'direct' | 'vip';
  /** SYNs unanswered, RSTs and ICMP errors of clients' own connections make a server suspect. */
  readonly passive: boolean;
}

/** After a server has come up, its weight grows from `from` to whole over `seconds`. */
export interface SlowStart {
  readonly seconds: number;
  /** 0..1 of the weight, at the start. */
  readonly from: number;
  /** Share after t of `seconds`: from + (1 - from) * (t / seconds) ^ curve. 1 is a straight line. */
  readonly curve: number;
}

/** What becomes of a server's live connections once it is drained. */
export interface DrainPolicy {
  /** null: they may end whenever they like. */
  readonly deadlineSeconds: number | null;
  /** After the deadline: RST to both ends of TCP, or their packets are dropped without a word. */
  readonly then: 'reset' | 'silence';
}

/** keepalived's quorum: the sorry servers serve while the weight of the servers that work is below it. */
export interface Quorum {
  readonly weight: number;
  /** Once lost it is regained at weight + hysteresis, and lost only below weight - hysteresis. */
  readonly hysteresis: number;
}
