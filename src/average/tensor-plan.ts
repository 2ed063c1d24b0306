import { TemperError } from '../core/index.ts';
import {
  asFloatType,
  classifyTensors,
  dataTypeName,
  duplicateValue,
  findDataType,
  foldedNorms,
  KEEP_NORMS,
  type Model,
  matchGraphs,
  samePayload,
  type TensorRecord,
  type TensorRole,
  trainingNode,
} from '../onnx/index.ts';
import { type AveragedTensor, storedIn } from './averaged-tensor.ts';
import { planQuantized } from './quantized/plan-quantized.ts';

/** How the snapshots' tensors become one. */
export interface TensorRules {
  /** BatchNormalization's running mean and variance: averaged like weights, or the last snapshot's. */
  readonly bn: 'average' | 'last';
  /** Integers that differ (num_batches_tracked): an error, or the last snapshot's. */
  readonly onIntMismatch: 'error' | 'last';
  /** Tensors are paired by place of use; `name` also demands equal names, `graph` does not report other names. */
  readonly match: 'auto' | 'name' | 'graph';
  /** Quantized weights that differ: quantized again (default), or written as floats. */
  readonly quantized?: 'requantize' | 'float' | undefined;
}

export interface TensorPlan {
  /** Everything else of the template is carried over, and was found equal in every snapshot. */
  readonly tensors: readonly AveragedTensor[];
  /** Counts of the template's tensors by role. */
  readonly roles: ReadonlyMap<TensorRole, number>;
  readonly notes: readonly string[];
}

const AVERAGED: ReadonlySet<TensorRole> = new Set(['weight', 'bn_mean', 'bn_variance', 'unused']);
const STATISTICS: ReadonlySet<TensorRole> = new Set(['bn_mean', 'bn_variance']);
const QUANTIZED: ReadonlySet<TensorRole> = new Set(['quantized_weight', 'quantization_scale', 'zero_point']);

/** The role that decides: the first one that is not averaged, as a value with two uses must serve both. */
function decisiveRole(roles: ReadonlySet<TensorRole>): TensorRole {
  const list = [...roles];
  return (
    list.find((role) => !AVERAGED.has(role)) ?? list.find((role) => !STATISTICS.has(role)) ?? (list[0] as TensorRole)
  );
}

/** The snapshot whose bytes the outputs keep: the one with most initializers (exporters merge equal ones), the last of several. */
export function chooseTemplate(models: readonly Model[]): number {
  let best = 0;
  models.forEach((model, i) => {
    const count = (m: Model): number => m.record.graph.initializers.length;
    if (count(model) >= count(models[best] as Model)) best = i;
  });
  return best;
}

function valueMismatch(name: string, role: TensorRole, tensor: TensorRecord, a: Model, b: Model): TemperError {
  const label = `tensor ${JSON.stringify(name)} (${role.replace(/_/g, ' ')}, ${dataTypeName(tensor.dataType)} [${tensor.dims}])`;
  const details = { path: b.path, template: a.path, tensor: name, role };
  if (QUANTIZED.has(role)) {
    return new TemperError(
      'UNSUPPORTED_QUANTIZED',
      `${b.path}: ${label} differs from ${a.path}: averaging integer codes that have different scales gives wrong weights`,
      { hint: 'Average the float snapshots, then quantize the average.', details },
    );
  }
  const integer = findDataType(tensor.dataType)?.kind === 'integer' && tensor.carrier === 'tensor';
  return new TemperError(
    'MISMATCH_VALUE',
    `${b.path}: ${label} differs from ${a.path}; only weights and BN statistics are averaged`,
    {
      hint: integer
        ? "If it is a counter, pass `onIntMismatch` last to take the last snapshot's."
        : 'The snapshots compute different things: export them with the same settings.',
      details,
    },
  );
}

function matchNotes(
  model: Model,
  pairs: ReadonlyMap<TensorRecord, { tensor: TensorRecord; renamed: boolean }>,
  rules: TensorRules,
): string[] {
  const renamed = [...pairs].filter(([, match]) => match.renamed);
  const [first] = renamed;
  if (!first) return [];
  const [tensor, match] = first;
  const example = `${JSON.stringify(match.tensor.name)} is ${JSON.stringify(tensor.name)}`;
  if (rules.match === 'name') {
    throw new TemperError(
      'MISMATCH_TENSOR',
      `${model.path}: ${renamed.length} tensors go by other names (${example})`,
      {
        hint: 'Pass `match` auto to pair them by their place in the graph.',
        details: { path: model.path, renamed: renamed.length },
      },
    );
  }
  return rules.match === 'graph'
    ? []
    : [`${model.path}: ${renamed.length} tensors paired by place of use, not by name (${example})`];
}

/** Of files with one record one is named. */
function duplicateNotes(models: readonly Model[]): string[] {
  return [...new Map(models.map((model) => [model.record, model])).values()].flatMap(({ record, path }) => {
    const name = duplicateValue(record);
    return name === undefined
      ? []
      : [`${path}: two values are called ${JSON.stringify(name)}, which ONNX forbids: onnxruntime may refuse the file`];
  });
}

/** Numbers that may be learned or a setting: if they differ they are averaged, which the user should know. */
function learnedNote(names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const some = names.slice(0, 3).map((name) => JSON.stringify(name));
  const list = [...some, ...(names.length > 3 ? [`${names.length - 3} more`] : [])].join(', ');
  return [`numbers that differ are averaged as weights, as learned exponents, bounds and scales are: ${list}`];
}

const FOLDED_NAME = /^onnx::Conv_\d+$/;

function foldedNote({ record }: Model): string[] {
  const folded = foldedNorms(record);
  if (folded === undefined) return [];
  const named = record.graph.initializers.some(({ name }) => FOLDED_NAME.test(name));
  const how =
    folded === 'onnxruntime'
      ? 'these files were optimized by onnxruntime, which folds BatchNormalization into the convolutions (go back to the exported ones)'
      : named
        ? 'BatchNormalization was folded into Conv by the exporter'
        : 'no BatchNormalization, and Conv with bias: if the network had it, the exporter folded it';
  return [
    `${how}: averages of folded weights are good for snapshots of one late run; bn-recal corrects them with the snapshots' own moments (\`ingredients\`). ${KEEP_NORMS}`,
  ];
}

function trainingNote(model: Model): string[] {
  const found = trainingNode(model);
  return found ? [`${model.path}: ${found.name} ${found.text}: such a file can be averaged, but not measured`] : [];
}

/**
 * Decides for every tensor of the template how the outputs get it, and checks that all else is equal.
 * @param models the snapshots in plan order
 * @throws TemperError MISMATCH_GRAPH, MISMATCH_TENSOR, MISMATCH_VALUE, UNSUPPORTED_QUANTIZED, UNSUPPORTED_DATA_TYPE
 */
export function planTensors(models: readonly Model[], templateIndex: number, rules: TensorRules): TensorPlan {
  const template = models[templateIndex] as Model;
  const notes: string[] = [...foldedNote(template), ...trainingNote(template), ...duplicateNotes(models)];
  const matches = models.map((model, i) => (i === templateIndex ? undefined : matchGraphs(template, model).tensors));
  matches.forEach((pairs, i) => {
    if (pairs) notes.push(...matchNotes(models[i] as Model, pairs, rules));
  });
  const counterpart = (tensor: TensorRecord, i: number): TensorRecord | undefined =>
    matches[i] === undefined ? tensor : matches[i].get(tensor)?.tensor;

  const counterparts = (tensor: TensorRecord): (TensorRecord | undefined)[] =>
    models.map((_, i) => counterpart(tensor, i));

  const tensors: AveragedTensor[] = [];
  const differingCodes = new Map<TensorRecord, AveragedTensor & { readonly error: () => TemperError }>();
  const counts = new Map<TensorRole, number>();
  const learned: string[] = [];
  for (const [tensor, { roles, name, learnable }] of classifyTensors(template.record)) {
    const found = counterparts(tensor);
    const missing = found.indexOf(undefined);
    const sources = found as TensorRecord[];
    const differs = (model: Model, i: number): boolean =>
      !samePayload(template, tensor, model, sources[i] as TensorRecord);
    const isLearned = learnable && missing < 0 && models.some(differs);
    if (isLearned) learned.push(name);
    const use = decisiveRole(roles);
    const role = isLearned && use === 'constant' ? 'weight' : use;
    counts.set(role, (counts.get(role) ?? 0) + 1);
    if (missing >= 0) {
      notes.push(
        `${(models[missing] as Model).path}: has no ${JSON.stringify(name)}, which no node uses: carried over`,
      );
      continue;
    }
    const type = asFloatType(tensor.dataType);
    const base = {
      ...{ name, role, template: tensor, type, dims: tensor.dims },
      sources: sources.map((source, i) => storedIn(models[i] as Model, source)),
    };
    if (type !== undefined && AVERAGED.has(role)) {
      const last = rules.bn === 'last' && [...roles].every((r) => STATISTICS.has(r));
      tensors.push({ ...base, treatment: last ? 'last' : 'average' });
      continue;
    }
    const differing = models.findIndex(differs);
    if (differing < 0) continue;
    const error = (): TemperError => valueMismatch(name, role, tensor, template, models[differing] as Model);
    if (QUANTIZED.has(role)) {
      differingCodes.set(tensor, { ...base, treatment: 'quantized', error });
      continue;
    }
    const integer = findDataType(tensor.dataType)?.kind === 'integer';
    // Integers in an attribute itself are varints, whose length the values change: they are not replaced.
    const replaceable = integer && tensor.carrier === 'tensor';
    if (replaceable && rules.onIntMismatch === 'last') tensors.push({ ...base, treatment: 'last' });
    else throw error();
  }
  const quantized = planQuantized(models, template, differingCodes, counterparts, rules.quantized === 'float');
  notes.push(...learnedNote(learned), ...quantized.notes);
  return { tensors: [...tensors, ...quantized.tensors], roles: counts, notes };
}
