import { TemperError } from '../../core/index.ts';
import type { Size } from '../../data/index.ts';
import type { Model } from '../../onnx/index.ts';
import { graphView, inferShapes } from '../../shapes/index.ts';
import { declaredInputs, imageDims, modelInput, scoresOf } from '../../signature/index.ts';

/** Any number of images serves. */
const ANY_BATCH = 2;

/** Dims of an output for a batch of images of a size, as far as the graph, or else the file, tells them. */
function outputDims(
  model: Model,
  output: string,
  input: string | undefined,
  size: Size,
): readonly number[] | undefined {
  const image = modelInput(declaredInputs(model), input);
  const dims = imageDims(image, image.batch ?? ANY_BATCH, size);
  const { nodes } = inferShapes(graphView(model), { [image.name]: dims });
  const made = nodes.findLast(({ node }) => node.outputs.includes(output));
  const inferred = made?.outputs[made.node.outputs.indexOf(output)]?.dims;
  if (inferred) return inferred;
  const declared = model.record.graph.outputs.find(({ name }) => name === output)?.tensorType?.dims ?? [];
  const [, ...rest] = declared;
  return rest.every((dim) => typeof dim === 'number') ? [ANY_BATCH, ...(rest as number[])] : undefined;
}

/**
 * The loss is of one row of scores for each image: heads that score every place or token cannot be trained on labels of images.
 * Said before anything runs.
 * @throws TemperError UNSUPPORTED_GRAPH
 */
export function assertClassRows(model: Model, output: string, input: string | undefined, size: Size): void {
  const dims = outputDims(model, output, input, size);
  if (!dims || scoresOf(dims) !== undefined) return;
  const what = `${model.path}: output ${output} is [${dims.join(', ')}] for ${dims[0]} images, expected one row of scores for each`;
  throw new TemperError('UNSUPPORTED_GRAPH', what, {
    hint: 'Name the output with one score a class (`output`), or export the network with its pooling.',
    details: { path: model.path, output, dims: [...dims] },
  });
}
