import { TemperError } from '../core/index.ts';
import {
  attributeOf,
  constantTensor,
  dataTypeName,
  elementCount,
  type Model,
  type ModelRecord,
  type NodeRecord,
  nodesOf,
  scopesOf,
  type TensorRecord,
} from '../onnx/index.ts';

/** A parameter of a layer: where its values lie. */
export interface LayerParameter {
  readonly tensor: TensorRecord;
  /** Whether this input of this layer is the tensor's only use: only then can it be written to in place. */
  readonly exclusive: boolean;
}

/** A BatchNormalization node of the main graph whose statistics are stored in the file. */
export interface BatchNormLayer {
  /** The node's name, or its output's where it has none. */
  readonly name: string;
  readonly node: NodeRecord;
  /** How many BatchNormalization layers lie before it on the longest way from the input. */
  readonly level: number;
  readonly channels: number;
  readonly epsilon: number;
  readonly scale: LayerParameter | undefined;
  readonly bias: LayerParameter | undefined;
  readonly mean: LayerParameter;
  readonly variance: LayerParameter;
  /** Element type of its input (TensorProto.DataType). */
  readonly inputType: number;
}

export interface SkippedLayer {
  readonly name: string;
  readonly reason: string;
}

export interface FoundLayers {
  /** In graph order. */
  readonly layers: readonly BatchNormLayer[];
  readonly skipped: readonly SkippedLayer[];
}

const isBatchNorm = (node: NodeRecord): boolean => node.opType === 'BatchNormalization' && node.domain === '';
const nameOf = (node: NodeRecord): string => node.name || (node.outputs[0] ?? 'BatchNormalization');

/** Default of the attribute (ONNX operator schemas, all versions). */
const EPSILON = 1e-5;
/** The first opset with a kernel in onnxruntime 1.30. */
const FIRST_OPSET = 7;
/** From this opset on the mode is an attribute; before, outputs beyond the first meant training. */
const TRAINING_MODE_OPSET = 14;

const KEEP_RECIPE =
  'Export with BatchNormalization kept: model.eval(); torch.onnx.export(..., training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False).';

/** Names of the values that a node reads, those that its subgraphs capture included. */
export function readsOf(node: NodeRecord): string[] {
  const inner = node.attributes.flatMap(({ graphs }) =>
    graphs.flatMap((graph) => [
      ...[...nodesOf(graph)].flatMap((within) => within.inputs),
      ...graph.outputs.map((output) => output.name),
    ]),
  );
  return [...node.inputs, ...inner].filter(Boolean);
}

/** How often each name is read anywhere in the model. */
function useCounts(record: ModelRecord): Map<string, number> {
  const counts = new Map<string, number>();
  const add = (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const scope of scopesOf(record)) {
    for (const node of nodesOf(scope)) for (const name of node.inputs) add(name);
    if ('outputs' in scope) for (const output of record.graph.outputs) add(output.name);
  }
  return counts;
}

/** Follows a name through Identity to the initializer or Constant that it stands for. */
class Parameters {
  private readonly tensors = new Map<string, TensorRecord>();
  private readonly identities = new Map<string, string>();
  private readonly uses: Map<string, number>;

  constructor(record: ModelRecord) {
    this.uses = useCounts(record);
    for (const tensor of record.graph.initializers) this.tensors.set(tensor.name, tensor);
    for (const node of record.graph.nodes) {
      const [output] = node.outputs;
      if (!output) continue;
      const constant = constantTensor(node);
      if (constant) this.tensors.set(output, constant);
      else if (node.opType === 'Identity' && node.inputs[0]) this.identities.set(output, node.inputs[0]);
    }
  }

  find(name: string): LayerParameter | undefined {
    let at = name;
    // Each step leads to an earlier node: the chain ends.
    for (
      let next = this.identities.get(at);
      next !== undefined && !this.tensors.has(at);
      next = this.identities.get(at)
    )
      at = next;
    const tensor = this.tensors.get(at);
    return tensor && { tensor, exclusive: at === name && this.uses.get(name) === 1 };
  }
}

/** Element types by value, as far as the path to a layer needs: most operators pass their first input's type on. */
function valueTypes(record: ModelRecord): (name: string) => number {
  const known = new Map<string, number>();
  for (const { name, tensorType } of record.graph.inputs) if (tensorType) known.set(name, tensorType.elemType);
  for (const { name, dataType } of record.graph.initializers) known.set(name, dataType);
  for (const node of record.graph.nodes) {
    const constant = constantTensor(node);
    const cast = node.opType === 'Cast' ? Number(attributeOf(node, 'to')?.i ?? 0) : undefined;
    const type = constant?.dataType ?? cast ?? known.get(node.inputs[0] ?? '') ?? 0;
    for (const output of node.outputs) known.set(output, type);
  }
  return (name) => known.get(name) ?? 0;
}

/** Levels by value: how many layers lie before it. */
function levelsOf(record: ModelRecord): Map<NodeRecord, number> {
  const levels = new Map<string, number>();
  const byNode = new Map<NodeRecord, number>();
  for (const node of record.graph.nodes) {
    const level = readsOf(node).reduce((most, name) => Math.max(most, levels.get(name) ?? 0), 0);
    byNode.set(node, level);
    for (const output of node.outputs) levels.set(output, isBatchNorm(node) ? level + 1 : level);
  }
  return byNode;
}

function trainingReason(node: NodeRecord, opset: number): string | undefined {
  const training =
    opset >= TRAINING_MODE_OPSET
      ? (attributeOf(node, 'training_mode')?.i ?? 0n) !== 0n
      : node.outputs.slice(1).some(Boolean);
  return training ? 'exported in training mode: it ignores stored statistics' : undefined;
}

/**
 * Finds every BatchNormalization layer, and says why those that cannot be served are skipped.
 * @throws TemperError UNSUPPORTED_GRAPH if there is none (with the export call that keeps them), if the model was exported
 * in training mode, or if its opset has no kernel
 */
export function findLayers(model: Model): FoundLayers {
  const { record, path } = model;
  const opset = record.opsets.get('') ?? 0;
  const all = scopesOf(record).flatMap((scope) => [...nodesOf(scope)].filter(isBatchNorm));
  const details = { path };
  if (all.length === 0) {
    const folded = record.graph.nodes.some(({ opType, inputs }) => opType === 'Conv' && inputs.length > 2);
    throw new TemperError(
      'UNSUPPORTED_GRAPH',
      `${path}: has no BatchNormalization${folded ? ': the exporter folded it into the convolutions (Conv with bias)' : ''}`,
      {
        hint: folded ? KEEP_RECIPE : 'Nothing is to be recalibrated; other normalisations keep no statistics.',
        details,
      },
    );
  }
  if (opset < FIRST_OPSET) {
    throw new TemperError(
      'UNSUPPORTED_GRAPH',
      `${path}: opset ${opset}, expected ${FIRST_OPSET} or newer: no runtime runs its BatchNormalization`,
      {
        hint: 'Export again with a newer opset.',
        details,
      },
    );
  }
  const inTraining = all.find((node) => trainingReason(node, opset));
  if (inTraining) {
    throw new TemperError(
      'UNSUPPORTED_GRAPH',
      `${path}: ${nameOf(inTraining)} was ${trainingReason(inTraining, opset)}, and Dropout is active`,
      {
        hint: KEEP_RECIPE,
        details: { ...details, layer: nameOf(inTraining) },
      },
    );
  }
  const parameters = new Parameters(record);
  const types = valueTypes(record);
  const levels = levelsOf(record);
  const main = new Set(record.graph.nodes);
  const layers: BatchNormLayer[] = [];
  const skipped: SkippedLayer[] = [];
  for (const node of all) {
    const name = nameOf(node);
    const [input = '', scaleName = '', biasName = '', meanName = '', varianceName = ''] = node.inputs;
    const [mean, variance] = [parameters.find(meanName), parameters.find(varianceName)];
    const reason = !main.has(node)
      ? 'it lies in a subgraph or function, where its input cannot be observed'
      : attributeOf(node, 'spatial')?.i === 0n
        ? 'spatial=0: statistics per position, which no runtime computes'
        : !mean || !variance
          ? 'its statistics are computed in the graph, not stored'
          : undefined;
    if (reason || !mean || !variance) {
      skipped.push({ name, reason: reason ?? '' });
      continue;
    }
    const channels = elementCount(mean.tensor.dims);
    if (elementCount(variance.tensor.dims) !== channels) {
      throw new TemperError(
        'UNSUPPORTED_GRAPH',
        `${path}: ${name}: mean has ${channels} channels, variance ${elementCount(variance.tensor.dims)}`,
        { details },
      );
    }
    layers.push({
      name,
      node,
      level: levels.get(node) ?? 0,
      channels,
      epsilon: attributeOf(node, 'epsilon')?.f ?? EPSILON,
      scale: parameters.find(scaleName),
      bias: parameters.find(biasName),
      mean,
      variance,
      inputType: types(input) || mean.tensor.dataType,
    });
  }
  if (layers.length === 0) {
    const [first] = skipped;
    throw new TemperError(
      'UNSUPPORTED_GRAPH',
      `${path}: none of its ${skipped.length} BatchNormalization layers can be recalibrated: ${first?.name}: ${first?.reason}`,
      {
        hint: `Types met: ${[...new Set(layers.map(({ inputType }) => dataTypeName(inputType)))].join(', ') || 'none'}. ${KEEP_RECIPE}`,
        details: { ...details, skipped },
      },
    );
  }
  return { layers, skipped };
}

/** The layers whose names fit a pattern (`*` for any characters); all without one. @throws TemperError USAGE if none fits */
export function chooseLayers(
  layers: readonly BatchNormLayer[],
  patterns: readonly string[],
): readonly BatchNormLayer[] {
  if (patterns.length === 0) return layers;
  const tests = patterns.map(
    (pattern) => new RegExp(`^${pattern.replace(/[\\^$.|+?()[\]{}]/g, '\\$&').replace(/\*/g, '.*')}$`, 's'),
  );
  const chosen = layers.filter(({ name }) => tests.some((test) => test.test(name)));
  const idle = patterns.find((_, i) => !layers.some(({ name }) => tests[i]?.test(name)));
  if (idle === undefined) return chosen;
  throw new TemperError(
    'USAGE',
    `--layers ${idle}: fits no layer; there are ${layers.map(({ name }) => name).join(', ')}`,
    {
      hint: 'Name layers as the report does, with * for any characters.',
    },
  );
}
