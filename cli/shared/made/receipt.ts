import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { type PublishedFile, readSmallFile, TemperError, writeFileAtomic } from '../../../src/core/index.ts';
import type { MadeFrom } from './made-from.ts';

/** What a command wrote, and what from: a file beside its first output, for `--skip-existing` alone. */
export interface Receipt {
  readonly tool: 'onnx-temper';
  readonly made_from: MadeFrom;
  /** What the command line named, relative to the folder of this file. */
  readonly named: readonly string[];
  /** All that was written, in the order of paths, relative as well. */
  readonly outputs: readonly PublishedFile[];
  /** 0, or 1 for a negative verdict. */
  readonly exit_code: number;
}

/** Where the receipt of an output lies. */
export const receiptPath = (output: string): string => `${output.replace(/(?<=[^/\\])[/\\]+$/, '')}.made.json`;

export const pathIn = (receipt: string, path: string): string =>
  relative(dirname(resolve(receipt)), resolve(path))
    .split(sep)
    .join('/');

export const pathFrom = (receipt: string, name: string): string => join(dirname(receipt), name);

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function isFile(value: unknown): value is PublishedFile {
  return (
    isRecord(value) &&
    typeof value.path === 'string' &&
    typeof value.sha256 === 'string' &&
    typeof value.bytes === 'number'
  );
}

function isReceipt(value: unknown): value is Receipt {
  if (!isRecord(value) || value.tool !== 'onnx-temper' || !isRecord(value.made_from)) return false;
  const { named, outputs, exit_code: code } = value;
  return (
    Array.isArray(named) &&
    named.every((one) => typeof one === 'string') &&
    Array.isArray(outputs) &&
    outputs.every(isFile) &&
    (code === 0 || code === 1)
  );
}

const MAX_BYTES = 64 << 20;

/** The receipt at a path, if one is there. @throws TemperError OUTPUT_EXISTS for something else, or one that was damaged */
export function readReceipt(path: string): Receipt | undefined {
  if (!existsSync(path)) return undefined;
  const bytes = readSmallFile(path);
  let value: unknown;
  try {
    value = bytes.length > MAX_BYTES ? undefined : JSON.parse(bytes.toString('utf8'));
  } catch {
    // Said below.
  }
  if (isReceipt(value)) return value;
  throw new TemperError(
    'OUTPUT_EXISTS',
    `${path}: says not what its output was made from: it is damaged, or of something else`,
    {
      hint: 'Remove it: what is there is then made again and compared.',
      details: { path },
    },
  );
}

/** Writes it, in the place of one that was there. */
export const writeReceipt = (path: string, receipt: Receipt): void =>
  writeFileAtomic(path, `${JSON.stringify(receipt, null, 2)}\n`, { force: true });
