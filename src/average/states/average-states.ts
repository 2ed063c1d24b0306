import type { FloatType } from '../../core/index.ts';
import { type Control, TemperError } from '../../core/index.ts';
import {
  type Candidate,
  candidatesOfFiles,
  dropEqualStates,
  openState,
  type StateChoice,
  type StateTable,
} from '../../snapshots/index.ts';
import { type AveragingRecord, averagedOutput, type PlanRecord, plannedAverages } from '../average-record.ts';
import { type AveragingOptions, withTables } from '../averaging-options.ts';
import { makeFolder, outputPaths, type Targets } from '../output-paths.ts';
import { type Plan, planRows } from '../plan/plan.ts';
import type { TensorRules } from '../tensor-plan.ts';
import { planStates, type StatePlan } from './plan-states.ts';
import { writeStates } from './write-states.ts';

export interface StateOptions extends AveragingOptions, Targets {
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
}

const ENDING = '.safetensors';

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

/** Opens checkpoints, plans over those that differ, and checks that they fit together. */
async function withStates<T>(
  paths: readonly string[],
  options: StateOptions,
  { note }: Control,
  use: (opened: OpenedStates) => T | Promise<T>,
): Promise<T> {
  const all: StateTable[] = [];
  try {
    for (const path of namedFirst([...new Set(paths)])) all.push(openState(path, { state: options.state }));
    const { kept, dropped } = options.allowDuplicates ? { kept: all, dropped: [] } : dropEqualStates(all);
    for (const { path, of, same } of dropped) note(`${path}: the same ${same} as ${of}; counted once`);
    const inOrder = paths.flatMap((path) => kept.find((table) => table.path === path) ?? []);
    const candidates = withFacts(candidatesOfFiles(inOrder.map(({ path }) => path)), inOrder);
    const plan = planRows(candidates, withTables(options));
    for (const text of plan.notes) note(text);
    const tables = plan.snapshots.map(({ file }) => inOrder.find(({ path }) => path === file) as StateTable);
    const tensors = planStates(tables, options.bn ?? 'average');
    for (const text of tensors.notes) note(text);
    return await use({ plan, tables, tensors });
  } finally {
    for (const table of all) table.close();
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
  return withStates(paths, options, control, ({ plan, tensors }) => ({
    averages: plannedAverages(plan),
    tensors: countsOf(tensors),
  }));
}

/**
 * Averages training checkpoints into a state dict: safetensors, with names and types as in the checkpoints.
 * @throws TemperError as averageCheckpoints
 */
export async function averageStates(
  paths: readonly string[],
  options: StateOptions,
  control: Control,
): Promise<AveragingRecord> {
  const { out, outDir, dtype, allowNonfinite = false, force = false, bn = 'average' } = options;
  if (out !== undefined && !out.endsWith(ENDING)) {
    throw new TemperError('USAGE', `\`out\` ${out}: an average of training checkpoints is a ${ENDING} file`, {
      hint: `Name it \`out\` ${out.replace(/\.[^./\\]*$/, '')}${ENDING}.`,
      details: { out },
    });
  }
  return withStates(paths, options, control, async ({ plan, tables, tensors }) => {
    const outputs = outputPaths(
      plan.rows.map(({ name }) => name),
      options,
      ENDING,
    );
    if (outDir !== undefined) makeFolder(outDir);
    const total = tables.reduce((sum, { files }) => sum + files.reduce((all, { size }) => all + size, 0), 0);
    const bar = control.progress('averaging', total);
    try {
      const written = await writeStates(
        {
          tables,
          steps: plan.snapshots.map(({ step }) => step),
          plan: tensors,
          bn,
          rows: plan.rows,
          dtype,
          allowNonfinite,
          signal: control.signal,
          onProgress: (done) => bar.update(done),
        },
        outputs,
        force,
      );
      return { outputs: written.map(averagedOutput), tensors: countsOf(tensors) };
    } finally {
      bar.end();
    }
  });
}
