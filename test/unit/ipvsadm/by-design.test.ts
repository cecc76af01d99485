// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { refusedByDesign } from '../../../src/ipvsadm/by-design.js';
import { parseCommandLine } from '../../../src/ipvsadm/parse.js';
import { names } from './describe.js';

const refusalOf = async (line: string): Promise<string | undefined> =>
  refusedByDesign(await parseCommandLine(line.split(' '), names));

const service = '-A -t 10.9.0.1:80';
const server = '-a -t 10.9.0.1:80 -r 10.2.1.2:8080';

describe('what vsnat does not do', () => {
  it.each([
    [`${service} -s rr -b flag-1`, /^no flag without a meaning to rr/],
    [`${service} -s sh -b flag-3`, /flag without a meaning to sh/],
    [server, /^vsnat forwards by masquerading only, not by direct routing \(-g, the default\); add -m$/],
    [`${server} -i`, /not by tunneling \(-i\); add -m$/],
    ['-e -t 10.9.0.1:80 -r 10.2.1.2 -w 3', /add -m$/],
    [`${server} -m -w 65536`, /weight above 65535/],
    ['--start-daemon master', /^no connection synchronisation \(--start-daemon\) here; another director/],
  ])('refuses %s with a sentence', async (line, sentence) => {
    expect(await refusalOf(line)).toMatch(sentence);
  });

  it.each([
    service,
    `${service} -s sh -b flag-1,flag-2`,
    `${service} -s lblcr`,
    '-A --sctp-service 10.9.0.1:2905',
    `${service} -s nosuch`, // the kernel's to refuse
    `${service} -M 255.0.255.0`, // without -p it has no effect there either
    `${service} -p`,
    '-A -u 10.9.0.1:5060 -p --pe sip',
    '-A -u 10.9.0.1:5060 -p --pe nosuch', // the kernel's as well
    `${service} -p 60 -M 255.255.255.0`,
    `${service} -p -M 255.0.255.0`,
    `${service} -p -M 0.0.0.0`,
    '-A -t [2001:db8::1]:80 -p 60 -M 64',
    '-A -t 10.9.0.1 -p',
    '-A -u 10.9.0.1:53 -o',
    '-A -f 7', // the daemon knows whether there is such a mark
    '-a -t 10.9.0.1:80 -r 10.2.1.2:0 -m',
    `${server} -m -w 65535 -x 10 -y 3`,
    '-D -f 7',
    '-d -f 7 -r 10.2.1.2',
    '-Z -f 7',
    '-L -f 7',
    '--stop-daemon master',
    '-C',
  ])('lets %s through', async (line) => {
    expect(await refusalOf(line)).toBeUndefined();
  });
});
