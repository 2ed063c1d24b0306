import type { Control, JobControl } from '../core/index.ts';
import { evaluate } from '../evaluate/index.ts';
import { assertFixedBatch } from '../runtime/index.ts';
import type { FinishOptions } from './options.ts';
import { type FinishPlan, planOf } from './plan.ts';
import { type ReadRun, readRun } from './read.ts';
import { resolveSettings } from './resolve-settings.ts';
import { runtimeOf } from './steps/step.ts';
import { watchedBy } from './watched.ts';

/** Images that a first run is timed on. */
const TIMED_IMAGES = 256;

async function speedOf(read: ReadRun, control: Control): Promise<number | undefined> {
  const { settings, transform, split, graph, sets } = read;
  const { models } = await evaluate(
    {
      ...runtimeOf(read),
      models: [graph],
      data: { ...split.selecting, limit: Math.min(sets.val.images, 16 * TIMED_IMAGES) },
      transform,
      onBadImage: settings.onBadImage,
    },
    { signal: control.signal },
  );
  const speed = models[0]?.fields.img_s_end2end;
  return typeof speed === 'number' ? speed : undefined;
}

/**
 * Says what `finish` would do: its steps, how long they take by the speed of a first run on some images, how much memory and disk. Nothing
 * is written.
 * @throws TemperError as finish, but for outputs
 * @example
 * const plan = await planFinish({ inputs: ['run/'], val: { source: 'val/' }, outDir: 'finished/' });
 * console.log(plan.steps.map(({ step, text }) => [step, text]), plan.seconds);
 */
export async function planFinish(options: FinishOptions, control: JobControl = {}): Promise<FinishPlan> {
  assertFixedBatch(options, 'the statistics of BatchNormalization hang on it');
  const watched = watchedBy(control);
  const { settings, made, notes } = resolveSettings(options);
  for (const text of notes) watched.note(text);
  const read = await readRun(settings, made, watched);
  return planOf(read, await speedOf(read, watched));
}
