// Installs and builds what is missing, so that `npm run demo` and `npm test` work from a fresh clone.
// Plain Node, and called from the scripts themselves: with ignore-scripts npm silently skips predemo and pretest.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const force = process.argv.includes('--force');

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`onnx-temper needs Node >= 20.19, found ${process.versions.node}: install a newer Node.js.`);
  process.exit(3);
}

/** Runs `step` unless `stamp` already holds the hash of `inputs`. */
function once(stamp, inputs, step) {
  const hash = createHash('sha256');
  for (const file of inputs)
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, file)))
      .update('\0');
  const digest = hash.digest('hex');
  const path = join(root, stamp);
  if (!force && existsSync(path) && readFileSync(path, 'utf8') === digest) return;
  step();
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, digest);
}

function run(command, args) {
  try {
    execFileSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  } catch (error) {
    console.error(`\`${command} ${args.join(' ')}\` failed: ${error.message}`);
    process.exit(error.status ?? 1);
  }
}

once('node_modules/.onnx-temper-installed', ['package.json', 'package-lock.json', '.npmrc'], () => {
  console.error('installing dependencies (npm ci) ...');
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--include=dev']);
});

const sources = ['src', 'cli', 'test'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort((a, b) => (a < b ? -1 : 1)),
);
once('dist/.built', ['tsconfig.json', 'package-lock.json', 'cli/dev/bundle.mjs', ...sources], () => {
  console.error('building (tsc, esbuild) ...');
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.']);
  run(process.execPath, ['cli/dev/bundle.mjs']);
});
