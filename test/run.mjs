// Runs tests by name: `node test/run.mjs unit e2e`, a folder (`unit/average`), a file (`unit/average/stream.test.ts`), or
// the checkers (`check`). What is compiled runs. `--long` tries all where the default suite tries some.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const bin = (name) => join('node_modules', '.bin', name);
/** Commands that look at the sources. */
const CHECKS = [
  [bin('biome'), ['ci', '--error-on-warnings', '.']],
  [bin('oxlint'), ['--type-aware', '--deny-warnings', 'src', 'cli', 'test']],
  [bin('knip'), []],
];

function run(command, args) {
  const { status } = spawnSync(command, args, { stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) {
    console.error(`\`${[command, ...args].join(' ').slice(0, 200)}\` failed`);
    process.exit(1);
  }
}

function testFiles(suite) {
  const folder = join('dist', 'test', suite.replace(/^test\//, '').replace(/\.ts$/, '.js'));
  if (!existsSync(folder)) return [];
  if (folder.endsWith('.test.js')) return [folder];
  return readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith('.test.js'))
    .map((file) => join(folder, file))
    .sort();
}

const suites = process.argv.slice(2).filter((word) => word !== '--long');
if (process.argv.includes('--long')) process.env.ONNX_TEMPER_LONG = '1';
if (suites.includes('check')) for (const [command, args] of CHECKS) run(command, args);
const files = suites
  .filter((name) => name !== 'check')
  .flatMap((suite) => {
    const found = testFiles(suite);
    if (found.length === 0) {
      console.error(`${suite}: no tests found`);
      process.exit(2);
    }
    return found;
  });
// A file waits for its programs as often as it computes: Node's default, a core less, leaves half of two cores idle.
const options = [
  '--enable-source-maps',
  '--test',
  `--test-concurrency=${availableParallelism()}`,
  '--test-reporter=spec',
];
if (files.length > 0) run(process.execPath, [...options, ...files]);
