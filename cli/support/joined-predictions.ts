import { basename } from 'node:path';
import { TemperError } from '../../src/core/index.ts';
import { concatPredictions, type Predictions } from '../../src/evaluate/index.ts';
import type { FieldRow } from '../../src/report/index.ts';
import { combinedSha256, sha256OfFile } from './model-hash.ts';
import { readPerImage } from './per-image-file.ts';

/** What files of predictions tell together. */
export interface JoinedPredictions {
  readonly models: readonly { readonly model: string; readonly predictions: Predictions }[];
  /** Which files, and their hash: of several, that of their hashes. */
  readonly fields: FieldRow;
}

function mismatch(path: string, what: string): TemperError {
  return new TemperError('MISMATCH_VALUE', `${path}: ${what}`, {
    hint: 'Name the --per-image files of all workers of one job, each once.',
    details: { path },
  });
}

/**
 * Joins what the workers of `eval-ckpt --shard` wrote, in the order given: in that of the workers it is what one run would
 * have written.
 * @throws TemperError MISMATCH_VALUE for files of other models, or an image that two files have; INPUT_*, FORMAT_TABLE
 */
export async function joinPredictions(paths: readonly string[]): Promise<JoinedPredictions> {
  const files = await Promise.all(paths.map(readPerImage));
  const models = (files[0] ?? []).map(({ model }) => model);
  for (const [i, file] of files.entries()) {
    const found = file.map(({ model }) => model).join(', ');
    if (found !== models.join(', ')) {
      throw mismatch(paths[i] as string, `is of ${found}, expected ${models.join(', ')} as in ${paths[0]}`);
    }
  }
  const joined = models.map((model, m) => {
    const owner = new Map<string, number>();
    const parts = files.map((file, i) => {
      const { predictions } = file[m] as JoinedPredictions['models'][number];
      for (const key of predictions.keys) {
        const other = owner.get(key);
        if (other !== undefined && other !== i)
          throw mismatch(paths[i] as string, `has image ${key}, as ${paths[other]} has`);
        owner.set(key, i);
      }
      return predictions;
    });
    return { model, predictions: parts.length === 1 ? (parts[0] as Predictions) : concatPredictions(parts) };
  });
  const [first, ...others] = await Promise.all(
    paths.map(async (path) => ({ location: basename(path), sha256: await sha256OfFile(path) })),
  );
  return {
    models: joined,
    fields: {
      predictions: paths.map((path) => basename(path)).join(' '),
      predictions_sha256: combinedSha256(first?.sha256 ?? '', others),
    },
  };
}
