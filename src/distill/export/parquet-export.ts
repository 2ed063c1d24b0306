import type { SchemaElement } from 'hyparquet';
import type { ByteWriter } from 'hyparquet-writer';
import { type AtomicFile, canonicalJson } from '../../core/index.ts';
import { JITTER_OPS } from '../../data/index.ts';
import type { Store } from '../store/index.ts';
import { type ExportFiles, storeSettings } from './export-files.ts';
import { type SampleBlock, sampleBlocks } from './sample-blocks.ts';

/** Key of the manifest in the file's metadata. */
const METADATA_KEY = 'onnx_temper_targets';

type Primitive = Pick<SchemaElement, 'type' | 'converted_type'>;
const TYPES = {
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  int: { type: 'INT32' },
  uint64: { type: 'INT64', converted_type: 'UINT_64' },
  float: { type: 'FLOAT' },
  flag: { type: 'BOOLEAN' },
} as const satisfies Readonly<Record<string, Primitive>>;

interface Field {
  readonly name: string;
  readonly type: keyof typeof TYPES;
  readonly list?: boolean;
  readonly optional?: boolean;
  /** The value of row i, of sample s and view v. */
  readonly value: (block: SampleBlock, i: number, s: number, v: number) => unknown;
}

const numbers = (values: ArrayLike<number>, i: number, width: number): number[] =>
  Array.from({ length: width }, (_, k) => values[i * width + k] as number);

function fieldsOf({ manifest }: Store, teacher: number): Field[] {
  const { top_k, temperatures, augment, teachers } = manifest;
  const { channels } = teachers[teacher] as { channels: number };
  const jitter = (op: (typeof JITTER_OPS)[number]): Field => ({
    name: op,
    type: 'float',
    value: ({ records }, i) => records[i]?.jitter.find((step) => step.op === op)?.factor ?? 1,
  });
  const crop = (side: 'top' | 'left' | 'height' | 'width'): Field => ({
    name: `crop_${side}`,
    type: 'int',
    optional: true,
    value: ({ records }, i) => records[i]?.crop?.[side],
  });
  const values: Field = {
    name: top_k === null ? 'logits' : 'values',
    type: 'float',
    list: true,
    value: ({ targets }, i) => numbers(targets.values, i, targets.width),
  };
  return [
    { name: 'key', type: 'text', value: ({ samples }, _, s) => samples[s]?.key },
    { name: 'label', type: 'int', optional: true, value: ({ samples }, _, s) => samples[s]?.label },
    { name: 'ordinal', type: 'int', value: ({ first }, _, s) => first + s },
    { name: 'view', type: 'int', value: (_, __, ___, v) => v },
    { name: 'source_height', type: 'int', value: ({ sizes }, i) => sizes[i]?.height },
    { name: 'source_width', type: 'int', value: ({ sizes }, i) => sizes[i]?.width },
    ...(augment === null
      ? []
      : ([
          { name: 'view_seed', type: 'uint64', value: ({ seeds }, i) => seeds[i] },
          ...(['top', 'left', 'height', 'width'] as const).map(crop),
          { name: 'flip', type: 'flag', value: ({ records }, i) => records[i]?.flip },
          ...JITTER_OPS.map(jitter),
          {
            name: 'jitter_order',
            type: 'text',
            value: ({ records }, i) => records[i]?.jitter.map(({ op }) => op).join(','),
          },
        ] satisfies Field[])),
    ...(top_k === null
      ? []
      : ([
          {
            name: 'indices',
            type: 'int',
            list: true,
            value: ({ targets }, i) => numbers(targets.indices as ArrayLike<number>, i, targets.width),
          },
        ] satisfies Field[])),
    values,
    { name: 'max', type: 'float', value: ({ targets }, i) => targets.max[i] },
    { name: 'lse', type: 'float', list: true, value: ({ targets }, i) => numbers(targets.lse, i, temperatures.length) },
    {
      name: 'input_mean',
      type: 'float',
      list: true,
      value: ({ targets }, i) => numbers(targets.inputMean, i, channels),
    },
    { name: 'input_std', type: 'float', list: true, value: ({ targets }, i) => numbers(targets.inputStd, i, channels) },
  ];
}

function schemaOf(fields: readonly Field[]): SchemaElement[] {
  const columns = fields.flatMap(({ name, type, list, optional }): SchemaElement[] => {
    const repetition_type = optional ? 'OPTIONAL' : 'REQUIRED';
    if (!list) return [{ name, ...TYPES[type], repetition_type }];
    return [
      { name, converted_type: 'LIST', repetition_type, num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', ...TYPES[type], repetition_type: 'REQUIRED' },
    ];
  });
  return [{ name: 'schema', num_children: fields.length }, ...columns];
}

/** Makes a writer of hyparquet give its buffer to a file after every row group. */
function writerTo(out: AtomicFile, buffer: ByteWriter): ByteWriter & { flush(): void } {
  const writer = Object.assign(buffer, {
    flush(): void {
      out.write(writer.getBytes());
      writer.index = 0;
    },
  });
  writer.finish = () => writer.flush();
  return writer;
}

async function writeTeacher(store: Store, teacher: number, createdBy: string, out: AtomicFile): Promise<void> {
  // Loaded by those who write Parquet.
  const { ByteWriter, ParquetWriter } = await import('hyparquet-writer');
  const fields = fieldsOf(store, teacher);
  const parquet = new ParquetWriter({
    writer: writerTo(out, new ByteWriter()),
    schema: schemaOf(fields),
    codec: 'UNCOMPRESSED',
    createdBy,
    kvMetadata: [{ key: METADATA_KEY, value: canonicalJson({ ...storeSettings(store), teacher }) }],
  });
  const { views } = store.manifest;
  for await (const block of sampleBlocks(store, teacher)) {
    const rows = block.samples.flatMap((_, s) =>
      block.ok[s] ? Array.from({ length: views }, (__, v) => [s * views + v, s, v] as const) : [],
    );
    if (rows.length === 0) continue;
    await parquet.write({
      rowGroupSize: rows.length,
      columnData: fields.map(({ name, value, list, type }) => ({
        name,
        data: rows.map(([i, s, v]) => value(block, i, s, v)),
        // A dictionary of measured numbers is as large as they are.
        ...(list || type === 'float' ? { encoding: 'PLAIN' as const, statistics: false } : {}),
      })),
    });
  }
  await parquet.finish();
}

/**
 * teacher-<i>.parquet, one row per sample and view, without bad images: key, label, the view's record, the targets as
 * lists of float32, and the store's manifest as key-value metadata. Row groups of half a million values. For analysis and
 * exchange: a row is read some hundred times slower than from the store. Memory: a row group.
 * @throws TemperError OUTPUT_*, and as Store.part
 */
export async function exportParquet(store: Store, files: ExportFiles, createdBy: string): Promise<void> {
  for (const { index } of store.manifest.teachers) {
    await files.add(`teacher-${index}.parquet`, (out) => writeTeacher(store, index, createdBy, out));
  }
}
