import { TemperError } from '../../core/index.ts';
import type { Model, NodeRecord } from '../read/model.ts';
import { isOrtFormat } from '../read/model-hash.ts';
import { openModel } from '../read/open-model.ts';
import { readPayload } from '../read/payload.ts';
import { nodesOf, scopesOf } from '../read/scopes.ts';
import { KEEP_NORMS } from './folded-norms.ts';
import { type GraphIndex, indexGraph } from './graph-index.ts';
import { attributeOf } from './nodes.ts';

/** From this opset on the mode of BatchNormalization is an attribute; before, outputs beyond the first meant training. */
const TRAINING_MODE_OPSET = 14;
/** Operators that hand a flag on. */
const PASSING: ReadonlySet<string> = new Set(['Identity', 'Cast']);

const nodeName = (node: NodeRecord): string => node.name || (node.outputs[0] ?? node.opType);

function isTrainingNorm(node: NodeRecord, opset: number): boolean {
  if (node.opType !== 'BatchNormalization' || node.domain !== '') return false;
  return opset >= TRAINING_MODE_OPSET
    ? (attributeOf(node, 'training_mode')?.i ?? 0n) !== 0n
    : node.outputs.slice(1).some(Boolean);
}

/** Whether a BatchNormalization of the main graph standardises weights (it sees no image): its training mode is what the network is. */
export const standardisesWeights = ({ inputs }: NodeRecord, { isConstant }: Pick<GraphIndex, 'isConstant'>): boolean =>
  isConstant(inputs[0] ?? '');

/** A node that computes as in training, and what that means; undefined for a model that was exported for inference. */
export function trainingNode(model: Model): { readonly name: string; readonly text: string } | undefined {
  const { record } = model;
  const opset = record.opsets.get('') ?? 0;
  const index = indexGraph(model);
  for (const node of scopesOf(record).flatMap((scope) => [...nodesOf(scope)])) {
    if (!isTrainingNorm(node, opset) || (index.place(node) >= 0 && standardisesWeights(node, index))) continue;
    const what = 'exported in training mode: it ignores stored statistics, and results depend on the batch';
    return { name: nodeName(node), text: `was ${what} (and so will Dropout, if there is any, be active)` };
  }
  for (const node of index.nodes) {
    // Dropout-12 and later: training_mode is its third input. Before, Dropout was only ever exported for inference.
    if (node.opType !== 'Dropout' || node.domain !== '') continue;
    const training = index.storedInput(node, 2, PASSING)?.tensor;
    if (training === undefined || readPayload(model, training).every((byte) => byte === 0)) continue;
    return {
      name: nodeName(node),
      text: 'is active: it was exported in training mode, and every run gives other numbers',
    };
  }
  return undefined;
}

/**
 * Refuses a model that computes as in training: what it gives for an image depends on the batch, or on chance.
 * @throws TemperError UNSUPPORTED_GRAPH naming the node
 */
export function assertInference(model: Model): void {
  const found = trainingNode(model);
  if (found === undefined) return;
  throw new TemperError('UNSUPPORTED_GRAPH', `${model.path}: ${found.name} ${found.text}`, {
    hint: KEEP_NORMS,
    details: { path: model.path, node: found.name },
  });
}

/** {@link assertInference} of a file; one of onnxruntime's own format cannot be looked at. @throws also INPUT_*, FORMAT_* */
export function assertInferenceFile(path: string): void {
  if (isOrtFormat(path)) return;
  const model = openModel(path);
  try {
    assertInference(model);
  } finally {
    model.close();
  }
}
