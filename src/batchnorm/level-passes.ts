import { existsSync } from 'node:fs';
import { openFile, type Progress, TemperError } from '../core/index.ts';
import { sessionOptions } from '../runtime/index.ts';
import type { Collected, Measurement } from './batch-pass.ts';
import type { Reference } from './folded/reference.ts';
import { numberedBatches, ONE_WORKER } from './job-images.ts';
import { type LevelsFile, levelsDone, readLevelsFile, writeLevelsFile } from './levels-file.ts';
import { type LevelDone, type Ran, recalibrateSequentially } from './measure.ts';
import { assertSameRun, type MomentsRun, type RunSettings } from './moments-run.ts';

/** Where the levels that are done are kept until the output is written. */
export const levelsPath = (out: string): string => `${out}.levels`;

const OTHER_JOB = 'Repeat the command that began it, or delete the file to begin with the first level.';

function readLeftOver(path: string): LevelsFile | undefined {
  if (!existsSync(path)) return undefined;
  const source = openFile(path);
  try {
    return readLevelsFile(source);
  } finally {
    source.close();
  }
}

/** The goals that an interrupted run left. @throws TemperError FORMAT_* */
export const leftReference = (path: string): Reference | undefined => readLeftOver(path)?.reference;

/** What an interrupted run left, if it is of this job. @throws TemperError FORMAT_*; MISMATCH_VALUE if it is of another */
function leftOver(path: string, settings: RunSettings, note: (text: string) => void): LevelsFile | undefined {
  const file = readLeftOver(path);
  if (!file) return undefined;
  const { provider, onnxruntime, processor } = file.run;
  assertSameRun({ path: 'this command', run: { ...settings, provider, onnxruntime } }, file, OTHER_JOB);
  if (processor !== settings.processor)
    note(`${path} was measured on ${processor}, and this is ${settings.processor}: bytes may differ by roundings`);
  return file;
}

/** The progress of several passes, each of which counts from 0. */
function overPasses(bar: Progress): Progress {
  let [before, last] = [0, 0];
  return {
    update(images) {
      if (images < last) before += last;
      last = images;
      bar.update(before + images);
    },
    end: () => bar.end(),
  };
}

/** Only a pass tells its provider, and what images could be decoded. */
function assertSamePass(pass: { readonly run: MomentsRun; readonly images: number }, file: LevelsFile): void {
  assertSameRun({ path: 'this command', run: pass.run }, file, OTHER_JOB);
  if (pass.images === file.images) return;
  throw new TemperError(
    'MISMATCH_VALUE',
    `${file.path}: its levels are of ${file.images} images, but this command has ${pass.images}`,
    { hint: OTHER_JOB, details: { path: file.path, found: file.images, expected: pass.images } },
  );
}

/**
 * `method` sequential: one pass for each level. After each, the levels that are done are published beside the output, from
 * where the same job goes on after a kill.
 */
export async function levelPasses(
  { model, layers, images, settings, runtime, control }: Measurement,
  out: string,
): Promise<Collected> {
  const { note } = control;
  const path = levelsPath(out);
  const runOn = ({ provider, onnxruntime }: Pick<MomentsRun, 'provider' | 'onnxruntime'>): MomentsRun => ({
    ...settings,
    provider,
    onnxruntime,
  });
  const file = leftOver(path, settings, note);
  const done = file ? levelsDone(file, layers) : [];
  const levels = new Set(layers.map(({ level }) => level)).size;
  if (file) note(`${done.length} of ${levels} levels are in ${path}: going on from there`);

  const keep = (level: LevelDone, ran: Ran): void => {
    const run = runOn(ran);
    if (file) assertSamePass({ run, images: ran.images }, file);
    done.push(level);
    writeLevelsFile(path, run, ran.images, done, layers);
  };
  const total = images.rows.length * (images.views?.count ?? 1) * (levels - done.length);
  const bar = overPasses(control.progress(`recalibrating ${layers.length} layers`, total));
  try {
    const options = {
      ...sessionOptions(runtime),
      batches: () => numberedBatches(images, ONE_WORKER),
      onProgress: (seen: number) => bar.update(seen),
    };
    const { measured, ran } = await recalibrateSequentially(model, layers, options, [...done], keep);
    const seen = ran?.images ?? file?.images;
    const on = ran ?? file?.run;
    if (seen === undefined || on === undefined) throw new Error('a model with layers has levels');
    const { processor: _, ...run } = runOn(on);
    return { measured, run, images: seen };
  } catch (error) {
    if (done.length > 0)
      note(`${done.length} of ${levels} levels are kept in ${path}: the same command goes on from there`);
    throw error;
  } finally {
    bar.end();
  }
}
