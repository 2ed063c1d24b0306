import type { Options } from 'yargs';
import type { VerifyTargetsOptions } from '../../src/distill/index.ts';
import { type ArgumentsOf, describeCommand } from '../shared/command.ts';
import { DATA, dataOf } from '../shared/data-options.ts';
import { grouped, oneNumber, stringList, wholeNumber } from '../shared/option-values.ts';
import { TALK } from '../shared/output-options.ts';
import { RUNTIME, runtimeOf } from '../shared/runtime-options.ts';

const RECOMPUTE = grouped('Recomputing:', {
  teachers: {
    type: 'string',
    describe: 'Recompute a sample with these models, in the order of the store (with --data)',
    coerce: (value: unknown) => (value === undefined ? undefined : stringList(value)),
  },
  samples: {
    type: 'string',
    default: 256,
    describe: 'Samples to recompute, chosen by the seed, with all of their views; the batches they were in run whole',
    coerce: wholeNumber('samples', 1),
  },
  tolerance: {
    type: 'string',
    describe: "Largest difference of a logit, relative to its row's range (default: by provider; cpu 2e-5, cuda 5e-3)",
    coerce: oneNumber('tolerance'),
  },
} as const satisfies Record<string, Options>);

const { data, labels, format, classes, split, seed } = DATA;
const { device, tf32, threads, workers } = RUNTIME;

/** teacher-logits verify: a store against its hashes, and against its teachers. */
export const VERIFY = describeCommand({
  usage: '<store>',
  positionals: {
    store: { type: 'string', demandOption: true, describe: 'A whole store' },
  },
  options: { ...RECOMPUTE, data, labels, format, classes, split, seed, device, tf32, threads, workers, ...TALK },
  examples: [
    ['$0 targets/', 'hashes, structure, coverage, every number'],
    ['$0 targets/ --data train/ --teachers teacher.onnx', 'and 256 samples recomputed'],
  ],
});

export type VerifyArguments = ArgumentsOf<typeof VERIFY>;

/** The words as the job takes them. */
export function verifyTargetsOptions(args: VerifyArguments): VerifyTargetsOptions {
  const { store, teachers, samples, seed, tolerance } = args;
  const { device, threads, workers } = runtimeOf(args);
  return {
    store,
    teachers,
    data: args.data === undefined ? undefined : dataOf(args),
    samples,
    seed,
    tolerance,
    device,
    threads,
    workers,
  };
}
