// SPDX-License-Identifier: Apache-2.0
/**
 * A model for reading: one file with every default written out and every reference and include resolved, but for what may
 * be a secret. Names of headers stay, because they say what is sent.
 */
import { stringify } from 'yaml';
import type { Model } from '../model/model.js';
import { isMap } from './defaults.js';
import { documentOf } from './document.js';
import { withoutReferences } from './environment.js';
import { isSecret } from './health-document.js';

const redacted = '(redacted)';

/** Numbers, lists and maps as they are; texts so that reading them again gives the same text. */
export const printModel = (model: Model): string =>
  stringify(printableDocument(model), { lineWidth: 0, blockQuote: false });

export function printableDocument(model: Model): unknown {
  const document = documentOf(model);
  return escaped({
    ...document,
    services: document.services.map((service) => ({
      ...service,
      ...(Array.isArray(service.health) && { health: service.health.map(withoutSecrets) }),
    })),
  });
}

function withoutSecrets(check: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(
    Object.entries(check).map(([key, value]) => {
      if (!isSecret(key) || value === '' || value === 'hex:') return [key, value];
      if (key === 'headers') return [key, eachRedacted(value)];
      return [key, key === 'tls' ? withoutKey(value) : redacted];
    }),
  );
}

const eachRedacted = (map: unknown): unknown =>
  isMap(map) ? Object.fromEntries(Object.keys(map).map((name) => [name, redacted])) : map;

const withoutKey = (tls: unknown): unknown => (isMap(tls) && 'key' in tls ? { ...tls, key: redacted } : tls);

function escaped(value: unknown): unknown {
  if (typeof value === 'string') return withoutReferences(value);
  if (Array.isArray(value)) return value.map(escaped);
  if (!isMap(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, escaped(inner)]));
}
