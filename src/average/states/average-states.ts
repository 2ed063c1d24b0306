import type { FloatType } from '../../core/index.ts';
import { type Control, makeFolder, TemperError, version } from '../../core/index.ts';
import type { Model } from '../../onnx/index.ts';
import {
  type Candidate,
  candidatesOfFiles,
  dropEqualStates,
  isCheckpoint,
  isModel,
  mapRows,
  mapSummary,
  openState,
  type ProvedMap,
  type StateChoice,
  type StateTable,
  type TemplateOptions,
  withTemplate,
} from '../../snapshots/index.ts';
import { type AveragingRecord, averagedOutput, type PlanRecord, plannedAverages } from '../average-record.ts';
import { type AveragingOptions, withTables } from '../averaging-options.ts';
import { hashFiles } from '../hash-files.ts';
import { outputPaths, type Targets } from '../output-paths.ts';
import { type Plan, planRows } from '../plan/plan.ts';
import type { TensorRules } from '../tensor-plan.ts';
import { filesOf, type PublishedOutput, publishOutputs } from '../write-outputs.ts';
import { averageMappedInto, mappedFiles, withStatistics } from './mapped-outputs.ts';
import { type MixedStates, withMixed } from './mixed-states.ts';
import { planStates, type StatePlan } from './plan-states.ts';
import { writeStates } from './write-states.ts';

export interface StateOptions extends AveragingOptions, Targets, TemplateOptions {
  readonly state?: StateChoice | undefined;
  readonly allowDuplicates?: boolean | undefined;
  readonly bn?: TensorRules['bn'] | undefined;
  readonly dtype?: FloatType | undefined;
  readonly allowNonfinite?: boolean | undefined;
  readonly force?: boolean | undefined;
}

interface OpenedStates {
  readonly plan: Plan;
  readonly tables: readonly StateTable[];
  readonly tensors: StatePlan;
  /** Proves the map into the graph that averages go into; undefined where there is none. */
  readonly graph:
    | (<T>(
        use: (opened: { readonly template: Model; readonly prove: () => ProvedMap }) => T | Promise<T>,
      ) => Promise<T>)
    | undefined;
}

const ENDING = '.safetensors';

/** What is no ONNX model, the reader of checkpoints tells what it is. */
const isState = (path: string): boolean => isCheckpoint(path) || !isModel(path);

/** Steps as all checkpoints say them inside, which is surer than their names: global steps, else epochs. */
function withFacts(candidates: readonly Candidate[], tables: readonly StateTable[]): Candidate[] {
  const unit = tables.every(({ step }) => step !== undefined)
    ? 'step'
    : tables.every(({ epoch }) => epoch !== undefined)
      ? 'epoch'
      : undefined;
  return candidates.map((candidate, i) => {
    const { metric, step, epoch } = tables[i] as StateTable;
    const counted = unit === undefined ? {} : { unit, step: unit === 'step' ? step : epoch };
    return { ...candidate, ...counted, metric } as Candidate;
  });
}

/** Those whose names say a step first: of equal ones they stay. */
function namedFirst(paths: readonly string[]): string[] {
  const step = new Map(candidatesOfFiles(paths).map((one) => [one.file, one.step]));
  const order = (path: string): number => Number(step.get(path) === undefined);
  return paths.toSorted((a, b) => order(a) - order(b));
}

/** Plans over those that differ, and checks that they fit together. */
async function planTables<T>(
  paths: readonly string[],
  all: readonly StateTable[],
  mixed: MixedStates | undefined,
  options: StateOptions,
  control: Control,
  use: (opened: OpenedStates) => T | Promise<T>,
): Promise<T> {
  const { note } = control;
  const { kept, dropped } = options.allowDuplicates ? { kept: all, dropped: [] } : dropEqualStates(all);
  for (const { path, of, same } of dropped) note(`${path}: the same ${same} as ${of}; counted once`);
  const inOrder = paths.flatMap((path) => kept.find((table) => table.path === path) ?? []);
  const candidates = withFacts(candidatesOfFiles(inOrder.map(({ path }) => path)), inOrder);
  const plan = planRows(candidates, withTables(options));
  for (const text of plan.notes) note(text);
  const tables = plan.snapshots.map(({ file }) => inOrder.find(({ path }) => path === file) as StateTable);
  const tensors = planStates(tables, options.bn ?? 'average');
  for (const text of tensors.notes) note(text);
  const { template } = options;
  const graph: OpenedStates['graph'] = mixed
    ? async (use) => use({ template: mixed.template, prove: () => mixed.map })
    : template === undefined
      ? undefined
      : (use) => withTemplate({ ...options, template }, { tables, all: inOrder }, control, use);
  return use({ plan, tables, tensors, graph });
}

/** Opens checkpoints, and ONNX files among them, plans over those that differ, and checks that they fit together. */
export async function withStates<T>(
  paths: readonly string[],
  options: StateOptions,
  control: Control,
  use: (opened: OpenedStates) => T | Promise<T>,
): Promise<T> {
  const opened: Pick<StateTable, 'close'>[] = [];
  const keep = <O extends Pick<StateTable, 'close'>>(one: O): O => {
    opened.push(one);
    return one;
  };
  try {
    const distinct = namedFirst([...new Set(paths)]);
    const checkpoints = distinct.filter(isState).map((path) => keep(openState(path, { state: options.state })));
    if (checkpoints.length === distinct.length)
      return await planTables(paths, checkpoints, undefined, options, control, use);
    return await withMixed(distinct, checkpoints, options, control, keep, (mixed) =>
      planTables(paths, mixed.tables, mixed, options, control, use),
    );
  } finally {
    for (const one of opened) one.close();
  }
}

const countsOf = ({ tensors, roles }: StatePlan) => ({
  averaged: tensors.filter(({ type }) => type !== undefined).length,
  roles: Object.fromEntries(roles),
});

/** What {@link averageStates} would do; no weight is averaged, nothing is written. */
export function planStateAverages(
  paths: readonly string[],
  options: StateOptions,
  control: Control,
): Promise<PlanRecord> {
  return withStates(paths, options, control, (opened) => {
    const { graph } = opened;
    const planned = { averages: plannedAverages(opened.plan), tensors: countsOf(opened.tensors) };
    if (graph === undefined) return planned;
    return graph(({ prove }) => ({ ...planned, map: mapRows(prove()) }));
  });
}

/** @throws TemperError USAGE for an output that is called like another kind of file */
function checkEnding({ out }: StateOptions, intoGraph: boolean): void {
  if (out === undefined) return;
  const isState = out.endsWith(ENDING);
  if (isState !== intoGraph) return;
  const stem = out.replace(/\.[^./\\]*$/, '');
  const [what, hint] = isState
    ? ['an average that is put into a template is an .onnx file', `Name it \`out\` ${stem}.onnx.`]
    : [
        `an average of training checkpoints is a ${ENDING} file`,
        `Name it \`out\` ${stem}${ENDING}, or give an ONNX export of one of them: \`template\` model.onnx.`,
      ];
  throw new TemperError('USAGE', `\`out\` ${out}: ${what}`, { hint, details: { out } });
}

/** Writes all averages of a job: safetensors, or copies of the template. */
async function writeAverages(
  opened: OpenedStates,
  options: StateOptions,
  outputs: readonly string[],
  control: Control,
): Promise<readonly PublishedOutput[]> {
  const { plan, tables, tensors, graph } = opened;
  const { dtype, allowNonfinite = false, force = false, bn = 'average' } = options;
  const bar = control.progress(
    'averaging',
    tables.reduce((sum, { files }) => sum + files.reduce((all, { size }) => all + size, 0), 0),
  );
  const job = {
    tables,
    steps: plan.snapshots.map(({ step }) => step),
    plan: tensors,
    bn,
    rows: plan.rows,
    dtype,
    version,
    allowNonfinite,
    signal: control.signal,
    onProgress: (done: number) => bar.update(done),
  };
  try {
    if (graph === undefined) return await writeStates(job, outputs, force);
    return await graph(async ({ template, prove }) => {
      // Proving the map takes about as long as a share of the hashing.
      const begun = hashFiles([...tables.flatMap(({ files }) => files), ...filesOf(template)]);
      try {
        const map = prove();
        const plan = withStatistics(tensors, map, bn);
        const mapped = { ...job, plan, template, map, summary: mapSummary(map), begun };
        return await publishOutputs(mappedFiles(mapped), outputs, force, (files) => averageMappedInto(mapped, files));
      } catch (error) {
        await begun.cancel();
        throw error;
      }
    });
  } finally {
    bar.end();
  }
}

/**
 * Averages training checkpoints: into a state dict (safetensors, with names and types as in the checkpoints), or into copies of a template.
 * @throws TemperError as averageCheckpoints
 */
export async function averageStates(
  paths: readonly string[],
  options: StateOptions,
  control: Control,
): Promise<AveragingRecord> {
  const { outDir, template } = options;
  const intoGraph = template !== undefined || !paths.every(isState);
  checkEnding(options, intoGraph);
  return withStates(paths, options, control, async (opened) => {
    const outputs = outputPaths(
      opened.plan.rows.map(({ name }) => name),
      options,
      intoGraph ? '.onnx' : ENDING,
    );
    if (outDir !== undefined) makeFolder(outDir);
    const written = await writeAverages(opened, options, outputs, control);
    return { outputs: written.map(averagedOutput), tensors: countsOf(opened.tensors) };
  });
}
