// Formats the C++ with clang-format. `--check` fails on a difference; a machine without clang-format says so
// and fails only in CI, where the package is installed.
import { execFileSync, spawnSync } from 'node:child_process';

const mode = process.argv[2] === '--write' ? ['-i'] : ['--dry-run', '--Werror'];
if (spawnSync('clang-format', ['--version']).error) {
  console.error('clang-format is missing: apt-get install clang-format');
  process.exit(process.env.CI ? 1 : 0);
}
const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.cc', '*.h'], {
  encoding: 'utf8',
});
const files = listed.split('\n').filter((file) => file !== '');
process.exit(spawnSync('clang-format', [...mode, ...files], { stdio: 'inherit' }).status ?? 1);
