import { existsSync } from 'node:fs';
import { type BatchNormLayer, type LevelDone, type LevelsFile, type MomentsRun, type Ran, assertSameRun, levelsDone, readLevelsFile, recalibrateSequentially, writeLevelsFile } from '../../src/batchnorm/index.ts';
import { TemperError, openFile } from '../../src/core/index.ts';
import type { Model } from '../../src/onnx/index.ts';
import { parseDevice } from '../../src/runtime/index.ts';
import { note } from '../shared/output-options.ts';
import { progress } from '../shared/progress.ts';
import { type Collected, ONE_WORKER } from './batch-pass.ts';
import { jobSettings } from './moments-job.ts';
import { type JobImages, numberedBatches } from './recalibration.ts';
import type { RecalibrateArguments } from './recalibration-options.ts';

/** Where the levels that are done are kept until the output is written. */
export const levelsPath = (out: string): string => `${out}.levels`;

type JobSettings = Omit<MomentsRun, 'provider' | 'onnxruntime'>;

const OTHER_JOB = 'Repeat the command that began it, or delete the file to begin with the first level.';

/** What an interrupted run left, if it is of this job. @throws TemperError FORMAT_*; MISMATCH_VALUE if it is of another */
function leftOver(path: string, settings: JobSettings, say: (text: string) => void): LevelsFile | undefined {
  if (!existsSync(path)) return undefined;
  const source = openFile(path);
  let file: LevelsFile;
  try {
    file = readLevelsFile(source);
  } finally {
    source.close();
  }
  const { provider, onnxruntime, processor } = file.run;
  assertSameRun({ path: 'this command', run: { ...settings, provider, onnxruntime } }, file, OTHER_JOB);
  if (processor !== settings.processor) {
    say(`${path} was measured on ${processor}, and this is ${settings.processor}: bytes may differ by roundings`);
  }
  return file;
}

/** The progress of several passes, each of which counts from 0. */
function passProgress(layers: number, total: number, quiet: boolean): { update(images: number): void; end(): void } {
  const bar = progress(`recalibrating ${layers} layers`, total, quiet);
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

/**
 * `--method sequential`: one pass for each level. After each, the levels that are done are published beside the output, from
 * where the same command goes on after a kill.
 */
export async function sequentialPasses(
  model: Model,
  layers: readonly BatchNormLayer[],
  job: JobImages,
  args: RecalibrateArguments & { readonly out: string },
): Promise<Collected> {
  const say = (text: string): void => note(args, text);
  const path = levelsPath(args.out);
  const settings = await jobSettings(model, layers, job);
  const runOn = ({ provider, onnxruntime }: Pick<MomentsRun, 'provider' | 'onnxruntime'>): MomentsRun => ({
    ...settings,
    provider,
    onnxruntime,
  });
  const file = leftOver(path, settings, say);
  const done = file ? levelsDone(file, layers) : [];
  const levels = new Set(layers.map(({ level }) => level)).size;
  if (file) say(`${done.length} of ${levels} levels are in ${path}: going on from there`);

  const keep = (level: LevelDone, ran: Ran): void => {
    const run = runOn(ran);
    if (file) assertSamePass({ run, images: ran.images }, file);
    done.push(level);
    writeLevelsFile(path, run, ran.images, done);
  };
  const total = job.rows.length * (job.views?.count ?? 1) * (levels - done.length);
  const bar = passProgress(layers.length, total, args.quiet);
  try {
    const options = {
      device: parseDevice(args.device),
      threads: args.threads,
      batches: () => numberedBatches(job, ONE_WORKER),
      onProgress: (images: number) => bar.update(images),
    };
    const { measured, ran } = await recalibrateSequentially(model, layers, options, [...done], keep);
    const images = ran?.images ?? file?.images;
    const on = ran ?? file?.run;
    if (images === undefined || on === undefined) throw new Error('a model with layers has levels');
    const { processor: _, ...run } = runOn(on);
    return { measured, run, images };
  } catch (error) {
    if (done.length > 0)
      say(`${done.length} of ${levels} levels are kept in ${path}: the same command goes on from there`);
    throw error;
  } finally {
    bar.end();
  }
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
