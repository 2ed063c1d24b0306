import type { NumberedBatch } from '../../src/batchnorm/index.ts';
import { TemperError } from '../../src/core/index.ts';
import { type Transform, loadBatches } from '../../src/data/index.ts';
import type { LabelledBatch } from '../../src/evaluate/index.ts';
import type { Tensor } from '../../src/runtime/index.ts';
import { type Replay, replay } from '../../src/search/index.ts';
import { type JobImages, numberedBatches } from '../bn-recal/recalibration.ts';
import type { EvaluateArguments } from '../eval-ckpt/evaluate-models.ts';
import type { ChosenData } from '../shared/data-options.ts';
import { workersOf } from '../shared/runtime-options.ts';
import { type DeclaredInputs, givenTransformOptions, transformFor } from '../shared/transform-options.ts';

/** The one transform of all candidates; none for data that is network input already. */
export function candidateTransform(
  { dataset }: ChosenData,
  declared: DeclaredInputs,
  args: EvaluateArguments,
): Transform | undefined {
  if (dataset.kind !== 'tensor') return transformFor(args, declared, args.input, 0, 1);
  const [given] = givenTransformOptions(args);
  if (given === undefined) return undefined;
  throw new TemperError('USAGE', `${dataset.source}: numbers ready for the network, --${given} has no use`, {
    hint: 'Leave the transform options out, or name a data set of images.',
  });
}

const copyOf = (tensor: Tensor): Tensor => ({ ...tensor, data: tensor.data.slice() });

/** How images are read: what both kinds of passes share. */
export interface PassSettings {
  readonly transform: Transform | undefined;
  readonly batch: number;
  readonly args: EvaluateArguments;
  readonly limitBytes: number;
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Labelled images, decoded and transformed once where they fit. */
export function labelledReplay(
  { dataset, rows }: ChosenData,
  { transform, batch, args, limitBytes, note, signal }: PassSettings,
): Promise<Replay<LabelledBatch>> {
  const said = new Set<string>();
  return replay<LabelledBatch>({
    limitBytes,
    arraysOf: ({ images }) => images.map(({ data }) => data),
    copy: (item) => ({ ...item, images: item.images.map(copyOf) }),
    async *load() {
      const loaded = loadBatches(dataset, {
        rows,
        transforms: transform ? [transform] : [],
        batch,
        workers: workersOf(args),
        onBadImage: args['on-bad-image'],
        quarantine({ key, error }) {
          if (!said.has(key)) note(`left out ${key}: ${error.message}`);
          said.add(key);
        },
      });
      for await (const { inputs, keys, labels } of loaded) {
        signal.throwIfAborted();
        yield { images: inputs as readonly Tensor[], keys, labels: labels ?? new Int32Array(keys.length) };
      }
    },
  });
}

/** Images for BatchNormalization statistics, decoded and transformed once where they fit. */
export function numberedReplay(job: JobImages, limitBytes: number): Promise<Replay<NumberedBatch>> {
  return replay<NumberedBatch>({
    limitBytes,
    arraysOf: ({ images }) => [images.data],
    copy: (item) => ({ ...item, images: copyOf(item.images) }),
    load: () => numberedBatches(job, { index: 0, count: 1 }),
  });
}
