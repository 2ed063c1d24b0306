import { type AtomicFile, type FloatType, itemBytesOf, openAtomic, safetensorsHead } from '../../core/index.ts';
import { elementCount } from '../../onnx/index.ts';
import { type RecordedFile, recordedFiles, type StateTable, stateTypeOf } from '../../snapshots/index.ts';
import { hashFiles } from '../hash-files.ts';
import type { AverageRecord, RecordedInput } from '../record.ts';
import { type Row, rowFields, rowOver } from '../rows/row.ts';
import { type Sink, type StreamOptions, TensorStream } from '../stream.ts';
import type { TensorRules } from '../tensor-plan.ts';
import { checkTargets, type PublishedOutput } from '../write-outputs.ts';
import type { StatePlan, SummedState } from './plan-states.ts';

export interface StateJob extends Pick<StreamOptions, 'allowNonfinite' | 'signal' | 'onProgress'> {
  /** In plan order; one coefficient of every row each. */
  readonly tables: readonly StateTable[];
  readonly steps: readonly (number | undefined)[];
  readonly plan: StatePlan;
  readonly bn: TensorRules['bn'];
  readonly rows: readonly Row[];
  readonly dtype: FloatType | undefined;
  /** Recorded in the output. */
  readonly version: string;
}

/** What an average of state dicts says of itself. @param digests of the checkpoints' files, in plan order */
export function stateRecord(job: StateJob, row: Row, digests: readonly string[]): AverageRecord {
  const templateIndex = job.tables.length - 1;
  let next = 0;
  const hashed = job.tables.map((table) => {
    const own = recordedFiles(table, digests.slice(next));
    next += table.files.length;
    return own;
  });
  const used = job.tables.flatMap(({ state }, i) => {
    const coefficient = row.coefficients[i] as number;
    if (coefficient === 0 && i !== templateIndex) return [];
    const { file, sha256, data } = hashed[i] as RecordedFile;
    const input: RecordedInput = {
      file,
      sha256,
      step: job.steps[i] ?? null,
      coefficient,
      state: state.taken,
      ...(data ? { data } : {}),
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
    template: at(templateIndex),
    bn: job.bn,
    on_int_mismatch: 'last',
    match: 'name',
    dtype: job.dtype ?? null,
    allow_nonfinite: job.allowNonfinite,
    inputs: used.map(({ input }) => input),
  };
}

/** A tensor as the outputs store it. */
function storedState(tensor: SummedState, dtype: FloatType | undefined) {
  const type = tensor.type === undefined ? undefined : (dtype ?? tensor.type);
  const stored = type === undefined ? tensor.stored : stateTypeOf(type);
  return {
    name: tensor.name,
    dtype: stored,
    shape: tensor.dims,
    tensor,
    type,
    byteLength: elementCount(tensor.dims) * itemBytesOf(stored),
  };
}

/**
 * Computes every row in one pass over the checkpoints, block by block, into safetensors files that say what they were made
 * from. The record stands at the beginning of a file: inputs are hashed first.
 * @throws TemperError NUMERIC_*, FORMAT_*, INPUT_CHANGED, OUTPUT_WRITE, INTERRUPTED
 */
export async function averageStatesInto(job: StateJob, sinks: readonly Sink[]): Promise<AverageRecord[]> {
  const { tables, rows, plan, dtype } = job;
  const hashing = hashFiles(tables.flatMap(({ files }) => files));
  try {
    const digests = await hashing.finish();
    job.signal?.throwIfAborted();
    const stored = plan.tensors.map((tensor) => storedState(tensor, dtype));
    const records = rows.map((row) => stateRecord(job, row, digests));
    const heads = records.map((record) =>
      // `format` is what transformers asks for.
      safetensorsHead(
        stored,
        new Map([
          ['format', 'pt'],
          ['onnx_temper.1', JSON.stringify(record)],
        ]),
      ),
    );
    for (const [i, { bytes }] of heads.entries()) sinks[i]?.write(bytes);
    const stream = new TensorStream({ ...job, models: tables, checkVariances: true });
    for (const one of heads[0]?.ordered ?? []) await stream.tensor(one, sinks);
    for (const table of tables) table.assertUnchanged();
    return records;
  } catch (error) {
    await hashing.cancel();
    // A checkpoint that is still being written explains whatever was found in it.
    if (!job.signal?.aborted) for (const table of tables) table.assertUnchanged();
    throw error;
  }
}

/**
 * Averages checkpoints into safetensors files, each whole or not at all.
 * @param paths one output a row
 * @throws TemperError OUTPUT_EXISTS, OUTPUT_IS_INPUT, and as averageStatesInto
 */
export async function writeStates(job: StateJob, paths: readonly string[], force: boolean): Promise<PublishedOutput[]> {
  checkTargets(
    job.tables.flatMap(({ files }) => files.map(({ path }) => path)),
    paths,
    force,
  );
  const files: AtomicFile[] = [];
  try {
    for (const path of paths) files.push(openAtomic(path));
    const records = await averageStatesInto(job, files);
    for (const file of files) file.sha256();
    return files.map((file, i): PublishedOutput => {
      const sha256 = file.sha256();
      file.publish({ force });
      const [row, record] = [job.rows[i] as Row, records[i] as AverageRecord];
      return { path: paths[i] as string, bytes: file.size, sha256, data: undefined, row, record };
    });
  } catch (error) {
    for (const file of files) file.discard();
    throw error;
  }
}
