import { type BatchNormLayer, findLayers } from '../batchnorm/index.ts';
import { TemperError } from '../core/index.ts';
import {
  appendInitializer,
  asFloatType,
  type Edit,
  editedModel,
  encodeFloats,
  indexGraph,
  insertNode,
  type Model,
  type NodeRecord,
  renameOutput,
  type TensorRecord,
} from '../onnx/index.ts';

/** A convolution with a bias and no BatchNormalization behind it, as exporters leave it when they fold the layer. */
export interface FoldedConvolution {
  readonly node: NodeRecord;
  readonly name: string;
  readonly weight: TensorRecord;
  readonly bias: TensorRecord;
  readonly channels: number;
}

/** What an inserted layer makes of every channel: deviation and mean of its output. */
export interface ChannelGoals {
  readonly deviation: Float64Array;
  readonly mean: Float64Array;
}

const PREFIX = 'onnx_temper.repair';
/** Default of BatchNormalization's attribute. */
export const EPSILON = 1e-5;

/**
 * The convolutions of the main graph that a BatchNormalization can have been folded into, in graph order: weight and bias are
 * stored floats that nothing else reads.
 */
export function foldedConvolutions(model: Model): FoldedConvolution[] {
  const { nodes, initializers, uses } = indexGraph(model);
  const normalised = new Set(nodes.flatMap(({ opType, inputs }) => (opType === 'BatchNormalization' ? inputs[0] : [])));
  return nodes.flatMap((node): FoldedConvolution[] => {
    const [, w = '', b = ''] = node.inputs;
    const [weight, bias] = [initializers.get(w), initializers.get(b)];
    const output = node.outputs[0] ?? '';
    const own = uses(w) === 1 && uses(b) === 1;
    if (node.opType !== 'Conv' || node.domain !== '' || !weight || !bias || !own || normalised.has(output)) return [];
    if (asFloatType(weight.dataType) === undefined || weight.dataType !== bias.dataType) return [];
    return [{ node, name: node.name || output, weight, bias, channels: bias.dims[0] ?? 0 }];
  });
}

/**
 * A throw-away copy with a BatchNormalization behind each convolution, and these layers: they pass their input on unchanged, or
 * give it the goals' mean and deviation once their statistics are those of their input (REPAIR, Jordan et al. 2023, §3: the
 * network between folding and folding again).
 */
export function withNorms(
  model: Model,
  convolutions: readonly FoldedConvolution[],
  goals?: readonly ChannelGoals[],
): { readonly model: Model; readonly layers: readonly BatchNormLayer[] } {
  const { graph } = model.record;
  const { place } = indexGraph(model);
  const edits: Edit[] = convolutions.flatMap(({ node, name, bias: { dataType }, channels }, k) => {
    const constant = (value: number): Float64Array => new Float64Array(channels).fill(value);
    const { deviation = constant(1), mean = constant(0) } = goals?.[k] ?? {};
    const parts = { scale: deviation, bias: mean, mean: constant(0), variance: constant(1 - EPSILON) };
    const names = Object.keys(parts).map((part) => `${PREFIX}${k}.${part}`);
    const [input, output] = [`${PREFIX}${k}.input`, node.outputs[0] ?? ''];
    return [
      ...Object.values(parts).flatMap((values, i) =>
        appendInitializer(model, graph, {
          name: names[i] as string,
          dataType,
          dims: [channels],
          bytes: encodeFloats(values, dataType, name),
        }),
      ),
      renameOutput(node, 0, input),
      insertNode(
        graph,
        { opType: 'BatchNormalization', inputs: [input, ...names], outputs: [output], name: `${PREFIX}${k}` },
        graph.nodes[place(node) + 1],
      ),
    ];
  });
  const copy = editedModel(model, edits);
  const inserted = new Map(findLayers(copy).layers.map((layer) => [layer.node.inputs[0], layer]));
  const layers = convolutions.map((_, k) => inserted.get(`${PREFIX}${k}.input`));
  if (layers.every((layer) => layer !== undefined)) return { model: copy, layers };
  throw new TemperError('UNSUPPORTED_GRAPH', `${model.path}: statistics of its convolutions cannot be measured`, {
    hint: 'Search with `bn` average.',
    details: { path: model.path },
  });
}
