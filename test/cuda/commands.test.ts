/**
 * What every command measures on the CPU and on CUDA, side by side: `npm run test:cuda`. Skipped, with the reason, where
 * CUDA cannot be had. With ONNX_TEMPER_CUDA_SUITE=cpu the second side is the CPU again, on two threads: the suite itself
 * is then seen to work. With ONNX_TEMPER_CUDA_SUITE=forged that side is given other words, and every comparison must fail.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { TemperError } from '../../src/core/index.ts';
import { openSession } from '../../src/runtime/index.ts';
import { compareDevices, differenceText } from '../support/compare-devices.ts';
import { SNAPSHOTS } from '../support/fashion.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { COMPARED } from './commands.ts';

const CPU = ['--device', 'cpu', '--threads', '1', '--workers', '1'] as const;
const TWO_THREADS = ['--device', 'cpu', '--threads', '2', '--workers', '1'] as const;

const NEAREST = ['--interpolation', 'nearest'];
const SUITE = process.env.ONNX_TEMPER_CUDA_SUITE;

/** The words of the second side, or why there is none. */
async function secondSide(): Promise<{ readonly words: readonly string[]; readonly skip?: string }> {
  if (SUITE === 'cpu') return { words: TWO_THREADS };
  if (SUITE === 'forged') return { words: TWO_THREADS };
  const words = ['--device', process.env.ONNX_TEMPER_CUDA_DEVICE ?? 'cuda'];
  try {
    const session = await openSession({ model: SNAPSHOTS[0] as string, device: 'cuda' });
    await session.close();
    return { words };
  } catch (error) {
    if (error instanceof TemperError) return { words, skip: error.message };
    throw error;
  }
}

const root = tempFolder();
const side = await secondSide();

for (const [i, { name, tolerances, forged = NEAREST, measure }] of COMPARED.entries()) {
  const words = SUITE === 'forged' ? [...side.words, ...forged] : side.words;
  test(`${name}: the CPU and ${words.join(' ')} ${SUITE === 'forged' ? 'differ' : 'agree'}`, {
    skip: side.skip ?? false,
  }, (t) => {
    const folder = (which: string): string => {
      const path = join(root, `${i}-${which}`);
      mkdirSync(path);
      return path;
    };
    const found = compareDevices(measure(CPU, folder('cpu')), measure(words, folder('other')), tolerances);
    for (const difference of found) t.diagnostic(differenceText(difference));
    const failed = found.filter(({ passed }) => !passed).map(differenceText);
    if (SUITE === 'forged') assert.notDeepEqual(failed, []);
    else assert.deepEqual(failed, []);
  });
}
