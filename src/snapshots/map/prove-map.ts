import { TemperError } from '../../core/index.ts';
import type { Model } from '../../onnx/index.ts';
import type { StateTable } from '../state-table.ts';
import { alignKeys, assertMapped } from './align-keys.ts';
import { hashOf } from './fingerprint.ts';
import { makeMap, type StateMap } from './make-map.ts';
import { stateFloats } from './state-values.ts';
import { type TemplateTensor, templatePrint, templateTensors, templateValues } from './template-tensors.ts';
import { floatOf, rounded } from './values.ts';

/** Tensors that are looked for to tell checkpoints apart: some small ones, read in no time. */
const SAMPLED = 24;
const LARGEST_SAMPLE = 1 << 12;
const SMALLEST_SAMPLE = 4;

/** Small tensors of different numbers, the largest first: weights rather than settings. */
function samplesOf(template: Model): readonly TemplateTensor[] {
  return templateTensors(template)
    .filter(({ count, used }) => used && count >= SMALLEST_SAMPLE && count <= LARGEST_SAMPLE)
    .sort((a, b) => b.count - a.count)
    .filter((tensor) => !templatePrint(template, tensor).uniform)
    .slice(0, SAMPLED);
}

/** How many of a template's samples a checkpoint holds. */
function held(template: Model, samples: readonly TemplateTensor[], table: StateTable): number {
  const counts = new Set(samples.map(({ count }) => count));
  const prints = new Map<string, Set<string>>();
  for (const { name, type, dims } of table.tensors.values()) {
    const float = floatOf(type);
    if (float === undefined || !counts.has(dims.reduce((product, dim) => product * dim, 1))) continue;
    prints.set(float, (prints.get(float) ?? new Set<string>()).add(hashOf(stateFloats(table, name))));
  }
  return samples.filter((tensor) => {
    const values = templateValues(template, tensor);
    return [...prints].some(([type, known]) => known.has(hashOf(rounded(values, type as TemplateTensor['type']))));
  }).length;
}

export interface ProvedMap extends StateMap {
  /** The checkpoint that the template was exported from. */
  readonly reference: StateTable;
}

interface Proved extends ProvedMap {
  /** The same with the names of the checkpoints that are averaged. */
  readonly aligned: StateTable;
}

const isMismatch = (error: unknown): error is TemperError =>
  error instanceof TemperError && error.code === 'MISMATCH_TENSOR';

/** The checkpoint of some that a template was exported from, with its map; else what kept the nearest from being it. */
function proved(
  template: Model,
  samples: readonly TemplateTensor[],
  candidates: readonly StateTable[],
  tables: readonly StateTable[],
): Proved | TemperError | undefined {
  const scored = candidates.map((table) => ({
    table,
    score: candidates.length === 1 ? 0 : held(template, samples, table),
  }));
  const most = Math.max(...scored.map(({ score }) => score));
  let nearest: TemperError | undefined;
  for (const { table, score } of scored) {
    if (score < most) continue;
    const [first = table] = tables;
    const aligned = alignKeys(table, first);
    try {
      const others = tables.filter((other) => other !== table);
      const map = makeMap(template, aligned, others);
      return { ...map, reference: table, aligned };
    } catch (error) {
      if (!isMismatch(error)) throw error;
      nearest ??= error;
    }
  }
  return nearest;
}

/**
 * Finds the checkpoint that a template was exported from, and proves the map on it.
 * @param candidates the checkpoints that it may be, the likeliest first, in rounds: a round is opened where those before it fail
 * @param tables the checkpoints that the map will be used on
 * @throws TemperError MISMATCH_TENSOR if it is none of them, with what comes nearest; and as makeMap
 */
export function proveMap(
  template: Model,
  candidates: readonly (() => readonly StateTable[])[],
  tables: readonly StateTable[],
): ProvedMap {
  const samples = samplesOf(template);
  let nearest: TemperError | undefined;
  let count = 0;
  for (const round of candidates) {
    const among = round();
    if (among.length === 0) continue;
    count += among.length;
    const found = proved(template, samples, among, tables);
    if (found !== undefined && !(found instanceof TemperError)) {
      for (const table of tables) assertMapped(found, found.aligned, table);
      return found;
    }
    nearest ??= found;
  }
  if (nearest === undefined) throw new RangeError('no checkpoint is named');
  if (count === 1) throw nearest;
  throw new TemperError(
    'MISMATCH_TENSOR',
    `${template.path}: is no export of any of ${count} state dicts; the nearest: ${nearest.message}`,
    { ...(nearest.hint === undefined ? {} : { hint: nearest.hint }), details: nearest.details, cause: nearest },
  );
}
