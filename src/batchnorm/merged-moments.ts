import { gaps, TemperError } from '../core/index.ts';
import type { BatchMoments } from './collect-moments.ts';
import type { Reference } from './folded/reference.ts';
import { MOMENTS_HINT, type MomentsFile } from './moments-file.ts';
import { assertSameRun, type MomentsRun } from './moments-run.ts';

export interface MergedMoments {
  readonly run: Omit<MomentsRun, 'processor'>;
  /** The processor types of the workers. With several, the bytes may differ from one worker's by roundings. */
  readonly processors: readonly string[];
  /** The goals of folded layers, which all workers had. */
  readonly reference: Reference | undefined;
  /**
   * All batches in batch order, read one at a time: folding them does what one worker does, operation by operation.
   * Batches without an image (none could be decoded) are left out, as a worker leaves them out.
   */
  batches(): Generator<BatchMoments>;
}

/**
 * Puts the workers' batches together: every batch of the job exactly once, all made from the same model, rows, transform and
 * settings by the same provider and versions. Memory: a number or two a batch.
 * @throws TemperError MISMATCH_VALUE (which file, which field; or a batch that two files have), INPUT_TOO_FEW (batches
 *   that none has)
 */
export function mergeMomentsFiles(files: readonly MomentsFile[]): MergedMoments {
  const [first] = files;
  if (!first) throw new TemperError('INPUT_TOO_FEW', 'no moments file is given', { hint: MOMENTS_HINT });
  for (const file of files.slice(1)) assertSameRun(first, file);
  const { processor: _, ...run } = first.run;

  const places = new Map<number, { readonly file: MomentsFile; readonly index: number }>();
  for (const file of files) {
    file.batches.forEach((batch, index) => {
      const other = places.get(batch);
      if (other) {
        throw new TemperError('MISMATCH_VALUE', `batch ${batch} is in ${other.file.path} and in ${file.path}`, {
          hint: 'Give one file of each worker, all of one run.',
          details: { batch, paths: [other.file.path, file.path] },
        });
      }
      places.set(batch, { file, index });
    });
  }
  if (places.size < run.batches) {
    const missing = gaps(
      [...places.keys()].sort((a, b) => a - b),
      run.batches,
    );
    const count = run.batches - places.size;
    throw new TemperError('INPUT_TOO_FEW', `${count} of ${run.batches} batches are in no file: ${missing}`, {
      hint: 'Run the workers that are missing, or name their files too.',
      details: { missing, count, batches: run.batches },
    });
  }
  return {
    run,
    reference: first.reference,
    processors: [...new Set(files.map(({ run: { processor } }) => processor))].sort(),
    *batches() {
      for (let batch = 0; batch < run.batches; batch++) {
        const { file, index } = places.get(batch) as { file: MomentsFile; index: number };
        const moments = file.read(index);
        if (moments.images > 0) yield moments;
      }
    },
  };
}
