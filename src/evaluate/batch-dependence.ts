import { TemperError } from '../core/index.ts';
import { type ClassOutput, readClassOutput, runBatches, type Session, type Tensor } from '../runtime/index.ts';
import type { ValueInfo } from '../signature/index.ts';
import { logitTolerance } from './tolerance.ts';

/** Images of the first batch that are run alone too. */
const ALONE = 4;

/** A network as it runs over images. */
interface RunningNetwork {
  readonly session: Session;
  readonly input: ValueInfo;
  readonly output: ValueInfo;
  /** Which of a batch's inputs it takes. */
  readonly images: number;
}

/** A row of a batch, per transform, as a batch of its own. */
export interface LoneRow {
  readonly row: number;
  readonly images: readonly Tensor[];
}

/** Some rows spread over a batch, copied. None of a batch of one. */
export function loneRows(inputs: readonly Tensor[]): LoneRow[] {
  const [rows = 0] = inputs[0]?.dims ?? [];
  const count = rows < 2 ? 0 : Math.min(ALONE, rows);
  return Array.from({ length: count }, (_, i) => {
    const row = Math.floor((i * rows) / count);
    return {
      row,
      images: inputs.map(({ type, dims: [, ...rest], data }): Tensor => {
        const each = data.length / rows;
        return { type, dims: [1, ...rest], data: data.slice(row * each, (row + 1) * each) };
      }),
    };
  });
}

/** The largest difference of a row's outputs, over max(1, their range). */
export function rowDifference(joint: ArrayLike<number>, alone: ArrayLike<number>): number {
  let [least, most, difference] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (let k = 0; k < joint.length; k++) {
    const [a, b] = [joint[k] as number, alone[k] as number];
    // ln 0 is -Infinity, alone and in a batch.
    if (a !== b) difference = Math.max(difference, Math.abs(a - b));
    if (!Number.isFinite(a)) continue;
    least = Math.min(least, a);
    most = Math.max(most, a);
  }
  return difference / Math.max(1, most - least);
}

/**
 * How far a network's outputs of an image alone and in a batch lie apart: about 0 but for networks that look at the whole batch
 * (dynamic quantization takes its scales from it, BatchNormalization in training mode its statistics).
 * @param batch what each network gave for the batch @returns per network; 0 for one that takes no image alone
 */
export async function batchDependence(
  networks: readonly RunningNetwork[],
  batch: readonly ClassOutput[],
  lone: readonly LoneRow[],
): Promise<number[]> {
  const most = networks.map(() => 0);
  if (networks.length === 0) return most;
  const stages = networks.map(({ session, input, output, images }) => ({
    session,
    input,
    images,
    fetches: [output.name],
  }));
  async function* batches() {
    for (const { row, images } of lone) yield { images, meta: row };
  }
  try {
    for await (const { meta: row, outputs } of runBatches(stages, batches())) {
      for (const [i, { session, output }] of networks.entries()) {
        const { classes, data } = batch[i] as ClassOutput;
        const alone = readClassOutput(session, output, outputs[i] ?? {}, 1);
        const joint = data.subarray(row * classes, (row + 1) * classes);
        most[i] = Math.max(most[i] as number, rowDifference(joint, alone.data));
      }
    }
  } catch (error) {
    // A constant Reshape, for example: what the network makes of its own batches is told when they run.
    if (!(error instanceof TemperError && /^(EXECUTION|NUMERIC)_/.test(error.code))) throw error;
  }
  return most;
}

/** That a network's scores depend on the batch, in words; undefined for differences that rounding explains. */
export function dependenceText(
  { session, output }: Pick<RunningNetwork, 'session' | 'output'>,
  found: number,
): string | undefined {
  if (found <= logitTolerance({ session, output })) return undefined;
  return (
    `its logits depend on the batch (by up to ${found.toPrecision(2)} of a row's range), as those of dynamically ` +
    'quantized networks do'
  );
}
