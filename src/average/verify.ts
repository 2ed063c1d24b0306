import { type Dirent, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type ByteSource, openFile, readError, TemperError } from '../core/index.ts';
import { type Model, openModel } from '../onnx/index.ts';
import { averageInto, type OutputFiles } from './average-files.ts';
import { hashSync } from './hash-files.ts';
import { type RecordedInput, readRecord } from './record.ts';
import { planTensors } from './tensor-plan.ts';

export interface Verdict {
  readonly ok: boolean;
  /** One line per finding. */
  readonly findings: readonly string[];
}

/** How deep snapshots are looked for below a folder: run folders hold `fold_1/epoch_3.onnx`, not more. */
const SEARCH_DEPTH = 2;

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw readError(folder, error);
  }
}

function* filesNamed(folder: string, name: string, depth: number): Generator<string> {
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && depth > 0) yield* filesNamed(path, name, depth - 1);
    else if (entry.name === name) yield path;
  }
}

function sha256Of(path: string): string {
  const file = openFile(path);
  try {
    return hashSync([file])[0] as string;
  } finally {
    file.close();
  }
}

/** The file that an input was, by its name and hash; any file of that name if none has the hash. */
function findInput(
  input: RecordedInput,
  folders: readonly string[],
  modelPath: string,
  hashOf: (path: string) => string,
): { path: string; same: boolean } {
  let found: string | undefined;
  for (const [i, folder] of folders.entries()) {
    for (const path of filesNamed(folder, basename(input.file), i === 0 ? 0 : SEARCH_DEPTH)) {
      if (hashOf(path) === input.sha256) return { path, same: true };
      found ??= path;
    }
  }
  if (found !== undefined) return { path: found, same: false };
  throw new TemperError('INPUT_NOT_FOUND', `${modelPath}: its input ${input.file} is not in ${folders.join(', ')}`, {
    hint: 'Say where the snapshots are: --inputs DIR.',
    details: { path: modelPath, file: input.file, sha256: input.sha256 },
  });
}

/** Compares what is written with a file, and remembers the first byte that differs. */
function comparison(open: () => ByteSource) {
  const expected = open();
  let size = 0;
  let difference: number | undefined;
  return {
    get size() {
      return size;
    },
    get difference() {
      return difference ?? (size === expected.size ? undefined : Math.min(size, expected.size));
    },
    write(bytes: Uint8Array) {
      if (difference === undefined) {
        const length = Math.min(bytes.length, Math.max(0, expected.size - size));
        const there = Buffer.alloc(length);
        expected.readInto(there, size);
        const at = there.findIndex((byte, i) => byte !== bytes[i]);
        if (at >= 0) difference = size + at;
        else if (length < bytes.length) difference = size + length;
      }
      size += bytes.length;
    },
    discard() {},
  };
}

/**
 * Recomputes an average from its record and its inputs, and compares every byte.
 * @param inputs where to look besides the model's own folder
 * @throws TemperError INPUT_NOT_FOUND if an input is missing, and as averageInto
 */
export async function verifyAverage(path: string, inputs: readonly string[], signal?: AbortSignal): Promise<Verdict> {
  const subject = openModel(path);
  const models: Model[] = [];
  try {
    const { record } = readRecord(subject);
    // A record may name one large file 10,000 times.
    const hashes = new Map<string, string>();
    const hashOf = (file: string): string => {
      const known = hashes.get(file) ?? sha256Of(file);
      hashes.set(file, known);
      return known;
    };
    const found = record.inputs.map((input) => findInput(input, [dirname(path), ...inputs], path, hashOf));
    const findings: string[] = [];
    found.forEach(({ path: file, same }, i) => {
      if (!same) findings.push(`${file}: is not the ${record.inputs[i]?.file} that was averaged (SHA-256 differs)`);
    });
    if (findings.length > 0) return { ok: false, findings };
    for (const { path: file } of found) models.push(openModel(file));
    for (const [i, model] of models.entries()) {
      for (const { location, sha256 } of record.inputs[i]?.data ?? []) {
        if (sha256Of(model.external(location).path) !== sha256)
          findings.push(`${model.path}: its data file ${location} has changed`);
      }
    }
    if (findings.length > 0) return { ok: false, findings };

    const rules = { bn: record.bn, onIntMismatch: record.onIntMismatch, match: record.match };
    const row = {
      name: record.average,
      coefficients: record.inputs.map((i) => i.coefficient),
      divisor: record.divisor,
    };
    const [location] = subject.externalLocations;
    const model = comparison(() => subject.source);
    const data = location === undefined ? undefined : comparison(() => subject.external(location));
    const hashOfData = location === undefined ? '' : sha256Of(subject.external(location).path);
    const target: OutputFiles = {
      path,
      openModel: () => ({
        ...model,
        get size() {
          return model.size;
        },
        sha256: () => '',
      }),
      openData: () => {
        if (!data) throw new TemperError('MISMATCH_VALUE', `${path}: has no external data, but its inputs have`);
        return {
          ...data,
          get size() {
            return data.size;
          },
          sha256: () => hashOfData,
        };
      },
    };
    await averageInto(
      {
        models,
        steps: record.inputs.map(({ step }) => step ?? undefined),
        templateIndex: record.template,
        plan: planTensors(models, record.template, rules),
        rules,
        rows: [row],
        dtype: record.dtype ?? undefined,
        version: record.version,
        allowNonfinite: record.allowNonfinite,
        signal,
      },
      [target],
    );
    for (const [file, result] of [
      [path, model],
      [location, data],
    ] as const) {
      if (result?.difference !== undefined)
        findings.push(`${file}: differs from the recomputed average at byte ${result.difference}`);
    }
    return { ok: findings.length === 0, findings };
  } finally {
    for (const model of [subject, ...models]) model.close();
  }
}
