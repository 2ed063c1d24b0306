import type { Part, Store, TargetRows } from '../store/index.ts';
import type { StoredRow } from './teacher-row.ts';

/** Some rows of a teacher, in the order in which they were asked for. */
export interface TeacherTargets {
  /** Row i at the temperature with this position in the manifest; -1 for none, where all classes are stored. */
  row(i: number, temperature: number): StoredRow;
}

export interface TargetReader {
  /** @param rows rows of the store, ascending @returns per teacher @throws TemperError as Store.part and Part.targets */
  read(rows: readonly number[]): TeacherTargets[];
  close(): void;
}

interface Run {
  readonly targets: TargetRows;
  /** Place of the run's first row among those that were asked for. */
  readonly at: number;
}

/** Reads targets by row, runs of neighbours together. One part is open at a time. */
export function targetReader({ manifest, part: openPart }: Pick<Store, 'manifest' | 'part'>): TargetReader {
  const { rows_per_part: perPart, teachers, temperatures } = manifest;
  let open: Part | undefined;

  const partOf = (row: number): Part => {
    const index = Math.floor(row / perPart);
    if (open?.index === index) return open;
    open?.close();
    open = undefined;
    open = openPart(index);
    return open;
  };

  const read = (rows: readonly number[]): TeacherTargets[] => {
    const runs: Run[][] = teachers.map(() => []);
    for (let at = 0; at < rows.length; ) {
      const first = rows[at] as number;
      const part = partOf(first);
      let next = at + 1;
      while (next < rows.length && rows[next] === first + next - at && first + next - at < part.end) next++;
      const start = first - part.first;
      for (const [teacher, found] of runs.entries())
        found.push({ targets: part.targets(teacher, start, start + next - at), at });
      at = next;
    }
    return runs.map((found) => ({
      row(i, temperature) {
        const { targets, at } = found.findLast((run) => run.at <= i) as Run;
        const { width, values, indices, lse } = targets;
        const [from, to] = [(i - at) * width, (i - at + 1) * width];
        return {
          values: values.subarray(from, to),
          classes: indices?.subarray(from, to),
          lse: temperature < 0 ? Number.NaN : (lse[(i - at) * temperatures.length + temperature] as number),
        };
      },
    }));
  };
  return { read, close: () => open?.close() };
}
