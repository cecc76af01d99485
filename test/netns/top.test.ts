// SPDX-License-Identifier: Apache-2.0
/** `vsnat top` on a real terminal: it draws, obeys keys and sizes, and gives the terminal back on every way out. */
import path from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from './support/project-root.js';
import { suite, useLab } from './support/suite.js';

interface Shown {
  readonly text: string;
  readonly restored: boolean;
  readonly stoppedClean: boolean | null;
  readonly code: number;
}

const player = path.join(projectRoot, 'test/netns/support/on_terminal.py');
const enter = '\u001b[?1049h';
const leave = '\u001b[?1049l';

suite(
  'vsnat top on a terminal',
  () => {
    const lab = useLab({ servers: 2 });
    const play = async (acts: string): Promise<Shown> => {
      const { installation } = lab().daemon;
      const vsnat = [
        process.execPath,
        path.join(projectRoot, 'bin/vsnat'),
        '--socket',
        installation.socket,
        'top',
      ];
      const { namespace } = lab().topology.director;
      return JSON.parse(await namespace.must(['python3', player, acts, ...vsnat])) as Shown;
    };

    test.each([
      ['q', 0],
      ['\u0003', 0],
      ['term', 0],
      ['resize,n,q', 0],
    ])('after %j it ends with %i and the terminal is as it was', async (acts, code) => {
      const shown = await play(acts);
      expect({ code: shown.code, restored: shown.restored }).toEqual({ code, restored: true });
      expect(shown.text.split(enter)).toHaveLength(2);
      expect(shown.text.split(leave)).toHaveLength(2);
      expect(shown.text).toContain('10.2.1.2:8080');
      if (acts.startsWith('resize')) expect(shown.text).toContain('[n name]');
    });

    test('Ctrl-Z gives the terminal back, and a continued top takes it again', async () => {
      const shown = await play('stop,q');
      expect(shown).toMatchObject({ code: 0, restored: true, stoppedClean: true });
      expect(shown.text.split(enter)).toHaveLength(3);
      expect(shown.text.split(leave)).toHaveLength(3);
    });

    test('without a terminal it is text, as often as it is told', async () => {
      const { stdout, code } = await lab().daemon.installation.vsnat(
        'top',
        '--times',
        '2',
        '--interval',
        '100ms',
      );
      expect(code).toBe(0);
      expect(stdout).not.toContain('\u001b');
      expect(stdout.match(/^SERVICE/gm)).toHaveLength(2);
    });
  },
  ['python3'],
);
