import { type FieldRow, openAtomic } from '../../src/core/index.ts';
import { type ScoreOptions, type ScoredRow, klOf } from '../../src/distill/index.ts';
import { csvText } from '../../src/report/index.ts';

/** Rows that are turned into text at a time. */
const BLOCK = 4096;

/** T² · KL at a temperature: kl_t1, kl_t0.5. */
export const klField = (temperature: number): string => `kl_t${temperature}`;

export interface PerRowFile {
  add(source: string, row: ScoredRow): void;
  /** Makes the file appear. @throws TemperError OUTPUT_* */
  publish(): void;
  /** Nothing after publish(). */
  discard(): void;
}

/** KL of every row as CSV, written as it comes: memory does not grow with the rows. */
export function perRowFile(
  path: string,
  { temperatures, labelled }: Pick<ScoreOptions, 'temperatures' | 'labelled'>,
  force: boolean,
): PerRowFile {
  const fields = ['source', 'key', 'view', 'label', 'teacher_class', 'student_class', ...temperatures.map(klField)];
  const file = openAtomic(path);
  let held: FieldRow[] = [];
  const flush = (): void => {
    const text = csvText(fields, held);
    file.write(Buffer.from(file.size === 0 ? text : text.slice(text.indexOf('\n') + 1)));
    held = [];
  };
  return {
    add(source, { key, view, label, teacherTop, studentTop, divergences }) {
      const kl = divergences.map((found, t) => {
        const temperature = temperatures[t] as number;
        return [klField(temperature), temperature ** 2 * klOf(found)] as const;
      });
      held.push({
        source,
        key,
        view,
        label: labelled ? label : undefined,
        teacher_class: teacherTop[0],
        student_class: studentTop[0],
        ...Object.fromEntries(kl),
      });
      if (held.length === BLOCK) flush();
    },
    publish() {
      flush();
      file.publish({ force });
    },
    discard: () => file.discard(),
  };
}
