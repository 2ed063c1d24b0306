import type { InferredOptionTypes, Options } from 'yargs';
import { TemperError } from '../../src/core/index.ts';
import { STORE_DTYPES, type StoreRun } from '../../src/distill/index.ts';
import { parseGate } from '../eval-ckpt/gate.ts';
import { grouped, numberList, wholeNumber } from '../shared/option-values.ts';

/** What is stored, and how the work is shared. */
export const TARGETS = grouped('Targets:', {
  'top-k': {
    type: 'string',
    describe: 'Store the K highest logits of each row (default: all)',
    coerce: wholeNumber('top-k', 1),
  },
  temperatures: {
    type: 'string',
    default: '1,2,4,5',
    describe: 'Temperatures whose log-sum-exp is stored: softmax at these is exact, top-K or not',
  },
  'store-dtype': {
    choices: STORE_DTYPES,
    default: 'float16' as const,
    describe: 'Of the stored logits, which are relative to the highest of their row',
  },
  'rows-per-shard': {
    type: 'string',
    describe: 'Rows of a part, a multiple of --views (default: 16384, fewer if that is over 256 MiB)',
    coerce: wholeNumber('rows-per-shard', 1),
  },
  outputs: {
    choices: ['auto', 'logits', 'probabilities', 'sigmoid'] as const,
    default: 'auto' as const,
    describe:
      'What teachers give; auto decides by the first images; of probabilities log p is stored, of sigmoid scores ln(p/(1-p))',
  },
  'class-map': {
    type: 'string',
    describe: "Index of each class name in the teacher's output (once, or once per teacher; none for no map)",
  },
  shard: {
    type: 'string',
    describe: 'Worker i/n, env or env/n (Slurm array, Kubernetes indexed job); then teacher-logits merge',
  },
  'dry-run': { type: 'boolean', default: false, describe: 'Say how large and how long, and write nothing' },
} as const satisfies Record<string, Options>);

export const GATE = grouped('Targets:', {
  gate: {
    type: 'string',
    describe: "Accuracy of every teacher, such as 'top1>=0.75' or top1:0.75; exit code 1 and no manifest if missed",
  },
} as const satisfies Record<string, Options>);

export type TargetArguments = InferredOptionTypes<typeof TARGETS> & InferredOptionTypes<typeof GATE>;

/** Fields that targets are scored by. */
const SCORED = ['top1', 'top5', 'nll'];

/** @throws TemperError USAGE, also for a field that is not measured here */
export function parseGates(text: string | undefined): ReturnType<typeof parseGate>[] {
  const gates = text === undefined ? [] : text.split(',').map(parseGate);
  const other = gates.find(({ field }) => !SCORED.includes(field));
  if (!other) return gates;
  throw new TemperError('USAGE', `--gate ${other.text}: teachers are scored by ${SCORED.join(', ')}`, {
    hint: 'Measure the rest with eval-ckpt.',
  });
}

/** @throws TemperError USAGE */
export function parseTemperatures(text: string): number[] {
  const temperatures = numberList('temperatures')(text) ?? [];
  const wrong = temperatures.find((t, i) => !(t > 0) || temperatures.indexOf(t) !== i);
  if (wrong === undefined) return temperatures;
  throw new TemperError('USAGE', `--temperatures ${text}: found ${wrong}, expected numbers over 0, each once`);
}

/** @throws TemperError USAGE for parts that split the views of a sample, or are too many */
export function checkRowsPerPart(rows: number, views: number, total: number): void {
  const whole = Math.max(1, Math.round(rows / views)) * views;
  if (rows % views !== 0) {
    throw new TemperError('USAGE', `--rows-per-shard ${rows}: splits the ${views} views of a sample`, {
      hint: `Use ${whole}.`,
    });
  }
  if (Math.ceil(total / rows) <= 1e6) return;
  throw new TemperError('USAGE', `--rows-per-shard ${rows}: ${Math.ceil(total / rows)} parts, at most a million`, {
    hint: 'Make parts larger.',
  });
}

/** @throws TemperError USAGE */
export function checkTopK(topK: number | undefined, teachers: readonly { name: string; n_classes: number }[]): void {
  const small = teachers.find(({ n_classes }) => topK !== undefined && topK > n_classes);
  if (!small) return;
  throw new TemperError('USAGE', `--top-k ${topK}: ${small.name} has ${small.n_classes} classes`, {
    hint: 'Leave --top-k out to store all of them.',
  });
}

export const formOf = (topK: number | undefined): Pick<StoreRun, 'kind' | 'top_k'> =>
  topK === undefined ? { kind: 'dense', top_k: null } : { kind: 'top_k', top_k: topK };
