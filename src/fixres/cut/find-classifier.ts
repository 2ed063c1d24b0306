import { TemperError } from '../../core/index.ts';
import type { GraphIndex, Model, NodeRecord, StoredInput } from '../../onnx/index.ts';

/** The layer that gives one score a class. */
export interface Classifier {
  readonly node: NodeRecord;
  readonly weight: StoredInput;
  /** Absent where the layer has none. */
  readonly bias: StoredInput | undefined;
  /** The value that it reads. */
  readonly input: string;
  /** The scores before a softmax: what the loss is computed from. */
  readonly logits: string;
  /** Whether the model's output is their softmax. */
  readonly softmax: boolean;
}

/** Operators that may stand between the classifier and the output. */
const AFTER: ReadonlySet<string> = new Set([
  'Identity',
  'Cast',
  'Flatten',
  'Reshape',
  'Squeeze',
  'Unsqueeze',
  'GlobalAveragePool',
  'ReduceMean',
  'AveragePool',
  'Relu',
  'Dropout',
  'Add',
  'Mul',
  'Div',
  'Sub',
]);
/** Layers with the slots of their weight and bias. */
const LAYERS: ReadonlyMap<string, { readonly weight: number; readonly bias?: number }> = new Map([
  ['Gemm', { weight: 1, bias: 2 }],
  ['Conv', { weight: 1, bias: 2 }],
  ['MatMul', { weight: 1 }],
]);
const SOFTMAX: ReadonlySet<string> = new Set(['Softmax', 'LogSoftmax']);

/** Operators that hand a weight on. */
const PASSING: ReadonlySet<string> = new Set(['Identity', 'Cast', 'Transpose']);

/** The weight behind an input of a node; undefined for anything computed. */
export const weightOf = (index: GraphIndex, node: NodeRecord, slot: number): StoredInput | undefined =>
  index.storedInput(node, slot, PASSING);

const called = (node: NodeRecord): string => `${node.opType}${node.name ? ` ${node.name}` : ''}`;

function refuse(model: Model, what: string, hint: string): TemperError {
  return new TemperError('UNSUPPORTED_GRAPH', `${model.path}: ${what}`, { hint, details: { path: model.path } });
}

/**
 * The classifier: the last Gemm, MatMul (with the Add of its bias) or 1x1 Conv before an output.
 * @throws TemperError UNSUPPORTED_GRAPH with the operator that ends the search; UNSUPPORTED_QUANTIZED
 */
export function findClassifier(model: Model, index: GraphIndex, output: string): Classifier {
  let value = output;
  let softmax = false;
  let logits = output;
  let bias: StoredInput | undefined;
  const seen = new Set<NodeRecord>();
  for (;;) {
    const node = index.producer(value);
    // A damaged file may run in a circle.
    if (!node || seen.has(node))
      throw refuse(model, `no classifier lies before output ${output}`, 'Name the class output with `output`.');
    seen.add(node);
    if (SOFTMAX.has(node.opType) && node.domain === '' && !softmax && logits === value) {
      softmax = true;
      value = node.inputs[0] ?? '';
      logits = value;
      continue;
    }
    const layer = node.domain === '' ? LAYERS.get(node.opType) : undefined;
    const data = index.dataInputs(node);
    if (layer && data.length === 1 && data[0] === node.inputs[0]) {
      const weight = weightOf(index, node, layer.weight);
      if (!weight) {
        const quantized = index.producer(node.inputs[layer.weight] ?? '')?.opType ?? 'an unknown operator';
        throw new TemperError(
          'UNSUPPORTED_QUANTIZED',
          `${model.path}: the weight of the classifier ${called(node)} is computed by ${quantized}, not stored`,
          { hint: 'Tune the float model, and quantize it afterwards.', details: { path: model.path } },
        );
      }
      if (layer.bias !== undefined && node.inputs[layer.bias]) bias = weightOf(index, node, layer.bias);
      return { node, weight, bias, input: data[0] as string, logits, softmax };
    }
    if (node.domain !== '' || !AFTER.has(node.opType) || data.length !== 1) {
      throw refuse(
        model,
        `the search for the classifier ends at ${called(node)}${data.length > 1 ? `, which reads ${data.length} values` : ''}`,
        'The scores must come from one Gemm, MatMul or 1x1 Conv; name another output with `output`.',
      );
    }
    // The Add right behind a MatMul is its bias.
    const behind = index.producer(data[0] as string);
    const isBias = node.opType === 'Add' && behind?.opType === 'MatMul';
    bias = isBias ? weightOf(index, node, node.inputs.indexOf(data[0] as string) === 0 ? 1 : 0) : undefined;
    value = data[0] as string;
  }
}
