import { quantile } from '../../evaluate/index.ts';
import { type Divergence, klOf } from './divergence.ts';

/** What is compared in every row. */
export interface ScoreSettings {
  readonly temperatures: readonly number[];
  readonly classes: number;
  /** Whether rows have a true class. */
  readonly labelled: boolean;
  /** Rows to name that differ most. */
  readonly worst: number;
}

/** One row: what the teacher's targets and the student say of a view of a sample. */
export interface ScoredRow {
  readonly key: string;
  readonly view: number;
  /** The true class; not used for unlabelled data. */
  readonly label: number;
  /** Classes of the highest values, best first; fewer than five where fewer are stored. */
  readonly teacherTop: ArrayLike<number>;
  /** Five classes, best first; -1 past the last. */
  readonly studentTop: ArrayLike<number>;
  /** Per temperature. Where the teacher's row is not whole: with the uniform tail, an estimate. */
  readonly divergences: readonly Divergence[];
  /** Per temperature, without T²: what the KL is at least and at most. Absent where it is known. */
  readonly bounds?: readonly (readonly [least: number, most: number])[] | undefined;
}

/** At one temperature; means over rows ("batchmean"), nats. */
interface TemperatureScore {
  readonly temperature: number;
  /** T² · (cross_entropy - entropy). */
  readonly kl: number;
  /** What the KL of whole rows is at least (ghost bucket) and at most; absent where rows are whole. */
  readonly kl_lower?: number | undefined;
  readonly kl_upper?: number | undefined;
  /** Without T². */
  readonly cross_entropy: number;
  readonly entropy: number;
  /** kl / C: what reduction 'mean' gives, and DeiT's division by numel. */
  readonly kl_mean_reduction: number;
  /** Quantiles over rows of T² · KL. */
  readonly kl_p50: number;
  readonly kl_p90: number;
  readonly kl_p99: number;
  readonly kl_max: number;
}

interface ClassScore {
  /** The true class; for unlabelled data the teacher's. */
  readonly class: number;
  readonly n_rows: number;
  /** T² · KL per temperature. */
  readonly kl: readonly number[];
  readonly agree1: number;
  readonly teacher_top1: number | undefined;
  readonly student_top1: number | undefined;
}

interface RowScore {
  readonly key: string;
  readonly view: number;
  readonly label: number | undefined;
  readonly teacher_class: number;
  readonly student_class: number;
  /** T² · KL per temperature. */
  readonly kl: readonly number[];
}

/** A student against one teacher, or against an ensemble. */
export interface TargetScore {
  readonly n_rows: number;
  /** Share of rows whose best class is the same in both. */
  readonly agree1: number;
  /** Share of rows in which the teacher's best class is among the student's five best (big_vision's agree, k = 5). */
  readonly agree5: number;
  /** Absent for unlabelled data. */
  readonly teacher_top1: number | undefined;
  /** Absent also where fewer than five classes are stored. */
  readonly teacher_top5: number | undefined;
  readonly student_top1: number | undefined;
  readonly student_top5: number | undefined;
  readonly temperatures: readonly TemperatureScore[];
  readonly per_class: readonly ClassScore[];
  /** By falling T² · KL at the first temperature; of equal ones the first in the table. */
  readonly worst: readonly RowScore[];
}

interface ClassSums {
  n: number;
  agree: number;
  teacher: number;
  student: number;
  readonly kl: Float64Array;
}

const TOP = 5;

const among = (top: ArrayLike<number>, wanted: number): boolean => {
  for (let k = 0; k < Math.min(TOP, top.length); k++) if (top[k] === wanted) return true;
  return false;
};

/** The kept rows in order, worst first; a new one goes behind its equals. */
function insertWorst(rows: RowScore[], row: RowScore, limit: number): void {
  const kl = row.kl[0] as number;
  let at = rows.length;
  while (at > 0 && kl > ((rows[at - 1] as RowScore).kl[0] as number)) at--;
  if (at >= limit) return;
  rows.splice(at, 0, row);
  rows.length = Math.min(rows.length, limit);
}

export interface TargetScorer {
  add(row: ScoredRow): void;
  /** Of all rows so far; at least one. */
  result(): TargetScore;
}

/**
 * Collects rows and scores them. Sums are float64, in the order of the rows. Memory: 8 bytes a row and temperature, for
 * quantiles.
 */
export function targetScorer({ temperatures, classes, labelled, worst: limit }: ScoreSettings): TargetScorer {
  const sums = temperatures.map(() => ({ cross: 0, entropy: 0, lower: 0, upper: 0, rows: [] as number[] }));
  const perClass = new Map<number, ClassSums>();
  const worst: RowScore[] = [];
  const counts = { n: 0, agree1: 0, agree5: 0, teacher1: 0, teacher5: 0, student1: 0, student5: 0 };
  let bounded = false;
  let storedTop = TOP;

  const classSums = (at: number): ClassSums => {
    const known = perClass.get(at);
    if (known) return known;
    const made = { n: 0, agree: 0, teacher: 0, student: 0, kl: new Float64Array(temperatures.length) };
    perClass.set(at, made);
    return made;
  };

  return {
    add({ key, view, label, teacherTop, studentTop, divergences, bounds }) {
      const [teacherClass, studentClass] = [teacherTop[0] as number, studentTop[0] as number];
      const agrees = Number(teacherClass === studentClass);
      counts.n++;
      counts.agree1 += agrees;
      counts.agree5 += Number(among(studentTop, teacherClass));
      const [teacherRight, studentRight] = [Number(teacherClass === label), Number(studentClass === label)];
      counts.teacher1 += teacherRight;
      counts.student1 += studentRight;
      counts.teacher5 += Number(among(teacherTop, label));
      counts.student5 += Number(among(studentTop, label));
      storedTop = Math.min(storedTop, teacherTop.length);
      const ofClass = classSums(labelled ? label : teacherClass);
      ofClass.n++;
      ofClass.agree += agrees;
      ofClass.teacher += teacherRight;
      ofClass.student += studentRight;
      const kl = divergences.map((found, t) => {
        const sum = sums[t] as (typeof sums)[number];
        const factor = (temperatures[t] as number) ** 2;
        const value = factor * klOf(found);
        sum.cross += found.crossEntropy;
        sum.entropy += found.entropy;
        sum.rows.push(value);
        ofClass.kl[t] = (ofClass.kl[t] as number) + value;
        const range = bounds?.[t];
        if (range) {
          bounded = true;
          sum.lower += factor * range[0];
          sum.upper += factor * range[1];
        }
        return value;
      });
      insertWorst(
        worst,
        {
          key,
          view,
          label: labelled ? label : undefined,
          teacher_class: teacherClass,
          student_class: studentClass,
          kl,
        },
        limit,
      );
    },
    result() {
      const { n } = counts;
      const share = (count: number, known = labelled): number | undefined => (known ? count / n : undefined);
      const fiveKnown = labelled && storedTop >= Math.min(TOP, classes);
      return {
        n_rows: n,
        agree1: counts.agree1 / n,
        agree5: counts.agree5 / n,
        teacher_top1: share(counts.teacher1),
        teacher_top5: share(counts.teacher5, fiveKnown),
        student_top1: share(counts.student1),
        student_top5: share(counts.student5),
        temperatures: temperatures.map((temperature, t) => {
          const { cross, entropy, lower, upper, rows } = sums[t] as (typeof sums)[number];
          const kl = (temperature ** 2 * (cross - entropy)) / n;
          const sorted = Float64Array.from(rows).sort();
          return {
            temperature,
            kl,
            ...(bounded ? { kl_lower: lower / n, kl_upper: upper / n } : {}),
            cross_entropy: cross / n,
            entropy: entropy / n,
            kl_mean_reduction: kl / classes,
            kl_p50: quantile(sorted, 0.5),
            kl_p90: quantile(sorted, 0.9),
            kl_p99: quantile(sorted, 0.99),
            kl_max: sorted.at(-1) as number,
          };
        }),
        per_class: [...perClass]
          .sort(([a], [b]) => a - b)
          .map(([at, found]) => ({
            class: at,
            n_rows: found.n,
            kl: [...found.kl].map((sum) => sum / found.n),
            agree1: found.agree / found.n,
            teacher_top1: labelled ? found.teacher / found.n : undefined,
            student_top1: labelled ? found.student / found.n : undefined,
          })),
        worst,
      };
    },
  };
}
