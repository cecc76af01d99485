// SPDX-License-Identifier: Apache-2.0
/** Certificates for tests, made by openssl(1): an authority, a server, a client, and a client of somebody else. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Pki {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  readonly clientCertificate: string;
  readonly clientKey: string;
  readonly strangerCertificate: string;
  readonly strangerKey: string;
}

export function makePki(directory: string): Pki {
  const at = (name: string): string => join(directory, name);
  const openssl = (...words: string[]): void =>
    void execFileSync('openssl', words, { cwd: directory, stdio: 'ignore' });
  const authority = (name: string): void =>
    openssl(
      ...`req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ${name}.key -out ${name}.pem -days 2`.split(
        ' ',
      ),
      '-subj',
      `/CN=${name}`,
    );
  const leaf = (name: string, signer: string, extensions: string): void => {
    writeFileSync(at(`${name}.ext`), extensions);
    openssl(
      ...`req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ${name}.key -out ${name}.csr`.split(
        ' ',
      ),
      '-subj',
      `/CN=${name}`,
    );
    openssl(
      ...`x509 -req -in ${name}.csr -CA ${signer}.pem -CAkey ${signer}.key -CAcreateserial -days 2 -out ${name}.pem -extfile ${name}.ext`.split(
        ' ',
      ),
    );
    execFileSync('chmod', ['600', at(`${name}.key`)]);
  };
  authority('ca');
  authority('other');
  leaf('server', 'ca', 'subjectAltName=IP:127.0.0.1,DNS:director.example\n');
  leaf('client', 'ca', 'extendedKeyUsage=clientAuth\n');
  leaf('stranger', 'other', 'extendedKeyUsage=clientAuth\n');
  return {
    ca: at('ca.pem'),
    certificate: at('server.pem'),
    key: at('server.key'),
    clientCertificate: at('client.pem'),
    clientKey: at('client.key'),
    strangerCertificate: at('stranger.pem'),
    strangerKey: at('stranger.key'),
  };
}
