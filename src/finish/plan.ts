import { DEFAULT_SAMPLES } from '../batchnorm/index.ts';
import { sizeName } from '../resolution/index.ts';
import { DEFAULT_MEMORY_BYTES, expectedWork, linearRecipes } from '../search/index.ts';
import { candidatesOf } from '../snapshots/index.ts';
import type { ReadRun } from './read.ts';
import { STEPS } from './steps/index.ts';
import type { StepName } from './steps/step.ts';

/** What a step would do. */
interface PlannedStep {
  readonly step: StepName | 'report';
  readonly text: string;
  /** Passes of an image through the network, in passes at the train size. */
  readonly passes: number;
}

/** What a run would do: nothing was run. */
export interface FinishPlan {
  readonly snapshots: readonly string[];
  readonly images: { readonly choosing: number; readonly reporting: number; readonly train: number };
  readonly steps: readonly PlannedStep[];
  readonly passes: number;
  /** By the speed of a first run on some images; absent where nothing was run. */
  readonly seconds: number | undefined;
  /** Most at a time: snapshots and images in memory, and a few models. */
  readonly memoryBytes: number;
  /** In the work folder, until the end, and of the outputs. */
  readonly diskBytes: number;
}

/** Work files, and a report. */
const TEXT_BYTES = 4 * 2 ** 20;

const trainImages = ({ settings, sets }: ReadRun): number =>
  settings.bn && sets.train ? Math.min(sets.train.images, settings.train?.limit ?? DEFAULT_SAMPLES) : 0;

function planAverage(read: ReadRun): PlannedStep {
  const { settings, snapshots, sets } = read;
  const families = settings.include;
  const recipes = linearRecipes(candidatesOf(snapshots.map(({ file }) => ({ file, mtimeMs: 0 }))), {
    families,
    note: () => {},
  });
  const train = trainImages(read);
  const forms = train > 0 ? (['average', 'recalibrate'] as const) : (['average'] as const);
  const { total, text } = expectedWork(recipes, new Set(families), snapshots.length, forms);
  const statistics = train > 0 ? (total / forms.length) * train : 0;
  const passes = total * sets.selecting.images + statistics + 5 * sets.judging.images;
  return { step: 'average', text: `${text}, on ${sets.selecting.images} images`, passes };
}

/** Sides over the train size, squared. */
function area(size: ReadRun['settings']['sizes'][number], train: NonNullable<ReadRun['trainSize']>): number {
  if (typeof size === 'object' && 'ratio' in size) return size.ratio ** 2;
  const of = (one: typeof train): number => (typeof one === 'number' ? one ** 2 : one.height * one.width);
  return of(size) / of(train);
}

function planSizes(read: ReadRun): PlannedStep {
  const { settings, trainSize, sets } = read;
  if (trainSize === undefined) throw new Error('sizes without a train size');
  const train = trainImages(read);
  const areas = [...settings.sizes.map((size) => area(size, trainSize)), 1];
  const sum = areas.reduce((all, one) => all + one, 0);
  const passes = sum * ((train > 0 ? 2 : 1) * sets.choosing.images + train);
  const forms = train > 0 ? ', each with its own statistics too' : '';
  return { step: 'size', text: `${areas.length - 1} sizes beside ${sizeName(trainSize)} px${forms}`, passes };
}

const EPOCH_VIEWS = 4;

const PLANS: Readonly<Record<StepName, (read: ReadRun) => PlannedStep>> = {
  average: planAverage,
  size: planSizes,
  fix_res: ({ sets }) => ({
    step: 'fix_res',
    text: `the last layers, tuned on ${sets.train?.images ?? 0} images in ${EPOCH_VIEWS} views`,
    passes: EPOCH_VIEWS * (sets.train?.images ?? 0) + 4 * sets.judging.images,
  }),
  calibration: ({ sets }) => ({
    step: 'calibration',
    text: `a temperature, fitted on ${sets.selecting.images} images, judged on ${sets.judging.images}`,
    passes: sets.choosing.images + sets.judging.images,
  }),
};

/** What would be done, how much work it is, how much memory and disk it takes. Pure. @param speed images a second, end to end */
export function planOf(read: ReadRun, speed?: number): FinishPlan {
  const { settings, snapshots, sets, graphBytes } = read;
  const on = STEPS.filter((step) => step.isOn(read));
  const report: PlannedStep = {
    step: 'report',
    text: `the last snapshot and what each step gave, once, on ${sets.reporting.images} images`,
    passes: (on.length + 1) * sets.reporting.images,
  };
  const steps = [...on.map(({ name }) => PLANS[name](read)), report];
  const passes = Math.round(steps.reduce((sum, step) => sum + step.passes, 0));
  return {
    snapshots: snapshots.map(({ file }) => file),
    images: { choosing: sets.choosing.images, reporting: sets.reporting.images, train: trainImages(read) },
    steps,
    passes,
    seconds: speed === undefined ? undefined : passes / speed,
    memoryBytes: (settings.memory ?? DEFAULT_MEMORY_BYTES) + 4 * graphBytes,
    diskBytes: (on.length + 3) * graphBytes + TEXT_BYTES,
  };
}
