import { createHash } from 'node:crypto';
import { type FieldRow, TemperError } from '../core/index.ts';
import type { ClassOutput, Session } from '../runtime/index.ts';
import type { OutputKind } from '../signature/index.ts';
import { asClasses, OUTPUT_KINDS } from './output-kind.ts';
import { concatPredictions, type Predictions, scoreBatch, type ValidClasses } from './predictions.ts';
import type { Measured } from './scores.ts';

/** How answers are joined: the mean of probabilities, or of logits (which is that of ln p, up to a constant of the image). */
const ENSEMBLE_RULES = ['probability', 'logit'] as const;
type Rule = (typeof ENSEMBLE_RULES)[number];

/** Joins the outputs of several models, batch by batch. Memory: one batch of scores, and 48 bytes an image. */
export interface Ensemble {
  /** Called for each member in turn, for every batch. @throws TemperError MISMATCH_VALUE for other classes than the first has */
  add(member: number, output: ClassOutput, keys: readonly string[], labels: ArrayLike<number>): void;
  end(): Readonly<Record<Rule, Predictions>>;
}

/** What each member gives, by the user or its graph: one batch alone cannot tell. @param option what needs it @throws TemperError USAGE */
export function memberKinds(
  members: readonly { readonly session: Session; readonly output: string }[],
  said: OutputKind | undefined,
  option: string,
): OutputKind[] {
  return members.map(({ session, output }) => {
    const kind = said ?? session.facts().outputKind(output)?.value;
    if (kind !== undefined) return kind;
    throw new TemperError(
      'USAGE',
      `${session.label}: its graph does not tell what it gives, which \`${option}\` needs to know`,
      {
        hint: 'Say it with `outputs`.',
      },
    );
  });
}

/** A buffer that is used again while it is of the size. */
function scratch() {
  let held = new Float64Array(0);
  return (length: number): Float64Array => {
    if (held.length !== length) held = new Float64Array(length);
    return held;
  };
}

/** Writes ln p of the rows of a batch, in float64. Plain loops: this is done for every value of every model. */
function logProbabilities({ rows, classes, data, ...output }: ClassOutput, kind: OutputKind, into: Float64Array): void {
  const { score } = OUTPUT_KINDS[kind];
  const scale = { rows, classes, data, ...output };
  const least = Math.log(output.smallest);
  for (let row = 0; row < rows; row++) {
    const [start, end] = [row * classes, (row + 1) * classes];
    let max = Number.NEGATIVE_INFINITY;
    for (let i = start; i < end; i++) {
      const z = score(data[i] as number, scale);
      into[i] = z;
      max = Math.max(max, z);
    }
    let total = 0;
    for (let i = start; i < end; i++) total += Math.exp((into[i] as number) - max);
    const sum = max + Math.log(total);
    for (let i = start; i < end; i++) into[i] = Math.max(least, (into[i] as number) - sum);
  }
}

/** @param kinds of the members, known when their outputs are added */
export function ensembleOf(
  kinds: readonly OutputKind[],
  valid: ValidClasses | undefined,
  members = kinds.length,
): Ensemble {
  const parts: Record<Rule, Predictions[]> = { probability: [], logit: [] };
  const buffers = { logs: scratch(), probability: scratch(), logit: scratch() };
  let sums: Record<Rule, Float64Array> | undefined;
  return {
    add(member, given, keys, labels) {
      const { output, kind } = asClasses(given, kinds[member] as OutputKind);
      const { rows, classes } = output;
      const logs = buffers.logs(rows * classes);
      logProbabilities(output, kind, logs);
      if (member === 0 || !sums) {
        sums = { probability: buffers.probability(logs.length).fill(0), logit: buffers.logit(logs.length).fill(0) };
      }
      const { probability, logit } = sums;
      if (logs.length !== logit.length) {
        const [found, expected] = [logs, logit].map(({ length }) => length / rows);
        throw new TemperError('MISMATCH_VALUE', `\`ensemble\`: a model of ${found} classes with one of ${expected}`, {
          hint: 'Name models of the same classes.',
        });
      }
      for (let i = 0; i < logs.length; i++) {
        const log = logs[i] as number;
        logit[i] = (logit[i] as number) + log / members;
        probability[i] = (probability[i] as number) + Math.exp(log) / members;
      }
      if (member < members - 1) return;
      const joined = { ...given, classes };
      const scored = (data: Float64Array, as: OutputKind): Predictions =>
        scoreBatch({ ...joined, data }, keys, labels, { kind: as, valid });
      parts.probability.push(scored(probability, 'probabilities'));
      parts.logit.push(scored(logit, 'logits'));
    },
    end: () => ({ probability: concatPredictions(parts.probability), logit: concatPredictions(parts.logit) }),
  };
}

/** Speed of answers that are joined: all members must run for every image, so that their times add up. */
export function joinedSpeed(members: readonly FieldRow[]): FieldRow {
  const seconds = members.reduce((sum, { img_s_model }) => sum + 1 / Number(img_s_model), 0);
  return Number.isFinite(seconds) && seconds > 0 ? { img_s_model: 1 / seconds, batch: members[0]?.batch } : {};
}

/** An ensemble as models of a table. */
export function measuredEnsemble(ensemble: Ensemble, members: readonly Measured[]): Measured[] {
  const found = ensemble.end();
  const hash = createHash('sha256');
  for (const member of members) hash.update(`${String(member.provenance.model_sha256)}\n`);
  // Of models that were measured before, the hash of the file stands for all of them.
  const known = members.every((member) => member.provenance.model_sha256 !== undefined);
  const provenance: FieldRow = members[0]?.provenance ?? {};
  const timing = joinedSpeed(members.map((member) => member.timing));
  return ENSEMBLE_RULES.map((rule) => ({
    model: `mean ${rule} of ${members.length} models`,
    predictions: found[rule],
    timing,
    provenance: {
      ...provenance,
      ...(known && { model_sha256: hash.copy().digest('hex') }),
      outputs: rule === 'probability' ? 'probabilities' : 'logits',
      ensemble: rule,
    },
  }));
}
