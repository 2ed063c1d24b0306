import { type BatchNormLayer, findLayers } from '../../batchnorm/index.ts';
import { TemperError } from '../../core/index.ts';
import {
  elementCount,
  type GraphIndex,
  type Model,
  type NodeRecord,
  pooledValues,
  type StoredInput,
} from '../../onnx/index.ts';
import { type Classifier, weightOf } from './find-classifier.ts';

/** The last normalised layer before the classifier: a BatchNormalization, or a convolution that one was folded into. */
export type LastNorm =
  | {
      readonly kind: 'kept';
      readonly layer: BatchNormLayer;
      readonly parameters: NormWeights;
      readonly name: string;
      readonly channels: number;
    }
  | {
      readonly kind: 'folded';
      readonly conv: NodeRecord;
      readonly weight: StoredInput;
      readonly bias: StoredInput | undefined;
      readonly name: string;
      readonly channels: number;
    };

/** Where the parameters of a BatchNormalization are stored. */
interface NormWeights {
  readonly scale: StoredInput;
  readonly bias: StoredInput;
  readonly mean: StoredInput;
  readonly variance: StoredInput;
}

interface Facts {
  /** By layer: how many layers lie before it on the longest way from the input. */
  readonly depths: ReadonlyMap<NodeRecord, number>;
}

const isLayer = (node: NodeRecord): boolean =>
  node.domain === '' && (node.opType === 'BatchNormalization' || node.opType === 'Conv');

function factsOf(index: GraphIndex): Facts {
  const pooled = pooledValues(index);
  const depths = new Map<NodeRecord, number>();
  const byValue = new Map<string, number>();
  for (const node of index.nodes) {
    const data = index.dataInputs(node);
    const before = data.reduce((most, name) => Math.max(most, byValue.get(name) ?? 0), 0);
    const layer = isLayer(node) && !node.outputs.some((name) => pooled.has(name));
    if (layer) depths.set(node, before);
    for (const output of node.outputs) {
      byValue.set(output, layer ? before + 1 : before);
    }
  }
  return { depths };
}

/** The layers that are met first on every way back from a value. */
function layersBefore(index: GraphIndex, value: string, { depths }: Facts): NodeRecord[] {
  const met = new Set<NodeRecord>();
  const seen = new Set<NodeRecord>();
  const pending = [value];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const node = index.producer(name);
    if (!node || seen.has(node)) continue;
    seen.add(node);
    if (depths.has(node)) met.add(node);
    else pending.push(...index.dataInputs(node));
  }
  return [...met];
}

const called = (node: NodeRecord): string => `${node.opType} ${node.name || (node.outputs[0] ?? '')}`;

/**
 * The layer that FixRes tunes beside the classifier: of the layers that lie directly before it, the deepest. In a residual
 * network that is the last BatchNormalization of the last block, not the one of its shortcut.
 * @throws TemperError UNSUPPORTED_GRAPH if there is none, or if branches of equal depth meet
 */
export function findLastNorm(model: Model, index: GraphIndex, classifier: Classifier): LastNorm {
  const facts = factsOf(index);
  const layers = layersBefore(index, classifier.input, facts);
  const deepest = Math.max(...layers.map((node) => facts.depths.get(node) ?? 0));
  const [last, other] = layers.filter((node) => facts.depths.get(node) === deepest);
  const details = { path: model.path };
  const hint = 'Tune the classifier alone: `mode` fc.';
  if (!last) {
    throw new TemperError(
      'UNSUPPORTED_GRAPH',
      `${model.path}: no BatchNormalization and no convolution lies before the classifier`,
      { hint, details },
    );
  }
  if (other) {
    const what = `there is no last layer before the classifier: ${called(last)} and ${called(other)} are side by side`;
    throw new TemperError('UNSUPPORTED_GRAPH', `${model.path}: ${what}`, { hint, details });
  }
  if (last.opType === 'BatchNormalization') {
    const layer = findLayers(model).layers.find(({ node }) => node === last);
    const [scale, bias, mean, variance] = [1, 2, 3, 4].map((slot) => weightOf(index, last, slot));
    if (layer && scale && bias && mean && variance) {
      const { name, channels } = layer;
      return { kind: 'kept', layer, parameters: { scale, bias, mean, variance }, name, channels };
    }
    throw new TemperError('UNSUPPORTED_GRAPH', `${model.path}: the parameters of ${called(last)} are not stored`, {
      hint,
      details,
    });
  }
  const weight = weightOf(index, last, 1);
  const bias = last.inputs[2] ? weightOf(index, last, 2) : undefined;
  if (!weight || (last.inputs[2] && !bias)) {
    throw new TemperError('UNSUPPORTED_GRAPH', `${model.path}: the weights of ${called(last)} are not stored`, {
      hint,
      details,
    });
  }
  const channels = weight.tensor.dims[0] ?? 0;
  if (bias && elementCount(bias.tensor.dims) !== channels) {
    throw new TemperError(
      'UNSUPPORTED_GRAPH',
      `${model.path}: ${called(last)}: ${channels} filters, but a bias of ${elementCount(bias.tensor.dims)}`,
      { hint, details },
    );
  }
  return { kind: 'folded', conv: last, weight, bias, name: last.name || (last.outputs[0] ?? 'Conv'), channels };
}
