import {
  combineMoments,
  emptyMoments,
  type Moments,
  momentsOfBatch,
  populationVariance,
  TemperError,
} from '../core/index.ts';
import type { Model } from '../onnx/index.ts';
import { type SessionChoice, sessionOptions, type Tensor } from '../runtime/index.ts';
import type { BatchMoments, LayerMoments } from './collect-moments.ts';
import type { BatchNormLayer } from './find-layers.ts';
import { type JobImages, numberedBatches, ONE_WORKER } from './job-images.ts';
import { type MomentsSession, openMoments } from './measure.ts';

/** How far moments may lie apart, in standard deviations and parts of the variance: other orders of summation, no more. */
const SAME_MOMENTS = 1e-3;

function* piecesOf({ type, dims, data }: Tensor, size: number): Generator<Tensor> {
  const [rows = 0, ...rest] = dims;
  const each = data.length / rows;
  for (let at = 0; at < rows; at += size) {
    const end = Math.min(rows, at + size);
    yield { type, dims: [end - at, ...rest], data: data.slice(at * each, end * each) };
  }
}

const momentsOf = ({ count, mean, variance }: LayerMoments): Moments => momentsOfBatch(count, mean, variance);

/** Whether the moments of a batch are those of its pieces together. */
function isSum(whole: BatchMoments, pieces: readonly BatchMoments[], layers: readonly BatchNormLayer[]): boolean {
  return layers.every(({ channels, epsilon }, l) => {
    const ofPieces = pieces.map((piece) => momentsOf(piece.layers[l] as LayerMoments));
    const [a, b] = [
      momentsOf(whole.layers[l] as LayerMoments),
      ofPieces.reduce(combineMoments, emptyMoments(channels)),
    ];
    const [varianceA, varianceB] = [populationVariance(a), populationVariance(b)];
    return varianceA.every((variance, c) => {
      const scale = (varianceB[c] as number) + epsilon;
      const shift = Math.abs((a.mean[c] as number) - (b.mean[c] as number));
      return (
        shift <= SAME_MOMENTS * Math.sqrt(scale) &&
        Math.abs(variance - (varianceB[c] as number)) <= SAME_MOMENTS * scale
      );
    });
  });
}

async function compare(session: MomentsSession, images: Tensor, own: number): Promise<[BatchMoments, BatchMoments[]]> {
  const pieces: BatchMoments[] = [];
  // Arrays are handed over to the session: the pieces are copies, and come first.
  for (const piece of [...piecesOf(images, own)]) pieces.push(await session.run({ batch: 0, images: piece }));
  return [await session.run({ batch: 0, images }), pieces];
}

/**
 * Whether a file that is fixed to batches of `images.batch` gives the same in larger ones: with the stored statistics an
 * image does not depend on the others, so that the moments of two batches in one must be those of both together. A graph
 * with a constant Reshape mixes images, or does not run.
 * @returns false too where there are no two batches to compare
 * @throws TemperError NUMERIC_NONFINITE, and what reading the images throws
 */
export async function takesAnyBatch(
  model: Model,
  layers: readonly BatchNormLayer[],
  images: JobImages,
  runtime: SessionChoice,
): Promise<boolean> {
  const own = images.batch;
  const two: JobImages = { ...images, rows: images.rows.subarray(0, 2 * own), batch: 2 * own, views: undefined };
  const session = await openMoments(model, layers, { ...sessionOptions(runtime), batchNormalised: false });
  try {
    for await (const batch of numberedBatches(two, ONE_WORKER)) {
      if ((batch.images.dims[0] ?? 0) <= own) return false;
      const [whole, pieces] = await compare(session, batch.images, own);
      return isSum(whole, pieces, layers);
    }
    return false;
  } catch (error) {
    if (error instanceof TemperError && error.code.startsWith('EXECUTION_')) return false;
    throw error;
  } finally {
    await session.close();
  }
}
