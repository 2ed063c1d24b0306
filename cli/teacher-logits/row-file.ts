import { type FieldRow, openAtomic } from '../../src/core/index.ts';
import { csvText } from '../../src/report/index.ts';

/** Rows that are turned into text at a time. */
const BLOCK = 4096;

export interface RowFile {
  /** Columns are those of the first row. */
  add(row: FieldRow): void;
  /** Makes the file appear. @throws TemperError OUTPUT_* */
  publish(): void;
  /** Nothing after publish(). */
  discard(): void;
}

/** Rows as CSV, written as they come: memory does not grow with them. @throws TemperError OUTPUT_* */
export function rowFile(path: string, force: boolean): RowFile {
  const file = openAtomic(path);
  let fields: readonly string[] = [];
  let held: FieldRow[] = [];
  const flush = (): void => {
    const text = csvText(fields, held);
    file.write(Buffer.from(file.size === 0 ? text : text.slice(text.indexOf('\n') + 1)));
    held = [];
  };
  return {
    add(row) {
      if (fields.length === 0) fields = Object.keys(row);
      held.push(row);
      if (held.length === BLOCK) flush();
    },
    publish() {
      flush();
      file.publish({ force });
    },
    discard: () => file.discard(),
  };
}
