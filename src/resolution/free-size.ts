import { type Edit, editedModel, type Model, removeValueInfos, setDimension } from '../onnx/index.ts';

const PREFIX = 'onnx_temper.size';

export interface FreeSizeOptions {
  /** The image input. */
  readonly input: string;
  readonly layout: 'NCHW' | 'NHWC';
  /** Free the batch dimension too. */
  readonly batch: boolean;
}

/** The places of height and width in an input's dims. */
const SPATIAL_AXES = { NCHW: [2, 3], NHWC: [1, 2] } as const;

/**
 * A throw-away copy whose image input takes any height and width (and any batch): its fixed dims become symbols, those of the
 * outputs too but for the class axis, and the exporter's value_info, which holds for one size alone, is removed. Nothing
 * else changes: constants that hold for one size are found by analyseSizes, or by running it.
 *
 * Memory: the model file once more; external data stays where it is.
 */
export function freeSize(model: Model, { input, layout, batch }: FreeSizeOptions): Model {
  const { graph } = model.record;
  const edits: Edit[] = removeValueInfos(graph);
  const axes: number[] = [...SPATIAL_AXES[layout], ...(batch ? [0] : [])];
  for (const { name, tensorType } of graph.inputs) {
    if (name !== input) continue;
    for (const axis of axes) {
      const dimension = tensorType?.dimMessages[axis];
      if (dimension) edits.push(setDimension(dimension, `${PREFIX}.${axis}`));
    }
  }
  graph.outputs.forEach(({ tensorType }, k) => {
    tensorType?.dimMessages.forEach((dimension, axis) => {
      const free = axis === 0 ? batch : axis > 1;
      if (free) edits.push(setDimension(dimension, axis === 0 ? `${PREFIX}.0` : `${PREFIX}.out${k}.${axis}`));
    });
  });
  return editedModel(model, edits);
}
