// SPDX-License-Identifier: Apache-2.0
/** `tls` of an https check. Files are read now: a reload takes them as they are, or not at all. */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import type { TlsOptions } from '../../model/health.js';
import { good, mistake, type Parsed } from '../../model/parsed.js';
import type { Field } from '../field.js';
import type { Files } from '../files.js';

const systemTrust: TlsOptions = { serverName: null, verify: true, ca: null, certificate: null, key: null };

export function readTls(at: Field, files: Files): TlsOptions | undefined {
  if (at.value === undefined) return systemTrust;
  const ca = readPem(at.get('ca'), parseCertificate, files);
  const certificate = readPem(at.get('certificate'), parseCertificate, files);
  const key = readPem(at.get('key'), parseKey, files);
  const present = [at.get('certificate'), at.get('key')].filter(({ value }) => value !== undefined);
  const [alone] = present;
  if (present.length === 1 && alone !== undefined)
    alone.refuse({ must: 'come with both certificate and key', hint: 'give both or none' });
  if (ca === undefined || certificate === undefined || key === undefined) return undefined;
  if (certificate !== null && key !== null && !certificate.value.checkPrivateKey(key.value)) {
    at.get('key').refuse({ must: 'be the key of certificate', hint: 'the two do not belong together' });
    return undefined;
  }
  return {
    serverName: at.get('server_name').text() ?? null,
    verify: at.get('verify').isTrue(),
    ca: ca?.text ?? null,
    certificate: certificate?.text ?? null,
    key: key?.text ?? null,
  };
}

interface Pem<T> {
  readonly text: string;
  readonly value: T;
}

/** A file's name, or the text itself, which is how a model is written as a document. */
function readPem<T>(at: Field, parse: (pem: string) => Parsed<T>, files: Files): Pem<T> | null | undefined {
  const given = at.text();
  if (given === undefined) return null;
  const text: Parsed<string> = given.includes('-----BEGIN ') ? good(given) : files.read(at.resolve(given));
  const parsed = text.ok ? parse(text.value) : text;
  if (text.ok && parsed.ok) return { text: text.value, value: parsed.value };
  if (!parsed.ok) at.refuse(parsed);
  return undefined;
}

function parseCertificate(pem: string): Parsed<X509Certificate> {
  try {
    return good(new X509Certificate(pem));
  } catch {
    return mistake('be a certificate in PEM', 'it begins with -----BEGIN CERTIFICATE-----');
  }
}

function parseKey(pem: string): Parsed<KeyObject> {
  try {
    return good(createPrivateKey(pem));
  } catch (error) {
    const isLocked = error instanceof Error && 'code' in error && error.code === 'ERR_MISSING_PASSPHRASE';
    return mistake(
      'be a private key in PEM',
      isLocked ? 'store it without a passphrase' : 'it begins with -----BEGIN',
    );
  }
}
