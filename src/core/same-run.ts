import { canonicalJson } from './canonical-json.ts';
import { TemperError } from './errors.ts';

/** What a worker's file was made from and by, and where it is written. */
export interface WrittenRun<R> {
  readonly path: string;
  readonly run: R;
}

/**
 * Workers of one job agree on these fields.
 * @throws TemperError MISMATCH_VALUE naming file and field
 */
export function assertSameFields<R>(
  fields: readonly (keyof R & string)[],
  reference: WrittenRun<R>,
  file: WrittenRun<R>,
  hintOf: (field: keyof R & string) => string | undefined,
): void {
  for (const field of fields) {
    const [expected, found] = [canonicalJson(reference.run[field] ?? null), canonicalJson(file.run[field] ?? null)];
    if (expected === found) continue;
    throw new TemperError(
      'MISMATCH_VALUE',
      `${file.path}: ${field} is ${found}, but ${reference.path} has ${expected}: they are of different jobs`,
      {
        hint: hintOf(field) ?? 'Give all workers the same options.',
        details: { path: file.path, reference: reference.path, field, found, expected },
      },
    );
  }
}
