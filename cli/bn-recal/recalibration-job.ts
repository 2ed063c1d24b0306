import { TemperError } from '../../src/core/index.ts';
import { selectRows } from '../../src/data/index.ts';
import type { Model } from '../../src/onnx/index.ts';
import { candidateTransform } from '../avg-ckpt/candidate-images.ts';
import { openData } from '../shared/data-options.ts';
import { declaredInputs } from '../shared/model-inputs.ts';
import { note } from '../shared/output-options.ts';
import { batchOf, workersOf } from '../shared/runtime-options.ts';
import { modelInput } from '../shared/transform-options.ts';
import { viewOptions } from '../shared/view-options.ts';
import type { JobImages } from './recalibration.ts';
import { DEFAULT_SAMPLES, type RecalibrateArguments } from './recalibration-options.ts';

const FEW_SAMPLES = 1000;
/** Below, layers that a batch normalises by itself are biased by a percent and more. */
const SMALL_BATCH = 8;

function chooseRows(all: Uint32Array, samples: number, seed: number, key: (row: number) => string): Uint32Array {
  if (!Number.isSafeInteger(samples) || samples < 1) {
    throw new TemperError('USAGE', `--samples ${samples}: expected a whole number from 1`);
  }
  if (all.length <= samples) return all;
  const table = { length: all.length, labelled: false, sample: (i: number) => ({ key: key(all[i] as number) }) };
  return selectRows(table, { limit: samples, seed }).map((i) => all[i] as number);
}

/** Says each thing once: an image that is left out is met again in every pass. */
function once(say: (text: string) => void): (text: string) => void {
  const said = new Set<string>();
  return (text) => {
    if (!said.has(text)) say(text);
    said.add(text);
  };
}

/** The images that the options choose, and how they are shown to the model. The data set is open: the caller closes it. */
export async function prepare(model: Model, args: RecalibrateArguments, signal: AbortSignal): Promise<JobImages> {
  const say = (text: string): void => note(args, text);
  const seed = args.seed ?? 0;
  const { dataset, rows: all } = await openData(args, { labelled: false });
  const declared = declaredInputs(model);
  const views = viewOptions(args);
  const rows = chooseRows(all, args.samples ?? DEFAULT_SAMPLES, seed, (row) => dataset.sample(row).key);
  const batch = batchOf(args, [modelInput(declared, args.input).batch]);
  if (rows.length < FEW_SAMPLES)
    say(`${rows.length} images are few: from about 1000 on the statistics are near their best`);
  if (batch < SMALL_BATCH && args.method === 'batch') {
    say(`batches of ${batch} bias the deeper layers; use ${SMALL_BATCH} or more, better 32, or --method sequential`);
  }
  return {
    dataset,
    rows,
    transform: candidateTransform({ dataset, rows }, declared, args),
    views: views && { ...views, seed },
    batch,
    workers: workersOf(args),
    onBadImage: args['on-bad-image'],
    note: once(say),
    signal,
  };
}
