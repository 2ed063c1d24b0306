import { basename } from 'node:path';
import { FLOAT_TYPES, type FloatType, TemperError } from '../core/index.ts';
import { provenanceSteps } from '../onnx/index.ts';
import type { MapSummary, RecordedFile } from '../snapshots/index.ts';
import { checkRow, type Row, type RowFields, rowOfFields } from './rows/row.ts';
import type { TensorRules } from './tensor-plan.ts';

/** One snapshot as the record names it. */
export interface RecordedInput extends RecordedFile {
  readonly step: number | null;
  readonly coefficient: number;
}

/** What an average says of itself in metadata_props (lower_snake_case, as all documents): enough to make it again. */
export interface AverageRecord extends RowFields {
  readonly tool: 'onnx-temper';
  readonly version: string;
  readonly command: 'avg-ckpt';
  /** The name of the row: method and parameters. */
  readonly average: string;
  /** out = (Σ coefficient · x) / divisor. */
  readonly divisor: number;
  /** Index of the input whose other bytes the output keeps. */
  readonly template: number;
  readonly bn: TensorRules['bn'];
  readonly on_int_mismatch: TensorRules['onIntMismatch'];
  readonly match: TensorRules['match'];
  readonly dtype: FloatType | null;
  readonly allow_nonfinite: boolean;
  /** Quantized weights that differed are floats in this file. */
  readonly quantized?: 'float';
  /** Stored codes that were made anew, and what rounding to codes added: √(Σ(w' - w)² / Σw²) and max |w' - w|. */
  readonly requantized?: { readonly tensors: number; readonly relative_rms_error: number; readonly max_error: number };
  /** Tensors whose values were measured on data and are no average, and the SHA-256 of their values in this order. */
  readonly given?: { readonly tensors: readonly string[]; readonly sha256: string };
  /** How it was chosen among others: settings and results of a search. */
  readonly chosen_by?: Readonly<Record<string, unknown>>;
  /** The ONNX file that averaged checkpoints were put into. */
  readonly template_file?: RecordedFile;
  /** The checkpoint that it was exported from: what proved the map. */
  readonly template_of?: RecordedFile;
  /** How its tensors follow from the state dict: counts by kind, those reproduced within rounding only, and the hash of the whole map. */
  readonly map?: MapSummary;
  readonly inputs: readonly RecordedInput[];
}

/** Snapshots in one average: each takes a file descriptor and a block of memory when the average is made again. */
const MAX_INPUTS = 10_000;

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const isHash = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);

function isFile(value: unknown): value is RecordedFile {
  if (!isObject(value)) return false;
  const { file, sha256, state, data = [] } = value;
  return (
    typeof file === 'string' &&
    basename(file) === file &&
    isHash(sha256) &&
    (state === undefined || typeof state === 'string') &&
    Array.isArray(data) &&
    data.every((item: unknown) => isObject(item) && typeof item.location === 'string' && isHash(item.sha256))
  );
}

function isInput(value: unknown): value is RecordedInput {
  if (!isFile(value)) return false;
  const { step, coefficient }: Partial<RecordedInput> = value;
  return (step === null || Number.isFinite(step)) && Number.isFinite(coefficient);
}

/** A template comes with the checkpoint that it was exported from and with a map, or there is none of them. */
function isMapped({
  template_file: file,
  template_of: of,
  map,
}: Partial<Record<keyof AverageRecord, unknown>>): boolean {
  if (file === undefined && of === undefined && map === undefined) return true;
  return isFile(file) && isFile(of) && isObject(map);
}

function isGiven(value: unknown): boolean {
  if (value === undefined) return true;
  if (!isObject(value)) return false;
  const { tensors, sha256 } = value;
  return Array.isArray(tensors) && tensors.every((name) => typeof name === 'string') && isHash(sha256);
}

function describesRow(record: AverageRecord, coefficients: readonly number[]): boolean {
  try {
    checkRow(recordedRow(record, coefficients));
    return true;
  } catch {
    return false;
  }
}

function isRecord(value: unknown): value is AverageRecord {
  if (!isObject(value)) return false;
  const record: Partial<Record<keyof AverageRecord, unknown>> = value;
  const inputs: unknown[] = Array.isArray(record.inputs) ? record.inputs : [];
  if (inputs.length > MAX_INPUTS || !inputs.every(isInput)) return false;
  const coefficients = inputs.map(({ coefficient }) => coefficient);
  return (
    record.tool === 'onnx-temper' &&
    record.command === 'avg-ckpt' &&
    typeof record.version === 'string' &&
    typeof record.average === 'string' &&
    typeof record.divisor === 'number' &&
    describesRow(record as AverageRecord, coefficients) &&
    Number.isInteger(record.template) &&
    inputs[record.template as number] !== undefined &&
    (record.dtype === null || FLOAT_TYPES.some((type) => type === record.dtype)) &&
    ['average', 'last'].includes(record.bn as string) &&
    ['error', 'last'].includes(record.on_int_mismatch as string) &&
    ['auto', 'name', 'graph'].includes(record.match as string) &&
    typeof record.allow_nonfinite === 'boolean' &&
    (record.quantized === undefined || record.quantized === 'float') &&
    isGiven(record.given) &&
    isMapped(record) &&
    (record.chosen_by === undefined || isObject(record.chosen_by))
  );
}

/** The row that a record describes. @throws RangeError if it is that of two kinds */
export function recordedRow(
  record: RowFields & Pick<AverageRecord, 'average' | 'divisor'>,
  coefficients: readonly number[],
): Row {
  return rowOfFields({ name: record.average, coefficients, divisor: record.divisor }, record);
}

/**
 * The record of the average that made a model, which must be its last step.
 * @throws TemperError UNSUPPORTED_GRAPH if the model's last step was another one, or none; FORMAT_MALFORMED
 */
export function readRecord(model: { readonly path: string; readonly record: Parameters<typeof provenanceSteps>[0] }): {
  record: AverageRecord;
  key: string;
} {
  const step = provenanceSteps(model.record).at(-1);
  const details = { path: model.path };
  if (!step) {
    throw new TemperError('UNSUPPORTED_GRAPH', `${model.path}: no record of onnx-temper in metadata_props`, {
      hint: 'Only files that avg-ckpt wrote can be verified.',
      details,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(step.value);
  } catch (error) {
    throw new TemperError('FORMAT_MALFORMED', `${model.path}: metadata ${step.key} is no JSON`, {
      details,
      cause: error,
    });
  }
  const command = (value as { command?: unknown } | null)?.command;
  if (command !== undefined && command !== 'avg-ckpt') {
    throw new TemperError(
      'UNSUPPORTED_GRAPH',
      `${model.path}: the last step was ${JSON.stringify(command)}, not avg-ckpt`,
      {
        hint: 'Verify the average before it was changed.',
        details: { ...details, key: step.key },
      },
    );
  }
  if (!isRecord(value)) {
    throw new TemperError('FORMAT_MALFORMED', `${model.path}: metadata ${step.key} is no record of an average`, {
      hint: 'Was it written by another version, or by hand?',
      details: { ...details, key: step.key },
    });
  }
  return { record: value, key: step.key };
}
