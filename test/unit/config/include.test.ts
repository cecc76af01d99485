// SPDX-License-Identifier: Apache-2.0
/** One configuration in several files: what is appended, in which order, and that each mistake names its file. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { expand } from '../../../src/config/glob.js';
import { ConfigError, loadConfig, type Config, type Environment } from '../../../src/config/index.js';

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'vsnat-include-'))));
afterEach(() => rmSync(folder, { recursive: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

const load = (environment: Environment = {}): Config =>
  loadConfig(join(folder, 'vsnat.yaml'), { environment });

const names = (): readonly string[] => load().model.services.map(({ name }) => name);

/** With the folder left out. */
function complaints(): readonly string[] {
  try {
    load();
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replaceAll(`${folder}/`, '').split('\n');
    throw error;
  }
}

let port = 0;
const service = (name: string, keys = 'servers: []'): string =>
  `services:\n  - { name: ${name}, listen: "tcp://10.9.0.1:${(port += 1)}", ${keys} }\n`;

describe('included services', () => {
  it('come after those of the file, in the order of the list and then of the names', () => {
    write({
      'vsnat.yaml': `include: [last.yaml, "conf.d/*.yaml"]\n${service('own')}`,
      'last.yaml': service('last'),
      'conf.d/20.yaml': service('twenty'),
      'conf.d/10.yaml': service('ten'),
      'conf.d/.hidden.yaml': service('hidden'),
      'conf.d/10.yaml~': service('backup'),
    });
    expect(names()).toEqual(['own', 'last', 'ten', 'twenty']);
    expect(load().files.map((file) => file.replace(`${folder}/`, ''))).toEqual([
      'vsnat.yaml',
      'last.yaml',
      'conf.d/10.yaml',
      'conf.d/20.yaml',
    ]);
  });

  it('may include more, relative to their own file', () => {
    write({
      'vsnat.yaml': 'include: a/one.yaml\nservices: []\n',
      'a/one.yaml': `include: [b/two.yaml]\n${service('one')}`,
      'a/b/two.yaml': service('two'),
    });
    expect(names()).toEqual(['one', 'two']);
  });

  it('have the health checks of the first file and the marks of any', () => {
    write({
      'vsnat.yaml': 'include: [a.yaml, b.yaml]\nservices: []\nhealth: { type: icmp }\n',
      'a.yaml': 'services: [{ name: a, mark: 7, servers: [] }]\n',
      'b.yaml': 'marks: [{ mark: 7, listen: tcp://10.9.0.9:80 }]\n',
    });
    const { services, marks } = load().model;
    expect(marks).toHaveLength(1);
    expect(services[0]?.listen).toEqual(marks[0]?.listen);
    expect(services[0]?.health[0]?.question).toEqual({ kind: 'icmp' });
  });

  it('name files beside their own file', () => {
    write({
      'vsnat.yaml': 'include: a/one.yaml\nservices: []\n',
      'a/one.yaml': service('one', 'servers: [], health: { type: module, file: ./check.js }'),
      'a/check.js': '',
    });
    expect(load().model.services[0]?.health[0]?.question).toMatchObject({ file: join(folder, 'a/check.js') });
  });

  it('may be none yet, or commented out', () => {
    write({
      'vsnat.yaml': 'include: ["conf.d/*.yaml", off.yaml]\nservices: []\n',
      'off.yaml': '# services: []\n',
    });
    const { model, notes } = load();
    expect(model.services).toEqual([]);
    expect(notes).toEqual([`${folder}/vsnat.yaml:1:11: include[0]: "conf.d/*.yaml" names no file yet`]);
  });

  it('have the environment in values and in the paths themselves', () => {
    write({
      'vsnat.yaml': 'include: ["${SITE}.yaml"]\nservices: []\n',
      'lab.yaml': service('${NAME}').replace('${NAME}', '"${NAME}"'),
    });
    expect(load({ SITE: 'lab', NAME: 'web' }).model.services[0]?.name).toBe('web');
  });
});

describe('a mistake', () => {
  it('names the file it is in, and those of other files it is about', () => {
    write({
      'vsnat.yaml': `include: [a.yaml, b.yaml]\n${service('web')}tun: { queues: many }\n`,
      'a.yaml': service('web'),
      'b.yaml':
        'services:\n  - name: b\n    listen: tcp://10.9.0.1\n    servers: [10.2.1.2:80, 10.2.1.2:80]\n',
    });
    expect(complaints()).toEqual([
      'vsnat.yaml:4:16: tun.queues: must be auto or 1..256, got "many"',
      'a.yaml:2:13: services[0].name: must differ from services[0].name of vsnat.yaml, got "web"; every service needs a name of its own',
      'b.yaml:3:13: services[0].listen: must have a port, got "tcp://10.9.0.1"; every port of an address is for services with persistence: {} or a mark',
      'b.yaml:4:28: services[0].servers[1]: must differ from services[0].servers[0], got "10.2.1.2:80"; raise the weight of one instead',
    ]);
  });

  it('in the YAML of one file does not hide those of others', () => {
    write({
      'vsnat.yaml': 'include: [a.yaml, b.yaml]\nservices: []\n',
      'a.yaml': 'services: [\n',
      'b.yaml': 'services: [{ name: b, listen: tcp://10.9.0.1:80 }]\n',
    });
    expect(complaints()).toEqual([
      expect.stringMatching(/^a.yaml:2:1: must be valid YAML/),
      'b.yaml:1:12: services[0].servers: must be given, got nothing; write "servers: [10.2.1.2:8080]"',
    ]);
  });

  it.each([
    [
      'a list of services',
      '- name: a\n',
      'a.yaml:1:1: must be a map with services, got a list; write at least "services: []"',
    ],
    [
      'a setting for all',
      'log: { level: debug }\n',
      'a.yaml:1:1: log: must be left out of an included file, got "log"; it belongs in the first file, the one that includes the others',
    ],
    [
      'a misspelt key',
      'servces: []\n',
      'a.yaml:1:1: servces: must be a known key, got "servces"; did you mean "services"?',
    ],
  ])('is %s in an included file', (_, text, expected) => {
    write({ 'vsnat.yaml': 'include: a.yaml\nservices: []\n', 'a.yaml': text });
    expect(complaints()).toEqual([expected]);
  });

  it.each([
    [
      'a file that is missing',
      'nowhere.yaml',
      'must name files that can be read, got "nowhere.yaml"; nowhere.yaml: ENOENT',
    ],
    ['a folder', 'conf.d', 'must name files that can be read, got "conf.d"; conf.d: a directory'],
    [
      'a folder that a glob finds',
      '"*.d"',
      'must name files that can be read, got "*.d"; conf.d: a directory',
    ],
    [
      'itself',
      'vsnat.yaml',
      'must not lead back to a file that includes it, got "vsnat.yaml"; vsnat.yaml is on the way here',
    ],
    [
      'itself by another name',
      'link.yaml',
      'must not lead back to a file that includes it, got "link.yaml"; link.yaml is on the way here',
    ],
    [
      'a file again',
      '[conf.d/a.yaml, "conf.d/*"]',
      'must name each file once, got "conf.d/*"; conf.d/a.yaml: include[0] has it already',
    ],
    ['every depth', '"**/*.yaml"', 'must have no **, got "**/*.yaml"; list the folders one by one'],
    ['a number', '7', 'must be a path or a list of paths, got 7'],
    [
      'a device without end',
      '/dev/zero',
      'must name files that can be read, got "/dev/zero"; /dev/zero: a device',
    ],
  ])('is to include %s', (_, include, message) => {
    write({ 'vsnat.yaml': `include: ${include}\nservices: []\n`, 'conf.d/a.yaml': service('a') });
    symlinkSync('vsnat.yaml', join(folder, 'link.yaml'));
    expect(complaints().map((line) => line.replace(/^\S+ include(?:\[\d\])?: /, ''))).toEqual([message]);
  });

  it('is told on one line, whatever the file is called', () => {
    write({ 'vsnat.yaml': 'include: "*.y"\nservices: []\n', '\u001b[2J\n.y': 'services: 1\n' });
    expect(complaints()).toEqual([
      '\\u001b[2J\\u000a.y:1:11: services: must be a list, got 1; write [] for none',
    ]);
  });

  it('is a circle, told where it closes', () => {
    write({
      'vsnat.yaml': 'include: a.yaml\nservices: []\n',
      'a.yaml': 'include: b.yaml\n',
      'b.yaml': 'include: [a.yaml]\n',
    });
    expect(complaints()).toEqual([
      'b.yaml:1:11: include[0]: must not lead back to a file that includes it, got "a.yaml"; a.yaml is on the way here',
    ]);
  });
});

describe('a glob', () => {
  const found = (pattern: string): readonly string[] =>
    expand(pattern, folder).map((path) => path.slice(folder.length + 1));

  it.each([
    ['*', ['a', 'ab', 'b.yaml', 'c+d']],
    ['a*', ['a', 'ab']],
    ['?', ['a']],
    ['[ab]*', ['a', 'ab', 'b.yaml']],
    ['[!a]*', ['b.yaml', 'c+d']],
    ['[^a]*', ['b.yaml', 'c+d']],
    ['[]a]*', ['a', 'ab']],
    ['[z-a]*', []],
    ['[a-b]', ['a']],
    ['c+d', ['c+d']],
    ['.*', ['.h']],
    ['*/x', ['a/x', 'ab/x']],
    ['a/*', ['a/x']],
    ['[', []],
    ['n/*', []],
  ])('%s', (pattern, expected) => {
    write({ 'a/x': '', 'ab/x': '', 'b.yaml': '', 'c+d': '', '.h': '' });
    expect(found(pattern)).toEqual(expected);
  });

  it('begins in a folder whatever that is called', () => {
    write({ '[a]*/x': '', 'a/x': '', 'ab/x': '' });
    expect(expand('*', join(folder, '[a]*'))).toEqual([join(folder, '[a]*/x')]);
  });
});
