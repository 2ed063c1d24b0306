import { type Dirent, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { TemperError } from '../../core/index.ts';
import { combinedSha256, type Model, modelSha256, openModel, provenanceSteps } from '../../onnx/index.ts';

/** A snapshot of an average, by its record: base name, hash of all that it computes with, and its share. */
interface RecordedSnapshot {
  readonly file: string;
  readonly sha256: string;
  readonly weight: number;
}

/** A snapshot that was found, and its share. */
export interface FoundSnapshot {
  readonly path: string;
  /** Undefined where no record says it. */
  readonly weight: number | undefined;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

function snapshotOf(value: unknown, divisor: number): RecordedSnapshot[] {
  if (!isObject(value)) return [];
  const { file, sha256, coefficient, data } = value;
  if (typeof file !== 'string' || basename(file) !== file || typeof sha256 !== 'string') return [];
  if (typeof coefficient !== 'number' || coefficient === 0) return [];
  const files = Array.isArray(data) ? (data as { location: string; sha256: string }[]) : [];
  return [{ file, sha256: combinedSha256(sha256, files), weight: coefficient / divisor }];
}

/**
 * The snapshots of a model that is an average, and of nothing else since: its last step is avg-ckpt, of several inputs, and holds
 * no values that were measured on data. Empty otherwise.
 */
function recordedSnapshots({ record }: Model): RecordedSnapshot[] {
  const step = provenanceSteps(record).at(-1);
  let value: unknown;
  try {
    value = JSON.parse(step?.value ?? 'null');
  } catch {
    return [];
  }
  if (!isObject(value) || value.command !== 'avg-ckpt' || value.given !== undefined || !Array.isArray(value.inputs))
    return [];
  const divisor = typeof value.divisor === 'number' && value.divisor !== 0 ? value.divisor : 1;
  const found = value.inputs.flatMap((input: unknown) => snapshotOf(input, divisor));
  return found.length > 1 ? found : [];
}

/** Folders that are looked through: the model's own, and those in it. */
const MOST_FOLDERS = 1000;

/** The folder of a file, and those in it. */
export function foldersNear(path: string): string[] {
  const own = dirname(path);
  let entries: Dirent[] = [];
  try {
    entries = readdirSync(own, { withFileTypes: true });
  } catch {
    // The file could be read all the same: it is looked for under its own folder's name alone.
  }
  const inside = entries.filter((entry) => entry.isDirectory()).slice(0, MOST_FOLDERS);
  return [own, ...inside.map(({ name }) => join(own, name))];
}

async function hashOf(path: string): Promise<string | undefined> {
  let model: Model;
  try {
    model = openModel(path);
  } catch {
    return undefined;
  }
  try {
    return await modelSha256(model);
  } finally {
    model.close();
  }
}

/** The snapshots of a record, beside the model or in a folder beside it. @throws TemperError INPUT_NOT_FOUND */
async function findRecorded({ path }: Model, recorded: readonly RecordedSnapshot[]): Promise<FoundSnapshot[]> {
  const folders = foldersNear(path);
  const found: FoundSnapshot[] = [];
  for (const { file, sha256, weight } of recorded) {
    let there: string | undefined;
    for (const folder of folders) {
      const at = join(folder, file);
      if (there === undefined && (await hashOf(at)) === sha256) there = at;
    }
    if (there === undefined) {
      throw new TemperError(
        'INPUT_NOT_FOUND',
        `${path}: is an average, and its snapshot ${file} (SHA-256 ${sha256}) is not beside it: its moments are the goal`,
        {
          hint: `Name the snapshots with \`ingredients\`; or name ${basename(path)} itself, to take its own moments.`,
          details: { path, file, sha256 },
        },
      );
    }
    found.push({ path: there, weight });
  }
  return found;
}

/**
 * The networks whose moments are the goal: those named, with their shares where the model's record knows them all, else equal ones;
 * or those of the model's record; undefined for a model that is no average, which is its own goal.
 * @throws TemperError INPUT_*, FORMAT_*
 */
export async function findIngredients(
  model: Model,
  named: readonly string[] | undefined,
): Promise<FoundSnapshot[] | undefined> {
  const recorded = recordedSnapshots(model);
  if (named === undefined || named.length === 0) return recorded.length > 0 ? findRecorded(model, recorded) : undefined;
  const weights = new Map(recorded.map(({ sha256, weight }) => [sha256, weight]));
  const found: FoundSnapshot[] = [];
  for (const path of named) {
    const snapshot = openModel(path);
    try {
      found.push({ path, weight: weights.get(await modelSha256(snapshot)) });
    } finally {
      snapshot.close();
    }
  }
  const known = found.every(({ weight }) => weight !== undefined) && found.length === recorded.length;
  return known ? found : found.map(({ path }) => ({ path, weight: 1 / found.length }));
}
