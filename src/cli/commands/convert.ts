// SPDX-License-Identifier: Apache-2.0
import type { Register } from '../session.js';

export const convert: Register = (program, session) =>
  void program
    .command('convert')
    .description(
      "make a vsnat.yaml of a keepalived.conf or of ipvsadm-save's text; says what has no counterpart",
    )
    .argument('<file>', 'what to convert; - for standard input')
    .option('-o, --output <file>', 'write the YAML into this new file')
    .option('--config-id <name>', "take the lines that are for this host alone, as keepalived's -i")
    .action(async (file: string, options: { output?: string; configId?: string }) => {
      const { convertFile } = await import('../convert.js');
      session.end(await convertFile(file, options, session.json, session.io));
    });
