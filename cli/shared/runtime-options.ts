import type { Options } from 'yargs';
import { MOST } from '../../src/core/index.ts';
import type { Device, GraphOptimization, RuntimeOptions } from '../../src/runtime/index.ts';
import { grouped, wholeNumber } from './option-values.ts';

const GRAPH_OPTIMIZATIONS = [
  'disabled',
  'basic',
  'extended',
  'layout',
  'all',
] as const satisfies readonly GraphOptimization[];

const AUTO = 'auto';

/** How models are run. */
export const RUNTIME = grouped('Runtime:', {
  device: { type: 'string', default: 'auto', describe: 'auto, cpu, cuda[:n] or webgpu' },
  tf32: {
    choices: ['on', 'off'] as const,
    describe: 'On CUDA, multiply float32 with 10 bits of mantissa: faster, other numbers (default: off)',
  },
  threads: {
    type: 'string',
    describe: "The provider's threads (default: onnxruntime's)",
    coerce: wholeNumber('threads', 1, MOST.threads),
  },
  workers: {
    type: 'string',
    alias: 'j',
    describe: 'Decoding threads (default: the cores)',
    coerce: wholeNumber('workers', 1, MOST.workers),
  },
  batch: {
    type: 'string',
    alias: ['b', 'batch-size'],
    describe: "Images of a batch (default: the model's, else 64), or auto: that, and half where memory runs out",
    coerce: (value: unknown) => (value === AUTO ? AUTO : wholeNumber('batch', 1, MOST.batch)(value)),
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

interface RuntimeArguments {
  readonly device: string;
  readonly tf32?: 'on' | 'off' | undefined;
  readonly threads?: number | undefined;
  readonly workers?: number | undefined;
  readonly batch?: number | typeof AUTO | undefined;
  readonly input?: string | undefined;
  readonly output?: string | undefined;
}

/** A device, whatever its case, with TF32 or without; its number is checked where it is used. */
function deviceOf(text: string, tf32: RuntimeArguments['tf32']): Device {
  const lower = text.toLowerCase();
  const device = lower === 'gpu' ? 'cuda' : lower;
  return (tf32 === 'on' && !device.endsWith('+tf32') ? `${device}+tf32` : device) as Device;
}

/** How models are run, as a job takes it. */
export function runtimeOf({ device, tf32, threads, workers, batch, input, output }: RuntimeArguments): RuntimeOptions {
  return {
    device: deviceOf(device, tf32),
    ...{ threads, workers, input, output },
    batch: batch === AUTO ? undefined : batch,
    ...(batch === AUTO ? { halveBatch: true } : {}),
  };
}
