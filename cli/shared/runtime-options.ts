import { availableParallelism } from 'node:os';
import type { Options } from 'yargs';
import {
  GRAPH_OPTIMIZATIONS,
  type GraphOptimization,
  openSession,
  parseDevice,
  type Session,
} from '../../src/runtime/index.ts';
import { grouped, wholeNumber } from './option-values.ts';

/** More decoding threads than this read no faster from one disk; each holds a decoder. */
const MAX_DEFAULT_WORKERS = 8;
const DEFAULT_BATCH = 64;

/** How models are run. */
export const RUNTIME = grouped('Runtime:', {
  device: { type: 'string', default: 'auto', describe: 'auto, cpu, cuda[:n] or webgpu' },
  threads: {
    type: 'string',
    describe: "The provider's threads (default: onnxruntime's)",
    coerce: wholeNumber('threads', 1),
  },
  workers: { type: 'string', describe: 'Decoding threads (default: the cores)', coerce: wholeNumber('workers', 1) },
  batch: {
    type: 'string',
    alias: ['b', 'batch-size'],
    describe: `Images of a batch (default: the model's, else ${DEFAULT_BATCH})`,
    coerce: wholeNumber('batch', 1),
  },
  input: { type: 'string', describe: 'The image input, where a model has several' },
  output: { type: 'string', describe: 'The class output, where a model has several' },
} as const satisfies Record<string, Options>);

/** For commands that run models as they are: those that rewrite graphs choose the level themselves. */
export const GRAPH_OPTIMIZATION = grouped('Runtime:', {
  'graph-optimization': {
    choices: GRAPH_OPTIMIZATIONS,
    default: 'all' as const,
    describe: "onnxruntime's graph optimization level",
  },
} as const satisfies Record<string, Options>);

export interface RuntimeArguments {
  readonly device: string;
  readonly threads?: number | undefined;
  readonly 'graph-optimization'?: GraphOptimization | undefined;
  readonly workers?: number | undefined;
  readonly batch?: number | undefined;
  readonly input?: string | undefined;
  readonly output?: string | undefined;
}

export function workersOf({ workers }: RuntimeArguments): number {
  return workers ?? Math.min(MAX_DEFAULT_WORKERS, availableParallelism());
}

/** The batch size: as asked for, or the largest that a model is fixed to; models fixed to less get it in pieces. */
export function batchOf({ batch }: RuntimeArguments, fixed: readonly (number | undefined)[]): number {
  return batch ?? Math.max(...fixed.map((size) => size ?? DEFAULT_BATCH));
}

/** Opens a session per model, and says what `auto` took. */
export async function openSessions(
  models: readonly string[],
  args: RuntimeArguments,
  say: (text: string) => void,
): Promise<Session[]> {
  const device = parseDevice(args.device);
  const options = {
    device,
    ...(args.threads === undefined ? {} : { threads: args.threads }),
    graphOptimization: args['graph-optimization'] ?? 'all',
  } as const;
  const opened = await Promise.allSettled(models.map((model) => openSession({ model, ...options })));
  const sessions = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = opened.find((result) => result.status === 'rejected');
  if (failed) {
    await Promise.all(sessions.map((session) => session.close()));
    throw failed.reason;
  }
  const [first] = sessions;
  if (first && device === 'auto')
    say(`running on ${first.provider}${first.refused.length > 0 ? ` (${first.refused[0]})` : ''}`);
  return sessions;
}
