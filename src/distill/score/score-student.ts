import { TemperError } from '../../core/index.ts';
import { OUTPUT_KINDS, topClasses } from '../../evaluate/index.ts';
import {
  type Batch,
  type ClassOutput,
  classOutput,
  runBatches,
  type Session,
  type Tensor,
} from '../../runtime/index.ts';
import { imageInput, type OutputKind } from '../../signature/index.ts';
import { assertKinds, readAllOutputs, storedOutputs, type TeacherStage } from '../run/index.ts';
import type { Manifest, Store } from '../store/index.ts';
import { type Divergence, divergence, ghostDivergence, klOf, largestKl, logSoftmax } from './divergence.ts';
import { type TeacherTargets, targetReader } from './read-targets.ts';
import { type ScoredRow, type TargetScore, targetScorer } from './target-score.ts';
import { type Ensemble, ensembleLogP, type StoredRow, storedTop, teacherLogP } from './teacher-row.ts';

/** The student's input for some rows of a store. */
export interface StudentBatch {
  readonly images: Tensor;
  /** Per row. */
  readonly keys: readonly string[];
  /** Per row; not used for unlabelled data. */
  readonly labels: ArrayLike<number>;
  /** Rows of the store, ascending. */
  readonly rows: readonly number[];
}

export interface ScoreOptions {
  /** Of a top-K store: temperatures that it declares. */
  readonly temperatures: readonly number[];
  readonly labelled: boolean;
  /** Rows to name that differ most. */
  readonly worst: number;
  /** How to put several teachers together; weights sum to 1. */
  readonly ensemble?: { readonly how: Ensemble; readonly weights: readonly number[] } | undefined;
  /** What the student gives. */
  readonly outputs: OutputKind;
  readonly input?: string | undefined;
  readonly output?: string | undefined;
  /** Which of the student's outputs the stored classes are, in their order; null: all. */
  readonly classMap?: readonly number[] | null | undefined;
  readonly onProgress?: ((rows: number) => void) | undefined;
  /** Told of every row and source, in order. */
  readonly onRow?: ((source: string, row: ScoredRow) => void) | undefined;
}

/** The student against one teacher, or against all together. */
export interface SourceScore extends TargetScore {
  /** The teacher's name, or the ensemble's rule. */
  readonly source: string;
  /** Its position; undefined for the ensemble. */
  readonly teacher: number | undefined;
}

const TOP = 5;

/**
 * The student's logits of one row, as they are scored ({@link OUTPUT_KINDS}). A log-probability of -Infinity, as p = 0,
 * counts as that of the smallest positive value of the type that the model computed, since the divergence from it would be
 * infinite.
 */
function studentRow(output: ClassOutput, row: number, kind: OutputKind, key: string): Float64Array {
  const { classes, data, smallest } = output;
  const { score } = OUTPUT_KINDS[kind];
  const least = kind === 'log-probabilities' ? Math.log(smallest) : Number.NEGATIVE_INFINITY;
  const z = Float64Array.from(data.subarray(row * classes, (row + 1) * classes), (value) =>
    Math.max(least, score(value, output)),
  );
  const bad = z.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return z;
  throw new TemperError('NUMERIC_NONFINITE', `${key}: the student gives class ${bad} ${z[bad]}: no finite divergence`, {
    hint: 'Check the weights and the normalisation of the input; name what the outputs are with `outputs`.',
    details: { key, class: bad },
  });
}

/** What a teacher, or all of them, say of a row. */
interface Source {
  readonly source: string;
  readonly teacher: number | undefined;
  /** Best classes first. */
  top(i: number): ArrayLike<number>;
  logP(i: number, t: number, into: Float64Array): void;
  /** The row as stored, where it is one teacher's and not whole. */
  partial(i: number, t: number): StoredRow | undefined;
}

function sourcesOf(
  { teachers, temperatures: declared }: Manifest,
  targets: readonly TeacherTargets[],
  { temperatures, ensemble }: Pick<ScoreOptions, 'temperatures' | 'ensemble'>,
): Source[] {
  const at = temperatures.map((temperature) => declared.indexOf(temperature));
  const rowOf = (one: TeacherTargets, i: number, t: number): StoredRow => one.row(i, at[t] as number);
  const single = targets.map((one, teacher): Source => {
    const { name, n_classes } = teachers[teacher] as Manifest['teachers'][number];
    return {
      source: name,
      teacher,
      top(i) {
        const { values, classes } = rowOf(one, i, 0);
        if (classes !== undefined) return Array.from(classes).slice(0, TOP);
        const best = new Int32Array(Math.min(TOP, n_classes));
        topClasses(values, best);
        return best;
      },
      logP: (i, t, into) => teacherLogP(rowOf(one, i, t), temperatures[t] as number, into),
      partial(i, t) {
        const row = rowOf(one, i, t);
        return row.classes === undefined ? undefined : row;
      },
    };
  });
  if (ensemble === undefined || targets.length < 2) return single;
  const { how, weights } = ensemble;
  const together = (i: number, t: number, into: Float64Array): void =>
    ensembleLogP(
      targets.map((one) => rowOf(one, i, t)),
      how,
      weights,
      temperatures[t] as number,
      into,
    );
  const classes = teachers[0]?.n_classes ?? 0;
  const scratch = new Float64Array(classes);
  return [
    ...single,
    {
      source: `ensemble (${how})`,
      teacher: undefined,
      top(i) {
        together(i, 0, scratch);
        const best = new Int32Array(Math.min(TOP, classes));
        topClasses(scratch, best);
        return best;
      },
      logP: together,
      partial: () => undefined,
    },
  ];
}

/** The student's scores of the classes that a teacher's row does not have, ascending. */
function otherScores(z: Float64Array, stored: ArrayLike<number>): Float64Array {
  const others = z.slice();
  for (let k = 0; k < stored.length; k++) others[stored[k] as number] = Number.NaN;
  return others.filter((score) => !Number.isNaN(score)).sort();
}

type Compared = Pick<ScoredRow, 'divergences' | 'bounds'>;

/** One row of a student against one source, at every temperature. */
function compare(
  source: Source,
  i: number,
  z: Float64Array,
  temperatures: readonly number[],
  scratch: Float64Array,
): Compared {
  const logQ = new Float64Array(z.length);
  const stored = source.partial(i, 0)?.classes;
  const others = stored && otherScores(z, stored);
  const bounds: (readonly [number, number])[] = [];
  const divergences = temperatures.map((temperature, t): Divergence => {
    const shift = logSoftmax(z, temperature, logQ);
    source.logP(i, t, scratch);
    const found = divergence(scratch, logQ);
    const partial = source.partial(i, t);
    if (partial) {
      const top = storedTop(partial, temperature);
      const student = { logQ, others: (others as Float64Array).map((score) => score / temperature - shift) };
      bounds.push([klOf(ghostDivergence(top, student)), largestKl(top, student)]);
    }
    return found;
  });
  return { divergences, ...(bounds.length > 0 ? { bounds } : {}) };
}

/** @throws TemperError MISMATCH_VALUE */
function assertClasses({ teachers }: Manifest, student: string, classes: number): void {
  const other = teachers.find(({ n_classes }) => n_classes !== classes);
  if (other === undefined) return;
  const what = `${student}: ${classes} classes, the targets of ${other.name} have ${other.n_classes}`;
  throw new TemperError('MISMATCH_VALUE', what, {
    hint: 'Score a student of the same classes in the same order, or say which of its outputs they are (`classMap`).',
    details: { found: classes, expected: other.n_classes },
  });
}

/** Batches as a pipeline takes them. */
export async function* readyBatches(batches: AsyncIterable<StudentBatch>): AsyncGenerator<Batch<StudentBatch>> {
  for await (const batch of batches) yield { images: [batch.images], meta: batch };
}

/** A student as it runs. @throws TemperError USAGE, UNSUPPORTED_* */
export function studentStage(
  session: Session,
  { input, output, classMap = null }: Pick<ScoreOptions, 'input' | 'output' | 'classMap'>,
): TeacherStage {
  return {
    name: session.label,
    session,
    input: imageInput(session, input),
    output: classOutput(session, output),
    images: 0,
    classMap,
  };
}

/**
 * Runs a student over views of a store's samples and compares it with each teacher, and with all together:
 * T² · KL(softmax(teacher/T) ‖ softmax(student/T)) in nats (Hinton, Vinyals, Dean 2015, section 2), its two parts,
 * agreement and accuracy. All in float64 from the stored values; sums in the order of the rows.
 *
 * Of top-K targets the KL is an estimate (the exact rest of the mass, spread evenly), between two bounds, all of them up to
 * the rounding of the stored values.
 * @returns per teacher, then the ensemble if one is asked for and there are several teachers
 * @throws TemperError INPUT_TOO_FEW without rows; MISMATCH_VALUE for another number of classes; EXECUTION_OUTPUT for a row that is not of the kind; NUMERIC_NONFINITE;
 * EXECUTION_*; what the batches and the store's parts throw
 */
export async function scoreStudent(
  store: Store,
  session: Session,
  batches: AsyncIterable<StudentBatch>,
  options: ScoreOptions,
): Promise<SourceScore[]> {
  const { temperatures, labelled, worst, outputs: kind } = options;
  const student = studentStage(session, options);
  const reader = targetReader(store);
  let scorers: ReturnType<typeof targetScorer>[] = [];
  let sources: Source[] = [];
  let done = 0;
  try {
    for await (const { meta, outputs, rows: count } of runBatches(
      [{ ...student, fetches: [student.output.name] }],
      readyBatches(batches),
    )) {
      const { rows, keys, labels } = meta;
      const all = readAllOutputs(student, outputs[0] ?? {}, count, keys);
      assertKinds(student, all, kind, keys);
      const found = storedOutputs(student, all);
      sources = sourcesOf(store.manifest, reader.read(rows), options);
      if (scorers.length === 0) {
        assertClasses(store.manifest, session.label, found.classes);
        scorers = sources.map(() => targetScorer({ temperatures, classes: found.classes, labelled, worst }));
      }
      const scratch = new Float64Array(found.classes);
      for (const [i, row] of rows.entries()) {
        const key = keys[i] as string;
        const z = studentRow(found, i, kind, key);
        const studentTop = new Int32Array(TOP);
        topClasses(z, studentTop);
        for (const [s, source] of sources.entries()) {
          const scored: ScoredRow = {
            key,
            view: row % store.manifest.views,
            label: labels[i] as number,
            teacherTop: source.top(i),
            studentTop,
            ...compare(source, i, z, temperatures, scratch),
          };
          scorers[s]?.add(scored);
          options.onRow?.(source.source, scored);
        }
      }
      done += rows.length;
      options.onProgress?.(done);
    }
  } finally {
    reader.close();
  }
  if (done === 0) {
    throw new TemperError('INPUT_TOO_FEW', 'no row was scored', { hint: 'Check `data`, `rows` and `limit`.' });
  }
  return scorers.map((scorer, s) => {
    const { source, teacher } = sources[s] as Source;
    return { source, teacher, ...scorer.result() };
  });
}
