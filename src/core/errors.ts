import { printable } from './printable.ts';

/** Every code that onnx-temper can fail with, and the process's exit code for it. Tests match codes, not prose. */
export const EXIT_CODES = {
  USAGE: 2,
  INPUT_NOT_FOUND: 3,
  INPUT_UNREADABLE: 3,
  INPUT_CHANGED: 3,
  INPUT_TOO_FEW: 3,
  OUTPUT_EXISTS: 3,
  OUTPUT_IS_INPUT: 3,
  FORMAT_TRUNCATED: 4,
  FORMAT_MALFORMED: 4,
  FORMAT_LIMIT: 4,
  FORMAT_EXTERNAL_DATA: 4,
  FORMAT_TABLE: 4,
  FORMAT_IMAGE: 4,
  FORMAT_LABEL: 4,
  UNSUPPORTED_DATA_TYPE: 5,
  UNSUPPORTED_FORMAT: 5,
  UNSUPPORTED_QUANTIZED: 5,
  UNSUPPORTED_GRAPH: 5,
  UNSUPPORTED_IMAGE: 5,
  MISMATCH_GRAPH: 6,
  MISMATCH_TENSOR: 6,
  MISMATCH_VALUE: 6,
  MISMATCH_INPUT: 6,
  EXECUTION_PROVIDER: 7,
  EXECUTION_RUN: 7,
  EXECUTION_MEMORY: 7,
  EXECUTION_OUTPUT: 7,
  OUTPUT_WRITE: 7,
  NUMERIC_NONFINITE: 8,
  NUMERIC_OVERFLOW: 8,
  NUMERIC_NEGATIVE_VARIANCE: 8,
  INTERRUPTED: 130,
} as const;

export type ErrorCode = keyof typeof EXIT_CODES;

export interface ErrorContext {
  /** What the user can do about it, as an imperative sentence. */
  readonly hint?: string;
  /** Machine-readable facts: file, tensor, byte offset, found, expected. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/**
 * The one error that users meet. The message says what, where (file, tensor, byte offset), found and expected;
 * `hint` says the remedy. Any other error that reaches the top is a bug (exit code 70).
 */
export class TemperError extends Error {
  readonly code: ErrorCode;
  readonly exitCode: number;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, context: ErrorContext = {}) {
    // Names from hostile files are in it: made harmless here, once for every command.
    super(printable(message), context.cause === undefined ? undefined : { cause: context.cause });
    this.name = 'TemperError';
    this.code = code;
    this.exitCode = EXIT_CODES[code];
    this.hint = context.hint === undefined ? undefined : printable(context.hint);
    this.details = context.details ?? {};
  }
}

/** A TemperError as data: structured cloning between threads would drop its code and hint. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;
}

export function toWire({ code, message, hint, details }: TemperError): WireError {
  return { code, message, hint, details };
}

export function fromWire({ code, message, hint, details }: WireError): TemperError {
  return new TemperError(code, message, hint === undefined ? { details } : { hint, details });
}

/** The `code` of a Node system error (`ENOENT`, `ENOSPC`, …), or undefined. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

const READ_ERRORS: Readonly<Record<string, [ErrorCode, string, string]>> = {
  ENOENT: ['INPUT_NOT_FOUND', 'no such file or folder', 'Check the path.'],
  ENOTDIR: ['INPUT_NOT_FOUND', 'a part of the path is not a folder', 'Check the path.'],
  EACCES: ['INPUT_UNREADABLE', 'permission denied', 'Make the file readable for this user.'],
  EPERM: ['INPUT_UNREADABLE', 'permission denied', 'Make the file readable for this user.'],
  EISDIR: ['INPUT_UNREADABLE', 'is a folder, expected a file', 'Name a file in it.'],
};

const MEMORY =
  'Free some memory, or raise the limits (`ulimit -v`, NODE_OPTIONS=--max-old-space-size); fewer `workers` and a smaller `batch` need less.';
const FILES = 'Raise the limit on open files (`ulimit -n`); fewer `workers` need less.';
const SHORTAGES: Readonly<Record<string, readonly [ErrorCode, string, string]>> = {
  EMFILE: ['EXECUTION_RUN', 'this process may open no more files', FILES],
  ENFILE: ['EXECUTION_RUN', 'this machine may open no more files', FILES],
  ENOMEM: ['EXECUTION_MEMORY', 'no memory is left', MEMORY],
  EAGAIN: [
    'EXECUTION_RUN',
    'no thread or process can be started',
    'Raise the limit on processes (`ulimit -u`); fewer `workers` need less.',
  ],
  ERR_WORKER_OUT_OF_MEMORY: ['EXECUTION_MEMORY', 'a thread used up its memory', MEMORY],
  ERR_WORKER_INIT_FAILED: ['EXECUTION_MEMORY', 'no thread can be started', MEMORY],
  ERR_MEMORY_ALLOCATION_FAILED: ['EXECUTION_MEMORY', 'no memory is left', MEMORY],
};

/** An error that says what the system ran short of (descriptors, memory, threads), wherever it was met; undefined for any other. */
export function shortage(error: unknown): TemperError | undefined {
  const allocation = error instanceof RangeError && /allocation failed|Invalid typed array length/i.test(error.message);
  const known = SHORTAGES[allocation ? 'ENOMEM' : (systemCode(error) ?? '')];
  if (!known) return undefined;
  const [code, what, hint] = known;
  const said = error instanceof Error ? ` (${error.message})` : '';
  return new TemperError(code, `${what}${said}`, { hint, cause: error });
}

/** Turns a system error met while reading `path` into a TemperError; a TemperError passes through. */
export function readError(path: string, error: unknown): TemperError {
  if (error instanceof TemperError) return error;
  if (path === '') {
    const hint = 'Name a file or folder: an empty word may be a variable of the shell that is not set.';
    return new TemperError('INPUT_NOT_FOUND', 'a path is empty', { hint, details: { path }, cause: error });
  }
  const known = READ_ERRORS[systemCode(error) ?? ''];
  const [code, what, hint] = known ?? ['INPUT_UNREADABLE', error instanceof Error ? error.message : String(error), ''];
  return new TemperError(code, `${path}: ${what}`, { ...(hint ? { hint } : {}), details: { path }, cause: error });
}

const SPACE = 'Free some space, or choose another folder; nothing was changed.';
const FOLDER = 'Create the folder first.';
const WRITE_HINTS: Readonly<Record<string, string>> = {
  ENOSPC: SPACE,
  EDQUOT: SPACE,
  ENOENT: FOLDER,
  ENOTDIR: FOLDER,
  EFBIG:
    'Raise the limit on the size of files (`ulimit -f`), or choose a file system that holds such files; nothing was changed.',
  ENAMETOOLONG: 'Choose a shorter name: file systems take 255 bytes.',
  EMFILE: 'Raise the limit on open files (`ulimit -n`); nothing was changed.',
  EROFS: 'Choose a folder of another file system: this one is read-only.',
};

/** Turns a system error met while writing `path` into a TemperError; a TemperError passes through. */
export function writeError(path: string, error: unknown): TemperError {
  if (error instanceof TemperError) return error;
  const system = systemCode(error);
  const hint = WRITE_HINTS[system ?? ''] ?? 'Check that the folder is writable; nothing was changed.';
  const what = error instanceof Error ? error.message : String(error);
  return new TemperError('OUTPUT_WRITE', `${path}: cannot write: ${what}`, { hint, details: { path }, cause: error });
}
