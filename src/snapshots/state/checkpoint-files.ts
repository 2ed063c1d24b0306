import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openFile, readBytes, readError, TemperError } from '../../core/index.ts';

/** A checkpoint's files: one, or shards with the names that the index says are in each. */
export interface CheckpointFiles {
  readonly shards: readonly { readonly path: string; readonly names?: ReadonlySet<string> }[];
  /** The index, where there is one. */
  readonly index?: string;
}

/** Of 100,000 tensors a few megabytes. */
const MAX_INDEX_BYTES = 32 << 20;
const MAX_SHARDS = 4096;

const INDEX = /\.(?:safetensors|bin)\.index\.json$/;
/** As Hugging Face's libraries look for weights in a folder, the preferred first. */
const USUAL = [
  'model.safetensors.index.json',
  'model.safetensors',
  'pytorch_model.bin.index.json',
  'pytorch_model.bin',
] as const;
const WEIGHTS = /\.(?:safetensors|bin|pth|pt|pth\.tar|ckpt)$/i;
/** What trainers write beside the weights: optimizer.pt, rng_state_0.pth, training_args.bin, … */
const NO_WEIGHTS =
  /^(?:optimizer|scheduler|scaler|rng_state|random_states|training_args|trainer_state|adapter_config)/i;

/** Whether a file is an index of shards. */
export const isIndex = (path: string): boolean => INDEX.test(path);

/** Whether a file ends as checkpoints do, and is none of those that trainers write beside the weights. */
export const isWeightFile = (name: string): boolean => WEIGHTS.test(name) && !NO_WEIGHTS.test(name);

/** The file of weights in a folder; undefined where there is none, or several. */
export function weightsIn(folder: string): string | undefined {
  let names: string[];
  try {
    names = readdirSync(folder, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && !NO_WEIGHTS.test(entry.name))
      .map(({ name }) => name);
  } catch (error) {
    throw readError(folder, error);
  }
  const usual = USUAL.find((name) => names.includes(name));
  if (usual) return join(folder, usual);
  const indexes = names.filter((name) => INDEX.test(name));
  const [only, ...others] = indexes.length > 0 ? indexes : names.filter((name) => WEIGHTS.test(name));
  return only === undefined || others.length > 0 ? undefined : join(folder, only);
}

const isFolder = (path: string): boolean => {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw readError(path, error);
  }
};

function readIndex(path: string): Map<string, Set<string>> {
  const source = openFile(path);
  const malformed = (
    what: string,
    code: 'FORMAT_MALFORMED' | 'FORMAT_LIMIT' | 'FORMAT_EXTERNAL_DATA' = 'FORMAT_MALFORMED',
  ) =>
    new TemperError(code, `${path}: ${what}`, {
      hint: 'Copy or save the checkpoint again: its index and its files belong together.',
      details: { path },
    });
  let value: unknown;
  try {
    if (source.size > MAX_INDEX_BYTES) throw malformed(`an index of ${source.size} bytes`, 'FORMAT_LIMIT');
    value = JSON.parse(Buffer.from(readBytes(source, 0, source.size)).toString('utf8'));
  } catch (error) {
    throw error instanceof TemperError ? error : malformed('is no JSON');
  } finally {
    source.close();
  }
  const map = typeof value === 'object' && value !== null && 'weight_map' in value ? value.weight_map : undefined;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) throw malformed('has no weight_map');
  const files = new Map<string, Set<string>>();
  for (const [name, file] of Object.entries(map)) {
    if (typeof file !== 'string') throw malformed(`weight_map of ${JSON.stringify(name)} is no file name`);
    // Every writer puts shards beside the index; what leads elsewhere is no shard.
    if (!/^[^/\\:\0]+$/.test(file) || file === '.' || file === '..' || INDEX.test(file)) {
      throw malformed(
        `weight_map names ${JSON.stringify(file)}, expected a file beside the index`,
        'FORMAT_EXTERNAL_DATA',
      );
    }
    const names = files.get(file) ?? new Set();
    files.set(file, names.add(name));
  }
  if (files.size === 0 || files.size > MAX_SHARDS) throw malformed(`an index of ${files.size} files`);
  return files;
}

/**
 * The files of a checkpoint: a file as it is, an index with its shards, a folder by the weights in it.
 * @throws TemperError INPUT_NOT_FOUND, INPUT_UNREADABLE, FORMAT_MALFORMED, FORMAT_LIMIT; FORMAT_EXTERNAL_DATA for an index
 *   that names files elsewhere
 */
export function checkpointFiles(path: string): CheckpointFiles {
  const file = isFolder(path) ? weightsIn(path) : path;
  if (file === undefined) {
    throw new TemperError('INPUT_NOT_FOUND', `${path}: no weights, or several files of them, are in the folder`, {
      hint: `Name the file. Looked for: ${USUAL.join(', ')}, or one file that ends in .safetensors, .bin, .pth, .pt, .ckpt.`,
      details: { path },
    });
  }
  if (!INDEX.test(file)) return { shards: [{ path: file }] };
  const folder = join(file, '..');
  const shards = [...readIndex(file)].map(([name, names]) => ({ path: join(folder, name), names }));
  return { shards, index: file };
}
