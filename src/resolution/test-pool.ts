import { TemperError } from '../core/index.ts';
import {
  appendInitializer,
  attributeOf,
  DATA_TYPE,
  type Edit,
  editedModel,
  encodeFloats,
  freeNames,
  type GraphIndex,
  indexGraph,
  insertNode,
  type Model,
  type NodeRecord,
  removeNode,
  type TensorRecord,
} from '../onnx/index.ts';
import { analyseSizes } from './size-analysis.ts';

const PREFIX = 'onnx_temper.test_pool';
/** What may stand between the pooled map and the linear layer, and changes no value. */
const BETWEEN: ReadonlySet<string> = new Set(['Flatten', 'Reshape', 'Squeeze', 'Dropout', 'Identity']);
const POOLING: ReadonlySet<string> = new Set(['GlobalAveragePool', 'ReduceMean']);

/** The end of a classifier: global average pooling, then one linear layer. */
interface Head {
  readonly pooling: NodeRecord;
  readonly between: readonly NodeRecord[];
  readonly linear: NodeRecord;
  /** [C, K], or [K, C] if it is transposed. */
  readonly weight: TensorRecord;
  readonly transposed: boolean;
}

function unsupported(model: Model, what: string): TemperError {
  return new TemperError('UNSUPPORTED_GRAPH', `${model.path}: test-time pooling: ${what}`, {
    hint: 'It needs a head of global average pooling and one linear layer; leave `testPool` out.',
  });
}

/** Follows the linear layer's input back to the pooling; undefined if anything else lies between, or reads what does. */
function headOf(index: GraphIndex, linear: NodeRecord, weight: TensorRecord): Head | undefined {
  const between: NodeRecord[] = [];
  let name = linear.inputs[0] ?? '';
  while (between.length <= index.nodes.length) {
    const source = index.producer(name);
    if (source?.domain !== '' || source.outputs[0] !== name || index.uses(name) !== 1) return undefined;
    const transposed = linear.opType === 'Gemm' && attributeOf(linear, 'transB')?.i === 1n;
    if (POOLING.has(source.opType)) return { pooling: source, between, linear, weight, transposed };
    if (!BETWEEN.has(source.opType)) return undefined;
    between.push(source);
    name = source.inputs[0] ?? '';
  }
  return undefined;
}

function isPlainGemm(node: NodeRecord): boolean {
  const one = (name: string): boolean => (attributeOf(node, name)?.f ?? 1) === 1;
  return node.opType === 'Gemm' && one('alpha') && one('beta') && (attributeOf(node, 'transA')?.i ?? 0n) === 0n;
}

/** @throws TemperError UNSUPPORTED_GRAPH */
function findHead(model: Model): Head {
  const index = indexGraph(model);
  const weights = index.initializers;
  for (const node of index.nodes.toReversed()) {
    if (node.domain !== '' || !(node.opType === 'MatMul' || isPlainGemm(node))) continue;
    const weight = weights.get(node.inputs[1] ?? '');
    const bias = node.inputs[2] ? weights.get(node.inputs[2]) : undefined;
    if (weight?.dims.length !== 2 || (node.inputs[2] && bias?.dims.length !== 1)) continue;
    const head = headOf(index, node, weight);
    if (head) return head;
    break;
  }
  throw unsupported(model, 'the last linear layer does not read a global average');
}

const int64 = (values: readonly number[]): Uint8Array => new Uint8Array(BigInt64Array.from(values, BigInt).buffer);

/**
 * A throw-away copy with timm's TestTimePoolHead (timm 0.x to 1.x, layers/test_time_pool.py): the map is averaged by a
 * window of its size at the train size, stride 1; the linear layer is applied at each place as a 1x1 convolution; scores are
 * (mean + max) / 2 over the places. At the train size there is one place, and the scores are the model's own.
 * @param model with free sizes @param dims of a batch at the train size
 * @throws TemperError UNSUPPORTED_GRAPH if the head is another
 */
export function testTimePool(model: Model, input: string, dims: readonly number[]): Model {
  const { graph } = model.record;
  const { pooling, between, linear, weight, transposed } = findHead(model);
  const kernel = analyseSizes(model, input, dims).at(dims).map;
  if (!kernel) throw unsupported(model, 'the size of the feature map is not known');
  const [rows = 0, columns = 0] = weight.dims;
  const [classes, channels] = transposed ? [rows, columns] : [columns, rows];
  const freeName = freeNames(model);
  const name = (part: string): string => freeName(`${PREFIX}.${part}`);
  const edits: Edit[] = [...between, pooling, linear].map((node) => removeNode(graph, node));
  const insert = (
    opType: string,
    inputs: readonly string[],
    output: string,
    attributes: Readonly<Record<string, number | readonly number[]>> = {},
  ): string => {
    edits.push(insertNode(graph, { opType, inputs, outputs: [output], attributes }, linear));
    return output;
  };
  const shape = name('shape');
  const dimsOfKernels = int64([classes, channels, 1, 1]);
  edits.push(
    ...appendInitializer(model, graph, { name: shape, dataType: DATA_TYPE.int64, dims: [4], bytes: dimsOfKernels }),
  );
  const matrix = transposed ? weight.name : insert('Transpose', [weight.name], name('transposed'), { perm: [1, 0] });
  const kernels = insert('Reshape', [matrix, shape], name('kernels'));
  const averaged = insert('AveragePool', [pooling.inputs[0] ?? ''], name('average'), {
    kernel_shape: kernel,
    strides: [1, 1],
  });
  const bias = linear.inputs[2] ? [linear.inputs[2]] : [];
  const scores = insert('Conv', [averaged, kernels, ...bias], name('scores'), { kernel_shape: [1, 1] });
  const mean = insert('GlobalAveragePool', [scores], name('mean'));
  const max = insert('GlobalMaxPool', [scores], name('max'));
  const half = name('half');
  const bytes = encodeFloats(Float64Array.of(0.5), weight.dataType, half);
  edits.push(...appendInitializer(model, graph, { name: half, dataType: weight.dataType, dims: [], bytes }));
  // Not Mean, which has no kernel on CUDA.
  const both = insert('Mul', [insert('Add', [mean, max], name('sum')), half], name('both'));
  insert('Flatten', [both], linear.outputs[0] ?? '', { axis: 1 });
  return editedModel(model, edits);
}
