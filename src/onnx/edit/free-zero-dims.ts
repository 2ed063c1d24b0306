import type { Model } from '../read/model.ts';
import { editedModel } from './apply-edits.ts';
import type { Edit } from './edit.ts';
import { removeValueInfos, setDimension } from './edits.ts';

const PREFIX = 'onnx_temper.any';

/**
 * A throw-away copy in which dims of 0 are open. keras2onnx, MXNet and others write 0 for a dim that may be anything;
 * onnxruntime takes it for a batch of no images, or a picture of no pixels.
 * @returns undefined if no input has such a dim
 */
export function freeZeroDims(model: Model): Model | undefined {
  const { graph } = model.record;
  const stored = new Set(graph.initializers.map(({ name }) => name));
  const isZero = (dim: number | string): boolean => dim === 0;
  const inputs = graph.inputs.filter(({ name }) => !stored.has(name));
  if (!inputs.some(({ tensorType }) => tensorType?.dims?.some(isZero))) return undefined;
  // What the exporter inferred from a dim of 0 holds for no image at all.
  const edits: Edit[] = removeValueInfos(graph);
  for (const [kind, values] of Object.entries({ in: inputs, out: graph.outputs })) {
    for (const [k, { tensorType }] of values.entries()) {
      for (const [axis, dim] of (tensorType?.dims ?? []).entries()) {
        const message = tensorType?.dimMessages[axis];
        // The first axis of all is the batch.
        if (message && isZero(dim))
          edits.push(setDimension(message, axis === 0 ? PREFIX : `${PREFIX}.${kind}${k}.${axis}`));
      }
    }
  }
  return editedModel(model, edits);
}
