import { dirname } from 'node:path';
import type { Worker } from 'node:worker_threads';
import {
  type Control,
  checkOutputs,
  controlOf,
  type FloatType,
  type JobControl,
  makeFolder,
  version,
} from '../core/index.ts';
import type { Model } from '../onnx/index.ts';
import { type CarryOptions, configTargets, inherited, writeConfigs } from '../signature/index.ts';
import { findSnapshots, isAverage, type TemplateOptions, withModels } from '../snapshots/index.ts';
import { averageFiles } from './average-files.ts';
import {
  type AveragingRecord,
  averagedOutput,
  type PlanRecord,
  plannedAverages,
  tensorCounts,
} from './average-record.ts';
import { type AveragingOptions, type SnapshotOptions, type TensorOptions, tensorRules } from './averaging-options.ts';
import { endThreads, type Hashing, hashThreads, sizeAt } from './hash-files.ts';
import { beginHashing } from './hash-while-read.ts';
import { outputPaths, type Targets } from './output-paths.ts';
import { areCheckpoints, assertModelOptions, type FilePlan, planFiles } from './plan-files.ts';
import { chooseTemplate, planTensors, type TensorPlan } from './tensor-plan.ts';

/** What `averageCheckpoints` averages, how, and where it writes: `out` for one average, `outDir` for several. */
export interface AverageOptions
  extends SnapshotOptions,
    AveragingOptions,
    TensorOptions,
    Targets,
    TemplateOptions,
    CarryOptions {
  /** Of `writeConfig` and `embedPreprocessing`: see TransformOptions.config. @default what lies beside the newest snapshot */
  readonly config?: string | undefined;
  /** Storage type of the weights; a Cast leads back to the graph's type. @default as they are */
  readonly dtype?: FloatType | undefined;
  /** Carry NaN and Inf into the average. @default false */
  readonly allowNonfinite?: boolean | undefined;
  /** Replace outputs that exist. @default false */
  readonly force?: boolean | undefined;
}

interface Opened {
  readonly plan: FilePlan;
  readonly models: readonly Model[];
  readonly templateIndex: number;
  readonly tensors: TensorPlan;
  /** Of all files of the models, if it was asked for: it takes the second core from the first moment on. */
  readonly begun: Hashing | undefined;
}

/** Opens what a plan uses, and checks that it fits together. */
function withTensors<T>(
  plan: FilePlan,
  options: TensorOptions,
  { note, threads }: Pick<Control, 'note'> & { readonly threads?: readonly Worker[] },
  use: (opened: Opened) => T | Promise<T>,
): Promise<T> {
  return withModels(
    plan.snapshots.map(({ file }) => file),
    async (opened) => {
      const { models, hashing: begun } = threads
        ? beginHashing(opened, plan.rows.length, threads)
        : { models: opened, hashing: undefined };
      try {
        const templateIndex = chooseTemplate(models);
        const tensors = planTensors(models, templateIndex, tensorRules(options));
        for (const text of tensors.notes) note(text);
        for (const model of models.filter(isAverage)) note(`${model.path}: is itself an average that avg-ckpt wrote`);
        return await use({ plan, models, templateIndex, tensors, begun });
      } catch (error) {
        await begun?.cancel();
        throw error;
      }
    },
    plan.known,
  );
}

/** Bytes that averaging reads, external data too. */
const sizeOf = (models: readonly Model[]): number =>
  models.reduce(
    (sum, model) =>
      sum + model.source.size + model.externalLocations.reduce((all, at) => all + model.external(at).size, 0),
    0,
  );

/** Loaded for checkpoints alone: their readers and maps are a third of what averages are made with. */
const states = () => import('./states/average-states.ts');

/**
 * Plans averages and checks that the snapshots fit together; no weight is read and nothing is written.
 * @returns the averages with the weight of each snapshot
 * @throws TemperError as averageCheckpoints, but for outputs and values
 */
export async function planAverage(options: AverageOptions, control: JobControl = {}): Promise<PlanRecord> {
  const watched = controlOf(control);
  const found = findSnapshots(options, watched.note);
  if (areCheckpoints(found)) return (await states()).planStateAverages(found, options, watched);
  assertModelOptions(options);
  const plan = planFiles(found, options, options.allowDuplicates ?? false, watched.note);
  return withTensors(plan, options, { note: watched.note }, ({ tensors }) => ({
    averages: plannedAverages(plan),
    tensors: tensorCounts(tensors),
  }));
}

/**
 * Averages snapshots of one training run: SWA, EMA, power-function EMA, weighted, median, Model Stock. Several values of an
 * option are several averages, all made in one pass over the snapshots. Each output is a whole model, the newest snapshot's
 * bytes with averaged weights; its metadata_props say what it was made from. Training checkpoints (PyTorch, Lightning, safetensors)
 * give safetensors files, with names and types as in the checkpoints; with a `template`, an ONNX export of one of them, copies of it:
 * how its tensors follow from the state dict is found by value, and proved by reproducing it.
 *
 * Numerics: sums in float64, rounded once (float64 weights: in twice that). Memory: one block of each snapshot and output,
 * whatever the size of the models. Outputs appear whole or not at all.
 * @returns a record: `outputs[i]` holds path, SHA-256 and what metadata_props say of the average
 * @throws TemperError USAGE, INPUT_*, OUTPUT_*, FORMAT_*, UNSUPPORTED_*, MISMATCH_*, NUMERIC_*; the signal's reason
 * @example
 * await averageCheckpoints({ inputs: ['run/'], out: 'swa.onnx' });
 * const { outputs } = await averageCheckpoints({ inputs: ['run/'], sigmaRel: [0.05, 0.1], outDir: 'averages/' });
 * console.log(outputs.map(({ average, path, sha256 }) => [average, path, sha256]));
 */
export async function averageCheckpoints(options: AverageOptions, control: JobControl = {}): Promise<AveragingRecord> {
  const watched = controlOf(control);
  const found = findSnapshots(options, watched.note);
  if (areCheckpoints(found)) return (await states()).averageStates(found, options, watched);
  assertModelOptions(options);
  // They start while the plan is made.
  const threads = hashThreads(found.map(sizeAt));
  try {
    return await averageModels(found, threads, options, watched);
  } finally {
    await endThreads(threads);
  }
}

/** Averages ONNX models. */
function averageModels(
  found: readonly string[],
  threads: readonly Worker[],
  options: AverageOptions,
  watched: Control,
): Promise<AveragingRecord> {
  const { dtype, outDir, allowNonfinite = false, force = false } = options;
  const plan = planFiles(found, options, options.allowDuplicates ?? false, watched.note);
  const paths = outputPaths(
    plan.rows.map(({ name }) => name),
    options,
  );
  const opening = { note: watched.note, threads };
  return withTensors(plan, options, opening, async ({ models, templateIndex, tensors, begun }) => {
    if (outDir !== undefined) makeFolder(outDir);
    const template = models[templateIndex] as Model;
    const carrying = inherited(models, template, options);
    for (const text of carrying.notes) watched.note(text);
    const folders = new Map(paths.map((path) => [dirname(path), path]));
    const configs = [...folders.values()].flatMap((path) => configTargets(path, options));
    checkOutputs(
      configs,
      plan.snapshots.map(({ file }) => file),
      force,
    );
    const bar = watched.progress('averaging', sizeOf(models));
    try {
      const written = await averageFiles(
        {
          models,
          steps: plan.snapshots.map(({ step }) => step),
          templateIndex,
          plan: tensors,
          rules: tensorRules(options),
          rows: plan.rows,
          dtype,
          version,
          carried: carrying,
          begun,
          allowNonfinite,
          signal: watched.signal,
          onProgress: (done) => bar.update(done),
        },
        paths,
        force,
      );
      for (const path of folders.values()) writeConfigs(carrying, path, force);
      return { outputs: written.map(averagedOutput), tensors: tensorCounts(tensors) };
    } finally {
      bar.end();
    }
  });
}
