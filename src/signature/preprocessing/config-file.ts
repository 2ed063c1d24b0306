import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readError, TemperError } from '../../core/index.ts';

/** Names of 21,000 classes are 2 MB. */
const MAX_BYTES = 32 << 20;
const MAX_DEPTH = 32;

export type Fields = Readonly<Record<string, unknown>>;

/** A JSON object, with what messages call it. */
export interface ConfigFile {
  readonly source: string;
  readonly fields: Fields;
}

const HINT = 'Correct the file, name another with `config`, or give `config` none: then no file is read.';

/** That a configuration cannot be read. */
export const malformed = (source: string, what: string, cause?: unknown): TemperError =>
  new TemperError('FORMAT_MALFORMED', `${source}: ${what}`, { hint: HINT, details: { path: source }, cause });

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** How deep brackets nest, strings aside. Before parsing: the text is hostile. */
function depthOf(text: string): number {
  let [depth, most] = [0, 0];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) {
      for (i++; i < text.length && text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++;
    } else if (code === 0x7b || code === 0x5b) most = Math.max(most, ++depth);
    else if (code === 0x7d || code === 0x5d) depth--;
  }
  return most;
}

/** @throws TemperError FORMAT_LIMIT, FORMAT_MALFORMED */
export function parseConfig(source: string, text: string): Fields {
  if (text.length > MAX_BYTES || depthOf(text) > MAX_DEPTH) {
    const what = text.length > MAX_BYTES ? `more than ${MAX_BYTES} bytes` : `nested deeper than ${MAX_DEPTH}`;
    throw new TemperError('FORMAT_LIMIT', `${source}: ${what}`, { hint: HINT, details: { path: source } });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw malformed(source, `no JSON: ${error instanceof Error ? error.message.slice(0, 200) : ''}`, error);
  }
  if (!isFields(value)) throw malformed(source, 'expected a JSON object');
  return value;
}

/** Reads one file, as far as the limit. @throws TemperError INPUT_*, FORMAT_LIMIT, FORMAT_MALFORMED */
export function readConfig(path: string): ConfigFile {
  let text: string;
  try {
    const file = openSync(path, 'r');
    try {
      if (!fstatSync(file).isFile()) throw new TemperError('INPUT_UNREADABLE', `${path}: no file`, { hint: HINT });
      const size = Math.min(fstatSync(file).size, MAX_BYTES + 1);
      const bytes = Buffer.alloc(size);
      let at = 0;
      for (let read = -1; at < size && read !== 0; at += read) read = readSync(file, bytes, at, size - at, at);
      text = bytes.toString('utf8', 0, at).replace(/^\uFEFF/, '');
      if (at > MAX_BYTES) text = text.padEnd(MAX_BYTES + 1);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw readError(path, error);
  }
  return { source: path, fields: parseConfig(path, text) };
}

/** Names of configuration files, as timm and Hugging Face write them; what comes first is named first. */
const NAMES = ['config.json', 'preprocessor_config.json'] as const;

/**
 * Configuration files of a model: those beside it, or, where it lies in a folder `onnx`, above it; the file or folder that
 * `config` names; none for `none`.
 * @throws TemperError INPUT_NOT_FOUND
 */
export function configPaths(model: string | undefined, config: string | undefined): string[] {
  if (config === 'none') return [];
  if (config !== undefined && !(existsSync(config) && statSync(config).isDirectory())) return [config];
  const folder = config ?? (model === undefined || !existsSync(model) ? undefined : dirname(model));
  if (folder === undefined) return [];
  const folders = config === undefined && basename(folder) === 'onnx' ? [folder, dirname(folder)] : [folder];
  const found = NAMES.flatMap((name) =>
    folders
      .map((one) => join(one, name))
      .filter((path) => existsSync(path))
      .slice(0, 1),
  );
  if (config !== undefined && found.length === 0) {
    throw new TemperError('INPUT_NOT_FOUND', `${config}: neither ${NAMES.join(' nor ')} in this folder`, {
      hint: 'Name a configuration file with `config`.',
      details: { path: config },
    });
  }
  return found;
}
