import type { FloatType } from '../core/index.ts';
import type { Model, TensorRecord } from '../onnx/index.ts';
import { givenRecord } from './given.ts';
import { type StoredTensor, storedTensors } from './output-layout.ts';
import { type RequantizationError, requantizer } from './quantized/requantize.ts';
import type { AverageRecord, RecordedInput } from './record.ts';
import { type Row, rowFields, rowOver } from './rows/row.ts';
import { type StreamOptions, TensorStream } from './stream.ts';
import type { TensorPlan, TensorRules } from './tensor-plan.ts';
import {
  filesOf,
  modelDigests,
  type OutputFiles,
  type OutputJob,
  type PublishedOutput,
  publishOutputs,
  type WrittenOutput,
  writeInto,
} from './write-outputs.ts';

export interface AverageJob extends Pick<StreamOptions, 'allowNonfinite' | 'given' | 'signal' | 'onProgress'> {
  /** In plan order; one coefficient of every row each. */
  readonly models: readonly Model[];
  readonly steps: readonly (number | undefined)[];
  readonly templateIndex: number;
  readonly plan: TensorPlan;
  readonly rules: TensorRules;
  readonly rows: readonly Row[];
  readonly dtype: FloatType | undefined;
  /** Recorded in the output. */
  readonly version: string;
  /** How the average was chosen, recorded as it is. */
  readonly chosenBy?: Readonly<Record<string, unknown>> | undefined;
  /** What becomes of the template's preprocessing; undefined: nothing. */
  readonly carried?: OutputJob['carried'];
  /** The hashing of the models' files, where it was begun before. */
  readonly begun?: OutputJob['begun'];
}

type ModelDigests = ReturnType<typeof modelDigests>;

function recordOf(
  job: AverageJob,
  row: Row,
  given: ReadonlyMap<TensorRecord, Uint8Array> | undefined,
  hashes: readonly ModelDigests[],
  requantized: RequantizationError | undefined,
): AverageRecord {
  const used = job.models.flatMap((_, i) => {
    const coefficient = row.coefficients[i] as number;
    if (coefficient === 0 && i !== job.templateIndex) return [];
    const { file, sha256, data } = hashes[i] as ModelDigests;
    const input: RecordedInput = {
      file,
      sha256,
      step: job.steps[i] ?? null,
      coefficient,
      ...(data.length > 0 ? { data } : {}),
    };
    return [{ i, input }];
  });
  const at = (input: number): number => used.findIndex(({ i }) => i === input);
  return {
    tool: 'onnx-temper',
    version: job.version,
    command: 'avg-ckpt',
    average: row.name,
    divisor: row.divisor,
    ...rowFields(rowOver(row, [], at)),
    template: at(job.templateIndex),
    // Spelled out: the order of keys is part of the bytes that verify compares.
    bn: job.rules.bn,
    on_int_mismatch: job.rules.onIntMismatch,
    match: job.rules.match,
    dtype: job.dtype ?? null,
    allow_nonfinite: job.allowNonfinite,
    ...(job.rules.quantized === 'float' ? { quantized: 'float' } : {}),
    ...(requantized && requantized.tensors > 0 ? { requantized: requantizedRecord(requantized) } : {}),
    ...(given ? { given: givenRecord(job.plan.tensors, given) } : {}),
    ...(job.chosenBy ? { chosen_by: job.chosenBy } : {}),
    inputs: used.map(({ input }) => input),
  };
}

const requantizedRecord = ({ tensors, squaredError, squaredNorm, maxError }: RequantizationError) => ({
  tensors,
  relative_rms_error: squaredNorm > 0 ? Math.sqrt(squaredError / squaredNorm) : 0,
  max_error: maxError,
});

/**
 * Computes every row in one pass over the snapshots, block by block, and writes the outputs without publishing them.
 * Inputs are hashed beside the sum. On any failure nothing is left.
 *
 * Memory: one block per snapshot and per output (512 KiB each), whatever the size of the model.
 * @throws TemperError NUMERIC_*, FORMAT_*, INPUT_CHANGED, OUTPUT_WRITE, INTERRUPTED
 */
export function averageInto(job: AverageJob, files: readonly OutputFiles[]): Promise<WrittenOutput[]> {
  const { models, rows } = job;
  const template = models[job.templateIndex] as Model;
  const stored = storedTensors(template, job.plan.tensors, job.dtype);
  const stream = new TensorStream({
    ...job,
    requantize: (row) => requantizer(models, row),
    checkVariances: true,
  });
  const sources = models.map(filesOf);
  return writeInto(
    {
      template,
      stored,
      rows,
      stream,
      slot: (slot, sinks) => stream.tensor(stored[slot] as StoredTensor, sinks),
      files: sources.flat(),
      assertUnchanged() {
        for (const model of models) model.assertUnchanged();
      },
      recordOf(row, digests) {
        let next = 0;
        const hashes = models.map((model, i) => {
          const own = digests.slice(next, next + (sources[i]?.length ?? 0));
          next += own.length;
          return modelDigests(model, own);
        });
        return recordOf(job, rows[row] as Row, job.given?.[row], hashes, stream.requantizationErrors()[row]);
      },
      carried: job.carried,
      begun: job.begun,
      signal: job.signal,
    },
    files,
  );
}

/**
 * Averages snapshots into files: all rows in one pass; data files appear before the models that name them, each whole
 * or not at all.
 * @param paths one output a row
 * @throws TemperError OUTPUT_EXISTS, OUTPUT_IS_INPUT, and as averageInto
 */
export function averageFiles(job: AverageJob, paths: readonly string[], force: boolean): Promise<PublishedOutput[]> {
  return publishOutputs(job.models.flatMap(filesOf), paths, force, (files) => averageInto(job, files));
}
