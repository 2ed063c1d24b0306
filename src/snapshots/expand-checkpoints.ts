import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { numbersOf } from './name-numbers.ts';
import { isWeightFile, weightsIn } from './state/checkpoint-files.ts';

/** Whether a folder is named by a step: `checkpoint-500`. */
export const saysStep = (folder: string): boolean =>
  numbersOf(basename(folder)).some(({ certainty }) => certainty !== 'number');

/**
 * The training checkpoints of a folder: the weights in subfolders that are named by a step (`checkpoint-500/`, as Hugging Face's
 * Trainer leaves them), else its own: one sharded or usual set of weights, or every file that ends as checkpoints do.
 */
export function checkpointsIn(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true });
  const stepped = entries
    .filter((entry) => entry.isDirectory() && saysStep(entry.name))
    .flatMap(({ name }) => weightsIn(join(folder, name)) ?? []);
  if (stepped.length > 0) return stepped;
  const files = entries.filter((entry) => !entry.isDirectory() && isWeightFile(entry.name)).map(({ name }) => name);
  const one = weightsIn(folder);
  return one !== undefined ? [one] : files.map((name) => join(folder, name));
}
