// SPDX-License-Identifier: Apache-2.0
/**
 * What vsnat will have and this version does not. Such a key is refused by name: accepting it in silence would leave
 * a user without what the file seems to ask for.
 */

const later = (subject: string): string => `${subject} is not supported in this version yet`;

/** What comes with the kernel's resizable tables of 2026. */
const kernelSettings = ['conn_lfactor', 'svc_lfactor', 'conn_max'];

const ipvsKeys: Readonly<Record<string, string>> = Object.fromEntries(
  kernelSettings.map((name) => [name, later(`the kernel's ${name}`)]),
);

const keys: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '': { discovery: later('discovery') },
  ipvs: ipvsKeys,
};

/** `where` is a path with its numbers left out: "services[].servers[]". */
export function keyNotYet(where: string, key: string): string | undefined {
  const known = keys[where];
  return known !== undefined && Object.hasOwn(known, key) ? known[key] : undefined;
}

export function valueNotYet(where: string, value: unknown): string | undefined {
  return where === 'tun.persist' && value === true ? later('a device that outlives the daemon') : undefined;
}
