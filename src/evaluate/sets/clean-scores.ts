import { type ClassOutput, classOutput, type Session } from '../../runtime/index.ts';
import type { OutputKind } from '../../signature/index.ts';
import { type CollectedScores, collectScores } from '../model-scores.ts';
import { type Predictions, selectPredictions, type ValidClasses } from '../predictions.ts';

/** The classes that the images of `data` are compared on. */
interface Compared {
  readonly own: readonly number[];
  readonly valid: ValidClasses | undefined;
}

/** What models say of the images of some classes, scored among these, while they run over all images. Memory: 48 bytes an image, model and choice of classes. */
export interface CleanScores {
  add(model: number, output: ClassOutput, keys: readonly string[], labels: ArrayLike<number>): void;
  /** @param all what the model said of all images, scored among all classes */
  of(set: number, model: number, all: Predictions): Predictions;
}

/** The images of some classes. */
function inClasses(all: Predictions, own: readonly number[]): Predictions {
  const known = new Set(own);
  const rows = [...all.labels.keys()].filter((row) => known.has(all.labels[row] as number));
  return rows.length === all.labels.length ? all : selectPredictions(all, rows);
}

/** The rows of a batch that are chosen. */
function rowsOf(output: ClassOutput, rows: readonly number[]): ClassOutput {
  const { classes } = output;
  const data = new Float64Array(rows.length * classes);
  for (const [at, row] of rows.entries()) {
    data.set(output.data.subarray(row * classes, (row + 1) * classes), at * classes);
  }
  return { ...output, rows: rows.length, data };
}

/** @param kinds what each model gives, as said, and as its graph says */
export function cleanScores(
  sets: readonly Compared[],
  kinds: readonly { readonly said: OutputKind | undefined; readonly graph: Parameters<typeof collectScores>[1] }[],
): CleanScores {
  // Sets of the same classes are compared with the same scores.
  const choices = new Map<
    string,
    { readonly known: ReadonlySet<number>; readonly models: readonly CollectedScores[] }
  >();
  const nameOf = ({ classes }: ValidClasses): string => classes.join();
  for (const { valid } of sets) {
    if (!valid || choices.has(nameOf(valid))) continue;
    const models = kinds.map(({ said, graph }) => collectScores(said, graph, valid));
    choices.set(nameOf(valid), { known: new Set(valid.classes), models });
  }
  return {
    add(model, output, keys, labels) {
      for (const { known, models } of choices.values()) {
        const rows = keys.flatMap((_, row) => (known.has(labels[row] as number) ? [row] : []));
        if (rows.length === 0) continue;
        const chosen = {
          keys: rows.map((row) => keys[row] as string),
          labels: rows.map((row) => labels[row] as number),
        };
        models[model]?.add(rowsOf(output, rows), chosen.keys, chosen.labels);
      }
    },
    of(set, model, all) {
      const { own, valid } = sets[set] as Compared;
      const scores = valid && choices.get(nameOf(valid))?.models[model];
      return scores ? scores.end().predictions : inClasses(all, own);
    },
  };
}

/** What sessions give, for {@link cleanScores}. @param output the class output, where models have several */
export const kindsOf = (sessions: readonly Session[], outputs: 'auto' | OutputKind = 'auto', output?: string) =>
  sessions.map((session) => ({
    said: outputs === 'auto' ? undefined : outputs,
    graph: session.facts().outputKind(classOutput(session, output).name),
  }));
