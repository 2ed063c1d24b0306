import { type FileSource, FLOAT_BYTES, type FloatType } from '../../core/index.ts';
import { elementCount, type Model } from '../../onnx/index.ts';
import {
  copiedKey,
  decodeValues,
  foldedKey,
  keysOf,
  type MapEntry,
  type MapSummary,
  mappedBlocks,
  mappedBytes,
  type ProvedMap,
  type RecordedFile,
  recordedFiles,
  type StateTable,
  statisticKeys,
  type Values,
} from '../../snapshots/index.ts';
import type { AverageJob } from '../average-files.ts';
import type { AveragedTensor } from '../averaged-tensor.ts';
import { givenRecord } from '../given.ts';
import { type StoredTensor, storedTensors } from '../output-layout.ts';
import type { AverageRecord } from '../record.ts';
import type { Row } from '../rows/row.ts';
import { type Sink, TensorStream } from '../stream.ts';
import {
  filesOf,
  modelDigests,
  type OutputFiles,
  type OutputJob,
  type WrittenOutput,
  writeInto,
} from '../write-outputs.ts';
import type { StatePlan, SummedState } from './plan-states.ts';
import { type StateJob, stateRecord } from './write-states.ts';

/** Averages of state dicts that are put into a template. */
export interface MappedJob
  extends StateJob,
    Pick<AverageJob, 'given' | 'chosenBy' | 'carried'>,
    Pick<OutputJob, 'begun'> {
  readonly template: Model;
  readonly map: ProvedMap;
  /** What the output says of its map; of an output that is made again, what it said. */
  readonly summary: MapSummary;
}

/** The state dict's plan with what the graph says of its tensors: which are statistics of BatchNormalization, whatever their names. */
export function withStatistics(plan: StatePlan, map: ProvedMap, bn: StateJob['bn']): StatePlan {
  const { means, variances } = statisticKeys(map);
  const tensors = plan.tensors.map((tensor): SummedState => {
    const role = variances.has(tensor.name) ? 'bn_variance' : means.has(tensor.name) ? 'bn_mean' : tensor.role;
    const last = tensor.treatment === 'last' || (bn === 'last' && role.startsWith('bn_'));
    return { ...tensor, role, treatment: last ? 'last' : 'average' };
  });
  return { ...plan, tensors };
}

/** Values up to this are kept for the tensors that follow: vectors of normalisation layers are read for a weight and for a bias. */
const KEPT_VALUES = 1 << 14;

/** Collects what is written. */
function buffer(byteLength: number): Sink & { readonly bytes: Uint8Array } {
  const bytes = new Uint8Array(byteLength);
  let size = 0;
  return {
    bytes,
    get size() {
      return size;
    },
    write(part) {
      bytes.set(part, size);
      size += part.length;
    },
  };
}

/** A sink whose float32 values are changed on their way, block by block. */
const through = (sink: Sink, change: (block: Float32Array) => Uint8Array): Sink => ({
  get size() {
    return sink.size;
  },
  write: (bytes) => sink.write(change(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4))),
});

/** Averages of single keys in memory, rounded to the state dict's type: one list of values a row. */
function averagedKeys(
  stream: TensorStream,
  plan: StatePlan,
  rows: number,
): (key: string) => Promise<readonly Values[]> {
  const tensors = new Map(plan.tensors.map((tensor) => [tensor.name, tensor]));
  const kept = new Map<string, readonly Values[]>();
  return async (key) => {
    const known = kept.get(key);
    if (known) return known;
    const tensor = tensors.get(key) as SummedState & { readonly type: FloatType };
    const count = elementCount(tensor.dims);
    const byteLength = count * FLOAT_BYTES[tensor.type];
    const sinks = Array.from({ length: rows }, () => buffer(byteLength));
    await stream.tensor({ tensor, type: tensor.type, byteLength }, sinks);
    const values = sinks.map(({ bytes }) => decodeValues(bytes, tensor.type));
    if (count <= KEPT_VALUES) kept.set(key, values);
    return values;
  };
}

/** Tensors of the template that get new values. */
export function storedEntries({ template, map, dtype }: Pick<MappedJob, 'template' | 'map' | 'dtype'>): {
  readonly entries: readonly MapEntry[];
  readonly stored: readonly StoredTensor[];
} {
  const entries = map.entries.filter(({ expression }) => expression.kind !== 'constant');
  const tensors = entries.map(
    ({ tensor: { name, used, record, dims, type } }): AveragedTensor => ({
      name,
      role: used ? 'weight' : 'unused',
      template: record,
      dims,
      type,
      treatment: 'average',
      sources: [],
    }),
  );
  return { entries, stored: storedTensors(template, tensors, dtype) };
}

/** Writes an entry's values: straight from the checkpoints where it is a key as it is, else computed from averages in memory. */
function slotWriter(
  job: MappedJob,
  entries: readonly MapEntry[],
  stored: readonly StoredTensor[],
  stream: TensorStream,
) {
  const { template, rows, plan, given, allowNonfinite } = job;
  const averages = averagedKeys(stream, plan, rows.length);
  const tensors = new Map(plan.tensors.map((tensor) => [tensor.name, tensor]));
  return async (slot: number, sinks: readonly Sink[]): Promise<void> => {
    const entry = entries[slot] as MapEntry;
    const { type, byteLength } = stored[slot] as StoredTensor;
    const copied = tensors.get(copiedKey(entry) ?? '');
    const { record } = entry.tensor;
    if (copied && copied.type === type)
      return stream.tensor({ tensor: { ...copied, template: record }, type, byteLength }, sinks);
    const folded = tensors.get(foldedKey(entry) ?? '');
    const inBlocks = folded?.type === 'float32' && type === 'float32' && !given?.some((own) => own?.has(record));
    const values = new Map<string, readonly Values[]>();
    for (const key of keysOf(entry.expression)) {
      if (!inBlocks || key !== folded.name) values.set(key, await averages(key));
    }
    const valuesOf = (row: number) => (key: string) => values.get(key)?.[row] as Values;
    if (inBlocks) {
      const folding = sinks.map((sink, row) => through(sink, mappedBlocks(entry, valuesOf(row), { allowNonfinite })));
      return stream.tensor({ tensor: folded, type, byteLength }, folding);
    }
    for (const [row, sink] of sinks.entries()) {
      const of = valuesOf(row);
      const measured = given?.[row]?.get(record);
      sink.write(measured ?? mappedBytes(template, entry, of, { type: type as FloatType, allowNonfinite }));
    }
  };
}

/** What writes a stored tensor of every row: the same bytes as averageMappedInto writes, without files. */
export function mappedSlots(job: MappedJob): (slot: number, sinks: readonly Sink[]) => Promise<void> {
  const { entries, stored } = storedEntries(job);
  return slotWriter(job, entries, stored, new TensorStream({ ...job, models: job.tables }));
}

/** Averages of single keys for one row, rounded to the state dict's type, as folds are computed from them. Memory: their values. */
export async function mappedValues(job: MappedJob, keys: Iterable<string>): Promise<ReadonlyMap<string, Values>> {
  const averages = averagedKeys(new TensorStream({ ...job, models: job.tables }), job.plan, 1);
  const values = new Map<string, Values>();
  for (const key of keys) values.set(key, (await averages(key))[0] as Values);
  return values;
}

/** The files of the checkpoint that proved the map, unless it is one of those that are averaged. */
const referenceFiles = ({ tables, map: { reference } }: MappedJob): readonly FileSource[] =>
  tables.includes(reference) ? [] : reference.files;

/** The files that an average through a template is made from: what no output may be. */
export const mappedFiles = (job: MappedJob): FileSource[] => [
  ...job.tables.flatMap(({ files }) => files),
  ...filesOf(job.template),
  ...referenceFiles(job),
];

function mappedRecord(
  job: MappedJob,
  stored: readonly StoredTensor[],
  rowIndex: number,
  digests: readonly string[],
): AverageRecord {
  const { tables, template, map } = job;
  const row = job.rows[rowIndex] as Row;
  const given = job.given?.[rowIndex];
  const count = tables.reduce((sum, { files }) => sum + files.length, 0);
  const templateCount = 1 + template.externalLocations.length;
  const { file, sha256, data } = modelDigests(template, digests.slice(count, count + templateCount));
  const { inputs, ...record } = stateRecord(job, row, digests);
  const at = tables.indexOf(map.reference);
  const before = tables.slice(0, at).reduce((sum, { files }) => sum + files.length, 0);
  const reference = at < 0 ? digests.slice(count + templateCount) : digests.slice(before);
  return {
    ...record,
    template_file: { file, sha256, ...(data.length > 0 ? { data } : {}) },
    template_of: { ...recordedReference(map.reference, reference) },
    map: job.summary,
    ...(given
      ? {
          given: givenRecord(
            stored.map(({ tensor }) => tensor),
            given,
          ),
        }
      : {}),
    ...(job.chosenBy ? { chosen_by: job.chosenBy } : {}),
    inputs,
  };
}

const recordedReference = (table: StateTable, digests: readonly string[]): RecordedFile => ({
  ...recordedFiles(table, digests),
  state: table.state.taken,
});

/**
 * Averages state dicts into copies of a template: every row in one pass over what the template is made of. Keys that the template holds
 * as they are go from the checkpoints into the outputs block by block; what is computed (folds, transpositions) is averaged whole first.
 *
 * Memory: a block of each checkpoint and output, and the keys of one tensor for each row.
 * @throws TemperError as averageInto
 */
export function averageMappedInto(job: MappedJob, files: readonly OutputFiles[]): Promise<WrittenOutput[]> {
  const { template, tables, rows } = job;
  const { entries, stored } = storedEntries(job);
  const stream = new TensorStream({ ...job, models: tables, checkVariances: true });
  return writeInto(
    {
      template,
      stored,
      rows,
      stream,
      slot: slotWriter(job, entries, stored, stream),
      files: mappedFiles(job),
      begun: job.begun,
      assertUnchanged() {
        for (const opened of [...tables, template, job.map.reference]) opened.assertUnchanged();
      },
      recordOf: (row, digests) => mappedRecord(job, stored, row, digests),
      carried: job.carried,
      signal: job.signal,
    },
    files,
  );
}
