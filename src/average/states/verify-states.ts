import { dirname, join } from 'node:path';
import { openFile, openSafetensors } from '../../core/index.ts';
import { MODEL_STATE, openState, type RecordedFile, type StateTable } from '../../snapshots/index.ts';
import { comparison } from '../comparison.ts';
import { findInput, type HashOf, hashCache } from '../find-input.ts';
import { readRecord, recordedRow } from '../record.ts';
import type { AverageVerdict } from '../verdict.ts';
import { planStates } from './plan-states.ts';
import { averageStatesInto } from './write-states.ts';

/** Shards beside a file that are not those that were averaged. */
const changedShards = (path: string, { data = [] }: RecordedFile, hashOf: HashOf): string[] =>
  data
    .map(({ location }) => location)
    .filter((location, i) => hashOf(join(dirname(path), location)) !== data[i]?.sha256);

/** The path by which a checkpoint, or an ONNX file beside some, is opened: of a sharded one the folder, whose index says which files belong together. */
export function findState(
  recorded: RecordedFile,
  folders: readonly string[],
  path: string,
  hashOf: HashOf,
): ReturnType<typeof findInput> {
  const found = findInput(recorded, folders, path, hashOf, (at, of) => changedShards(at, of, hashOf));
  return recorded.data === undefined || recorded.state === MODEL_STATE
    ? found
    : { ...found, path: dirname(found.path) };
}

/**
 * Recomputes an average of training checkpoints from its record, and compares every byte.
 * @throws TemperError INPUT_NOT_FOUND if an input is missing; FORMAT_MALFORMED for a record that is none; and as averageCheckpoints
 */
export async function verifyState(
  { file: path, inputs }: { readonly file: string; readonly inputs: readonly string[] },
  signal: AbortSignal,
): Promise<AverageVerdict> {
  const subject = openFile(path);
  const tables: StateTable[] = [];
  try {
    const metadata = [...openSafetensors(subject).metadata].map(([key, value]) => ({ key, value }));
    const { record } = readRecord({ path, record: { metadata } });
    const hashOf = hashCache();
    const folders = [dirname(path), ...inputs];
    const found = record.inputs.map((input) => findState(input, folders, path, hashOf));
    const changed = found.flatMap(({ finding }) => finding ?? []);
    if (changed.length > 0) return { file: path, ok: false, findings: changed };
    for (const [i, input] of record.inputs.entries()) {
      tables.push(openState((found[i] as { path: string }).path, { state: input.state }));
    }
    const compared = comparison(() => subject);
    const coefficients = record.inputs.map(({ coefficient }) => coefficient);
    await averageStatesInto(
      {
        tables,
        steps: record.inputs.map(({ step }) => step ?? undefined),
        plan: planStates(tables, record.bn),
        bn: record.bn,
        rows: [recordedRow(record, coefficients)],
        dtype: record.dtype ?? undefined,
        version: record.version,
        allowNonfinite: record.allow_nonfinite,
        signal,
      },
      [compared],
    );
    const at = compared.difference;
    const findings = at === undefined ? [] : [`${path}: differs from the recomputed average at byte ${at}`];
    return { file: path, ok: findings.length === 0, findings };
  } finally {
    subject.close();
    for (const table of tables) table.close();
  }
}
