import { type Control, TemperError, version } from '../../core/index.ts';
import type { Model } from '../../onnx/index.ts';
import { mapSummary, type ProvedMap, type Values } from '../../snapshots/index.ts';
import type { StoredTensor } from '../output-layout.ts';
import type { Plan } from '../plan/plan.ts';
import { type Row, rowOver } from '../rows/row.ts';
import type { Sink } from '../stream.ts';
import { type PublishedOutput, publishOutputs } from '../write-outputs.ts';
import { type StateOptions, withStates } from './average-states.ts';
import {
  averageMappedInto,
  type MappedJob,
  mappedFiles,
  mappedSlots,
  mappedValues,
  storedEntries,
  withStatistics,
} from './mapped-outputs.ts';

/** Training checkpoints in a template, for averages that are made in memory, and then written. */
export interface MappedSnapshots {
  readonly plan: Plan;
  readonly template: Model;
  readonly map: ProvedMap;
  /** Tensors of the template that get new values. */
  readonly stored: readonly StoredTensor[];
  /** What writes a stored tensor of some rows, made from these snapshots alone. */
  readonly writer: (
    rows: readonly Row[],
    snapshots: readonly number[],
  ) => (slot: number, sinks: readonly Sink[]) => Promise<void>;
  /** Tensors of the state dict that a row makes, by key: what was folded, before it is folded. */
  readonly values: (row: Row, keys: Iterable<string>) => Promise<ReadonlyMap<string, Values>>;
  /** Writes rows into copies of the template, each whole or not at all. @throws TemperError as averageMappedInto; OUTPUT_* */
  readonly write: (
    rows: readonly Row[],
    paths: readonly string[],
    force: boolean,
    more: Pick<MappedJob, 'given' | 'chosenBy' | 'carried'>,
  ) => Promise<readonly PublishedOutput[]>;
}

/** The job with some of its checkpoints only. */
function restricted(job: MappedJob, rows: readonly Row[], snapshots: readonly number[]): MappedJob {
  const pick = <T>(values: readonly T[]): T[] => snapshots.map((i) => values[i] as T);
  return {
    ...job,
    tables: pick(job.tables),
    steps: pick(job.steps),
    rows: rows.map((row) => rowOver(row, pick(row.coefficients), (input) => snapshots.indexOf(input))),
    plan: { ...job.plan, tensors: job.plan.tensors.map((one) => ({ ...one, sources: pick(one.sources) })) },
  };
}

const noGraph = ([path]: readonly string[]): TemperError =>
  new TemperError('USAGE', `${path}: training checkpoints cannot be run without a graph`, {
    hint: 'Give an ONNX export of one of them: `template` model.onnx.',
    details: { path },
  });

/**
 * Opens checkpoints and a template, and proves its map: rows are then averages of the state dicts, put into the template, to the bit
 * as `averageCheckpoints` writes them.
 * @param planned told the plan before the map is searched for
 * @throws TemperError as averageCheckpoints with a template
 */
export function withMappedSnapshots<T>(
  paths: readonly string[],
  options: StateOptions,
  control: Control,
  planned: (plan: Plan) => void,
  use: (opened: MappedSnapshots) => Promise<T>,
): Promise<T> {
  const { bn = 'average', dtype, allowNonfinite = false } = options;
  return withStates(paths, options, control, (opened) => {
    const { plan, tables, tensors, graph } = opened;
    if (graph === undefined) throw noGraph(paths);
    planned(plan);
    return graph(({ template, prove }) => {
      const map = prove();
      const job: MappedJob = {
        ...{ tables, rows: plan.rows, bn, dtype, version, allowNonfinite, template, map },
        steps: plan.snapshots.map(({ step }) => step),
        plan: withStatistics(tensors, map, bn),
        summary: mapSummary(map),
        signal: control.signal,
      };
      return use({
        plan,
        template,
        map,
        stored: storedEntries(job).stored,
        writer: (rows, snapshots) => mappedSlots(restricted(job, rows, snapshots)),
        values(row, keys) {
          const used = [...row.coefficients.keys()].filter((i) => row.coefficients[i] !== 0);
          return mappedValues(restricted(job, [row], used), keys);
        },
        write(rows, outputs, force, more) {
          const whole = { ...job, ...more, rows };
          return publishOutputs(mappedFiles(whole), outputs, force, (files) => averageMappedInto(whole, files));
        },
      });
    });
  });
}
