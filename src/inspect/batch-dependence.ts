import { type GraphIndex, indexGraph, type Model, type NodeRecord, readPayload, trainingNode } from '../onnx/index.ts';

/** Operators that take their scale from all images of a batch (ONNX, and com.microsoft's). */
const FROM_BATCH: ReadonlySet<string> = new Set([
  'DynamicQuantizeLinear',
  'DynamicQuantizeMatMul',
  'DynamicQuantizeLSTM',
]);
/** Operators that hand a shape on. */
const PASSING: ReadonlySet<string> = new Set(['Identity', 'Cast']);

const nodeName = (node: NodeRecord): string => node.name || (node.outputs[0] ?? node.opType);

/** The first number of a shape that is stored. */
function firstSize(model: Model, index: GraphIndex, node: NodeRecord): number | undefined {
  const tensor = index.storedInput(node, 1, PASSING)?.tensor;
  if (tensor?.dims.length !== 1 || (tensor.dims[0] ?? 0) < 2 || (tensor.dims[0] ?? 0) > 8) return undefined;
  const bytes = readPayload(model, tensor);
  return bytes.length < 8 ? undefined : Number(new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(0, true));
}

/**
 * What in a graph makes an image's outputs depend on the batch that it is in, in sentences. What only runs show (a kernel that
 * rounds another way) is not in it.
 * @param batch that the input is fixed to
 */
export function batchDependence(model: Model, batch: number | undefined): string[] {
  const found: string[] = [];
  const training = trainingNode(model);
  if (training) found.push(`${training.name} ${training.text}`);
  const index = indexGraph(model);
  const dynamic = index.nodes.filter(({ opType }) => FROM_BATCH.has(opType));
  if (dynamic[0]) {
    const count = dynamic.length > 1 ? `${dynamic.length} nodes` : nodeName(dynamic[0]);
    found.push(`${dynamic[0].opType} (${count}) takes its scale from the whole batch`);
  }
  for (const node of index.nodes) {
    if (node.opType !== 'Reshape' || node.domain !== '' || !index.dataInputs(node).includes(node.inputs[0] ?? ''))
      continue;
    const size = firstSize(model, index, node);
    if (size === undefined || size <= 0 || size === batch) continue;
    found.push(`Reshape ${nodeName(node)} is fixed to ${size} rows, whatever the batch`);
    break;
  }
  return found;
}
