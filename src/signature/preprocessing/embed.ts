import { TemperError } from '../../core/index.ts';
import type { Transform } from '../../data/index.ts';
import {
  appendInitializer,
  DATA_TYPE,
  type Edit,
  freeNames,
  insertNode,
  type Model,
  type NewNode,
  nodesOf,
  replaceGraphInput,
  rewireInput,
} from '../../onnx/index.ts';
import { modelInput } from '../model-input.ts';
import type { DeclaredInputs } from '../value-info.ts';

const PREFIX = 'onnx_temper.input';
/** Arithmetic that repeats one value for all pixels (operator set 7), Cast by number (6). */
const LEAST_OPSET = 7;

function refused(model: Model, what: string, hint: string): TemperError {
  return new TemperError('UNSUPPORTED_GRAPH', `${model.path}: ${what}`, { hint, details: { path: model.path } });
}

const bytesOf = (values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

interface Constant {
  readonly name: string;
  readonly dims: readonly number[];
  readonly values: readonly number[];
}

/** Nodes and constants from 8-bit pixels to what the network takes, each in float32 as the loader computes it. */
function steps(transform: Transform, from: string, to: string, isHalf: boolean) {
  const nodes: NewNode[] = [];
  const constants: Constant[] = [];
  const { color, layout, mean, std } = transform;
  let at = from;
  const add = (
    opType: string,
    more: readonly string[] = [],
    attributes: NonNullable<NewNode['attributes']> = {},
  ): void => {
    const output = `${PREFIX}.${nodes.length}`;
    nodes.push({ opType, inputs: [at, ...more], outputs: [output], name: output, attributes });
    at = output;
  };
  const by = (opType: string, name: string, values: readonly number[]): void => {
    const full = `${PREFIX}.${name}`;
    const ordered = color === 'bgr' ? values.toReversed() : values;
    const dims = values.length === 1 ? [] : layout === 'NCHW' ? [values.length, 1, 1] : [values.length];
    constants.push({ name: full, dims, values: ordered });
    add(opType, [full]);
  };
  add('Cast', [], { to: DATA_TYPE.float32 });
  if (layout === 'NCHW') add('Transpose', [], { perm: [0, 3, 1, 2] });
  if (color === 'bgr') add('Gather', [`${PREFIX}.order`], { axis: layout === 'NCHW' ? 1 : 3 });
  by('Div', 'scale', [255]);
  by('Sub', 'mean', mean);
  by('Div', 'std', std);
  if (isHalf) add('Cast', [], { to: DATA_TYPE.float16 });
  const last = nodes.at(-1) as NewNode;
  nodes[nodes.length - 1] = { ...last, outputs: [to] };
  return { nodes, constants };
}

/**
 * The edits that make a network take 8-bit pixels, red first, [N, H, W, C], under the name that its input has: what the transform
 * does to values is done in the graph, with the same float32 arithmetic, so that scores stay what they were.
 * @throws TemperError UNSUPPORTED_GRAPH
 */
export function embedEdits(model: Model, declared: DeclaredInputs, transform: Transform, inputName?: string): Edit[] {
  const { name, type } = modelInput(declared, inputName);
  const { graph, opsets } = model.record;
  if (type === 'uint8')
    throw refused(model, `input ${name} takes 8-bit pixels already`, 'Leave `embedPreprocessing` out.');
  if ((opsets.get('') ?? 0) < LEAST_OPSET) {
    throw refused(
      model,
      `operator set ${opsets.get('')}, expected ${LEAST_OPSET} or later`,
      'Export with a newer one.',
    );
  }
  const dims = graph.inputs.find((input) => input.name === name)?.tensorType?.dims ?? [];
  if (graph.outputs.some((output) => output.name === name) || dims.length !== 4) {
    throw refused(model, `input ${name} is an output too, or has no 4 dims`, 'Export the network alone.');
  }
  const freeName = freeNames(model);
  const to = freeName(`${PREFIX}.normalised`);
  const { nodes, constants } = steps(transform, name, to, type === 'float16');
  const [first] = graph.nodes;
  const readers = [...nodesOf(graph)].flatMap((node) =>
    node.inputs.flatMap((read, slot) => (read === name ? [rewireInput(node, slot, to)] : [])),
  );
  const open = (dim: number | string | undefined): number | string => (dim === 0 ? '' : (dim ?? ''));
  const [n, a, b, c] = dims.map(open) as [number | string, number | string, number | string, number | string];
  const sides = transform.layout === 'NCHW' ? [n, b, c, a] : [n, a, b, c];
  return [
    ...replaceGraphInput(graph, name, { name, dataType: DATA_TYPE.uint8, dims: sides }),
    ...readers,
    ...constants.flatMap(({ name: constant, dims: shape, values }) =>
      appendInitializer(model, graph, {
        name: constant,
        dataType: DATA_TYPE.float32,
        dims: shape,
        bytes: bytesOf(values),
      }),
    ),
    ...(transform.color === 'bgr'
      ? appendInitializer(model, graph, {
          ...{ name: `${PREFIX}.order`, dataType: DATA_TYPE.int64, dims: [3] },
          bytes: new Uint8Array(BigInt64Array.from([2n, 1n, 0n]).buffer),
        })
      : []),
    ...nodes.map((node) => insertNode(graph, node, first)),
  ];
}

/** What such a network is fed. */
export function embeddedTransform(transform: Transform): Transform {
  const { color } = transform;
  return { ...transform, color: color === 'bgr' ? 'rgb' : color, mean: [], std: [], layout: 'NHWC', dtype: 'uint8' };
}
