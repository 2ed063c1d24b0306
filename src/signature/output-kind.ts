import { attributeOf, type GraphIndex, indexGraph, type Model, type NodeRecord } from '../onnx/index.ts';
import type { Fact } from './fact.ts';

/**
 * What the values of a class output are. Log-probabilities are scored as logits: softmax(log p) = p. Sigmoid scores (one
 * Bernoulli probability a class, as networks trained with binary cross-entropy give) are scored as the logits that the
 * Sigmoid was given, as timm scores such networks: without a Sigmoid in the graph the numbers are the same.
 */
export type OutputKind = 'logits' | 'probabilities' | 'log-probabilities' | 'sigmoid';

/** Operators that hand values on in another type, shape or precision: what is behind them is of the same kind. */
const HANDS_ON: ReadonlySet<string> = new Set([
  ...['Identity', 'Cast', 'CastLike', 'Dropout', 'Flatten', 'Reshape', 'Squeeze', 'Unsqueeze', 'Transpose'],
  ...['QuantizeLinear', 'DequantizeLinear'],
]);

/** Operators behind which logits stay logits, but nothing else stays what it was: affine ones, and means over places. */
const KEEPS_LOGITS: ReadonlySet<string> = new Set([
  ...['Add', 'Sub', 'Mul', 'Div', 'Neg', 'BatchNormalization', 'QLinearAdd', 'QLinearMul'],
  ...['GlobalAveragePool', 'GlobalMaxPool', 'AveragePool', 'MaxPool', 'ReduceMean', 'ReduceMax', 'ReduceSum'],
  ...['QLinearGlobalAveragePool', 'QLinearAveragePool', 'QLinearReduceMean'],
]);

/** What an operator makes, whatever goes in. One that is not here says nothing. */
const MAKES: Readonly<Record<string, OutputKind>> = {
  Softmax: 'probabilities',
  QLinearSoftmax: 'probabilities',
  LogSoftmax: 'log-probabilities',
  Sigmoid: 'sigmoid',
  QLinearSigmoid: 'sigmoid',
  ...Object.fromEntries(
    [
      ...['Gemm', 'MatMul', 'Conv', 'Einsum', 'MatMulInteger', 'ConvInteger', 'QLinearMatMul', 'QLinearConv', 'QGemm'],
      ...['FusedMatMul', 'MatMulNBits', 'DynamicQuantizeMatMul', 'MatMulIntegerToFloat'],
      ...['Relu', 'LeakyRelu', 'QLinearLeakyRelu', 'PRelu', 'Elu', 'Selu', 'Celu', 'Gelu', 'Tanh', 'ThresholdedRelu'],
      ...['HardSwish', 'Mish', 'Swish', 'Softplus', 'Softsign'],
    ].map((operator) => [operator, 'logits' as const]),
  ),
};

/** A Softmax over the images of a batch would be none over classes. */
const overBatch = (node: NodeRecord): boolean => attributeOf(node, 'axis')?.i === 0n;

/** The input whose kind is the output's, if there is one: the only one that depends on the images, or of a sum or product the first. */
function followed(index: GraphIndex, node: NodeRecord): string | undefined {
  const inputs = index.dataInputs(node);
  return inputs.length === 1 || node.opType === 'Add' || node.opType === 'Mul' ? inputs[0] : undefined;
}

/** The operator sets whose names are known here. */
const DOMAINS: ReadonlySet<string> = new Set(['', 'com.microsoft']);

/**
 * What an output is, by the last nodes before it.
 * @returns undefined where they do not tell: an operator that is not known, a normalisation that was written out, an If
 */
export function graphOutputKind(model: Pick<Model, 'record'>, output: string): Fact<OutputKind> | undefined {
  const index = indexGraph(model);
  let name: string | undefined = output;
  let onlyLogits = false;
  // No chain is longer than the graph, unless a damaged file makes it a circle.
  for (let steps = 0; name !== undefined && steps <= index.nodes.length; steps++) {
    const node = index.producer(name);
    if (!node || !DOMAINS.has(node.domain)) return undefined;
    const value = Object.hasOwn(MAKES, node.opType) ? MAKES[node.opType] : undefined;
    if (value !== undefined) {
      const tells = value === 'logits' || (!onlyLogits && !overBatch(node));
      return tells ? { value, source: `the graph (${node.opType})` } : undefined;
    }
    if (KEEPS_LOGITS.has(node.opType)) onlyLogits = true;
    else if (!HANDS_ON.has(node.opType)) return undefined;
    name = followed(index, node) ?? (HANDS_ON.has(node.opType) ? node.inputs[0] : undefined);
  }
  return undefined;
}
