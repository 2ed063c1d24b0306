import type { GradientContext } from './rule.ts';

/**
 * The gradient of an operand that was broadcast: summed over the axes along which it was repeated, in its own shape.
 * @param gradient of the result @param result whose sizes it has @param operand
 */
export function unbroadcast(g: GradientContext, gradient: string, result: string, operand: string): string {
  const [to, from] = [g.dims(operand), g.dims(result)];
  const missing = from.length - to.length;
  const axes = from.flatMap((size, axis) => (axis < missing || (to[axis - missing] === 1 && size !== 1) ? [axis] : []));
  if (axes.length === 0) return gradient;
  const summed = g.emit('ReduceSum', [gradient, g.ints(axes)], { keepdims: 1 });
  return missing === 0 ? summed : g.emit('Reshape', [summed, g.emit('Shape', [operand])]);
}
