import { setImmediate } from 'node:timers/promises';
import { FLOAT_BYTES, type FloatType, TemperError } from '../core/index.ts';
import { elementCount, type PayloadCursor, type TensorRecord } from '../onnx/index.ts';
import type { AveragedTensor, SummedTensor } from './averaged-tensor.ts';
import { type BlockKernel, blockKernel, type NonFinite, type SummedRow } from './kernel/block-kernel.ts';
import { newBlocks } from './kernel/vector-sums.ts';
import { assertVariances } from './negative-variance.ts';
import type { RequantizationError, requantizer } from './quantized/requantize.ts';
import { differByTensor, type Row, rowsKernel } from './rows/row.ts';

/** Where an output's bytes go: a file, or the comparison with one. */
export interface Sink {
  readonly size: number;
  write(bytes: Uint8Array): void;
}

/**
 * Bytes read of each snapshot at a time: 32 to 256 KiB, so that all snapshots together take 4 MiB however many they are
 * (test/bench/README.md: no size between 64 KiB and 1 MiB stood out).
 */
const ALL_BLOCKS_BYTES = 4 << 20;
const MIN_BLOCK_BYTES = 32 << 10;
const MAX_BLOCK_BYTES = 256 << 10;
/** The widest output type over the narrowest input type. */
const MAX_WIDENING = 4;
/** How often the event loop gets a turn, for progress and Ctrl-C. */
const TURN_MS = 30;

/** A tensor as an output stores it. */
export interface StreamedTensor {
  readonly tensor: SummedTensor & Partial<Pick<AveragedTensor, 'template' | 'quantized'>>;
  /** Undefined for numbers that are copied. */
  readonly type: FloatType | undefined;
  readonly byteLength: number;
}

export interface StreamOptions {
  /** In plan order. */
  readonly models: readonly { readonly path: string }[];
  /** What makes quantized numbers anew, for plans that have some. */
  readonly requantize?: ((row: Row) => ReturnType<typeof requantizer>) | undefined;
  readonly rows: readonly Row[];
  readonly allowNonfinite: boolean;
  /** Refuse BatchNormalization variances that come out below 0 where no snapshot's is. @default false */
  readonly checkVariances?: boolean | undefined;
  /** Per row: values that take the place of averages, by the template's tensor: what was measured on data. */
  readonly given?: readonly (ReadonlyMap<TensorRecord, Uint8Array> | undefined)[] | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((doneBytes: number) => void) | undefined;
}

/** Streams tensors from all snapshots into all outputs, block by block; buffers and kernels are made once. */
export class TensorStream {
  private readonly options: StreamOptions;
  private readonly kernels = new Map<string, BlockKernel>();
  private readonly inputs: Uint8Array[];
  private readonly outputs: Uint8Array[];
  private readonly lastRows: readonly SummedRow[];
  private readonly requantizers: ReturnType<typeof requantizer>[] = [];
  private doneBytes = 0;
  private lastTurn = performance.now();

  constructor(options: StreamOptions) {
    this.options = options;
    const share = Math.floor(ALL_BLOCKS_BYTES / options.models.length / MIN_BLOCK_BYTES) * MIN_BLOCK_BYTES;
    const blockBytes = Math.min(MAX_BLOCK_BYTES, Math.max(MIN_BLOCK_BYTES, share));
    // Untouched pages of what the widest output would need cost nothing.
    const blocks = newBlocks([
      ...options.models.map(() => blockBytes),
      ...options.rows.map(() => blockBytes * MAX_WIDENING),
    ]);
    this.inputs = blocks.slice(0, options.models.length);
    this.outputs = blocks.slice(options.models.length);
    this.lastRows = options.rows.map(lastOnly);
  }

  /** Writes a tensor's new values to every output. @throws TemperError NUMERIC_*, FORMAT_*, INPUT_* */
  async tensor(stored: StreamedTensor, sinks: readonly Sink[]): Promise<void> {
    const { tensor, type } = stored;
    const given = sinks.map((_, row) => tensor.template && this.options.given?.[row]?.get(tensor.template));
    if (given.every((values) => values !== undefined)) {
      for (const [row, sink] of sinks.entries()) sink.write(given[row] as Uint8Array);
      return;
    }
    if (tensor.quantized) return this.quantized(stored, tensor.quantized, sinks);
    const cursors = tensor.sources.map((source) => source.open());
    if (type === undefined || tensor.type === undefined) return this.integers(stored, cursors, sinks);
    const kernel = this.kernel(tensor, tensor.type, type);
    const [from, to] = [FLOAT_BYTES[tensor.type], FLOAT_BYTES[type]];
    const count = elementCount(tensor.dims);
    const blockElements = (this.inputs[0] as Uint8Array).length / from;
    for (let start = 0; start < count; start += blockElements) {
      const length = Math.min(blockElements, count - start);
      for (const [i, cursor] of cursors.entries())
        cursor.read((this.inputs[i] as Uint8Array).subarray(0, length * from));
      const bad = kernel(this.inputs, this.outputs, length);
      if (bad && !this.options.allowNonfinite) throw this.nonFinite(stored, bad, start);
      if (tensor.role === 'bn_variance' && this.options.checkVariances) {
        const rows = this.options.rows.map(({ name }, row) => (given[row] ? undefined : name));
        assertVariances(tensor, [this.inputs, tensor.type], [this.outputs, type], rows, { start, length });
      }
      for (const [row, sink] of sinks.entries()) {
        const values = given[row]?.subarray(start * to, (start + length) * to);
        sink.write(values ?? (this.outputs[row] as Uint8Array).subarray(0, length * to));
      }
      await this.turn(length * from * cursors.length);
    }
  }

  /** Of every row: how far its requantized tensors are from their average; undefined where there are none. */
  requantizationErrors(): (RequantizationError | undefined)[] {
    return this.options.rows.map((_, row) => this.requantizers[row]?.error());
  }

  /** Parts of quantized numbers, a whole tensor at a time: its scale follows from all its values. */
  private async quantized(
    { byteLength }: StreamedTensor,
    { group, part, asFloat }: NonNullable<AveragedTensor['quantized']>,
    sinks: readonly Sink[],
  ): Promise<void> {
    for (const [row, sink] of sinks.entries()) {
      const quantize = this.requantizers[row] ?? this.options.requantize?.(this.options.rows[row] as Row);
      if (!quantize) throw new RangeError('quantized numbers without a way to make them');
      this.requantizers[row] = quantize;
      sink.write(asFloat ? quantize.values(group) : quantize.part(group, part));
      await this.turn(byteLength * this.options.models.length);
    }
  }

  /** Counters that differ: each row takes its last snapshot's. */
  private async integers(
    { byteLength }: StreamedTensor,
    cursors: readonly PayloadCursor[],
    sinks: readonly Sink[],
  ): Promise<void> {
    const capacity = (this.inputs[0] as Uint8Array).length;
    for (let start = 0; start < byteLength; start += capacity) {
      const length = Math.min(capacity, byteLength - start);
      for (const [i, cursor] of cursors.entries()) cursor.read((this.inputs[i] as Uint8Array).subarray(0, length));
      for (const [row, sink] of sinks.entries()) {
        const last = (this.lastRows[row] as SummedRow).coefficients.indexOf(1);
        sink.write((this.inputs[last] as Uint8Array).subarray(0, length));
      }
      await this.turn(length * cursors.length);
    }
  }

  /** Carries bytes of the template over to every output. */
  async copy(read: (into: Uint8Array) => void, byteLength: number, sinks: readonly Sink[]): Promise<void> {
    const buffer = this.inputs[0] as Uint8Array;
    for (let start = 0; start < byteLength; start += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, byteLength - start));
      read(part);
      for (const sink of sinks) sink.write(part);
      await this.turn(0);
    }
  }

  private kernel(tensor: SummedTensor, from: FloatType, to: FloatType): BlockKernel {
    const { rows } = this.options;
    const { treatment } = tensor;
    if (treatment === 'average' && differByTensor(rows)) return rowsKernel(rows, tensor, { from, to });
    const key = `${treatment} ${from} ${to}`;
    let kernel = this.kernels.get(key);
    if (!kernel) {
      kernel = treatment === 'last' ? blockKernel(this.lastRows, from, to) : rowsKernel(rows, tensor, { from, to });
      this.kernels.set(key, kernel);
    }
    return kernel;
  }

  /** Lets progress be shown and Ctrl-C be heard. */
  private async turn(bytes: number): Promise<void> {
    this.doneBytes += bytes;
    const now = performance.now();
    if (now - this.lastTurn < TURN_MS) return;
    this.options.onProgress?.(this.doneBytes);
    await setImmediate();
    this.options.signal?.throwIfAborted();
    this.lastTurn = performance.now();
  }

  private nonFinite({ tensor, type }: StreamedTensor, bad: NonFinite, start: number): TemperError {
    const { models, rows } = this.options;
    const element = start + bad.element;
    const where = `tensor ${JSON.stringify(tensor.name)}, element ${element}`;
    const culprits = bad.inputs.map((i) => models[i] as { path: string });
    if (culprits.length === 0) {
      return new TemperError(
        'NUMERIC_OVERFLOW',
        `${where}: the average ${(rows[bad.row] as Row).name} does not fit ${type}`,
        {
          hint: 'Store the average in a wider type (`dtype` float32).',
          details: { tensor: tensor.name, element, dtype: type },
        },
      );
    }
    const source = tensor.sources[bad.inputs[0] as number];
    const at = source?.place();
    const byte = at && tensor.type ? ` (byte ${at.offset + element * FLOAT_BYTES[tensor.type]} of ${at.path})` : '';
    return new TemperError(
      'NUMERIC_NONFINITE',
      `${culprits.map((m) => m.path).join(', ')}: NaN or Inf in ${where}${byte}`,
      {
        hint: 'Leave that snapshot out, or pass `allowNonfinite` to carry it into the average.',
        details: { paths: culprits.map((m) => m.path), tensor: tensor.name, element },
      },
    );
  }
}

/** A row that takes its last snapshot alone. */
function lastOnly(row: Row): SummedRow {
  const last = row.coefficients.findLastIndex((coefficient) => coefficient !== 0);
  return { coefficients: row.coefficients.map((_, i) => (i === last ? 1 : 0)), divisor: 1 };
}
