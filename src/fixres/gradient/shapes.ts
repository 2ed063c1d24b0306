import { intOf, intsOf } from './attributes.ts';
import type { Backward, Rules } from './rule.ts';

/** The gradient in the shape of the input: for operators that only arrange values anew without moving them. */
const reshaped: Backward = ({ inputs }, dy, g) => [g.emit('Reshape', [dy, g.emit('Shape', [inputs[0] as string])])];

export const SHAPES: Rules = {
  Identity: (_, dy) => [dy],
  Flatten: reshaped,
  Reshape: reshaped,
  Squeeze: reshaped,
  Unsqueeze: reshaped,
  Transpose: (node, dy, g) => {
    const rank = g.dims(node.inputs[0] as string).length;
    const perm = intsOf(node, 'perm') ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
    const back = perm.map((_, axis) => perm.indexOf(axis));
    return [g.emit('Transpose', [dy], { perm: back })];
  },
  Concat: (node, dy, g, needs) => {
    const rank = g.dims(node.outputs[0] as string).length;
    const axis = (intOf(node, 'axis', 0) + rank) % rank;
    let start = 0;
    return node.inputs.map((input, i) => {
      const end = start + (g.dims(input)[axis] as number);
      const part = needs(i) ? g.emit('Slice', [dy, g.ints([start]), g.ints([end]), g.ints([axis])]) : undefined;
      start = end;
      return part;
    });
  },
  Shape: 'integer',
  Size: 'integer',
};
