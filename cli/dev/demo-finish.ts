import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeFileAtomic } from '../../src/core/index.ts';
import { commandLine } from '../shared/command-line.ts';

/** The whole job on the same snapshots, in one command, as a user runs it. */

const ONNX_TEMPER = fileURLToPath(new URL('../onnx-temper.js', import.meta.url));
const FASHION = 'fixtures/fashion';
const OUT_DIR = 'dist/demo/finish';

const ARGUMENTS = [
  ...['finish', `${FASHION}/checkpoints`, '--train', `${FASHION}/train-2k-images-idx3-ubyte.gz`],
  ...['--val', `${FASHION}/test-images-idx3-ubyte.gz`, '--val-labels', `${FASHION}/test-labels-idx1-ubyte.gz`],
  ...['--preset', 'none', '--mean', '0.2860', '--std', '0.3530', '--size', '20', '--out-dir', OUT_DIR, '--force'],
];

/** Leaves finish.html in reports/, the model and the rest in dist/demo/finish. */
export function finishDemo(root: string): void {
  process.stderr.write(`$ ${commandLine('onnx-temper', ARGUMENTS)}\n`);
  const { status } = spawnSync(process.execPath, [ONNX_TEMPER, ...ARGUMENTS], { cwd: root, stdio: 'inherit' });
  if (status !== 0 && status !== 1) throw new Error(`finish ended with ${status}`);
  const report = readFileSync(join(root, OUT_DIR, 'report.html'));
  writeFileAtomic(join(root, 'reports', 'finish.html'), report, { force: true });
  process.stdout.write('wrote reports/finish.html\n');
}
