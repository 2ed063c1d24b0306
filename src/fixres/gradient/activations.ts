import { floatOf } from './attributes.ts';
import type { GradientContext, Rules } from './rule.ts';

/** 1 where a condition holds, 0 elsewhere. */
const indicator = (g: GradientContext, condition: string): string => g.emit('Cast', [condition], { to: 1 });

/** dy where low < x < high, 0 elsewhere: at the kinks torch's gradients are 0, but for Clip, which takes its bounds in. */
function between(g: GradientContext, dy: string, x: string, low: number, high: number): string {
  const inside = g.emit('And', [g.emit('Greater', [x, g.floats([low])]), g.emit('Less', [x, g.floats([high])])]);
  return g.emit('Mul', [dy, indicator(g, inside)]);
}

/** s(1 - s) of the sigmoid s. */
const slope = (g: GradientContext, s: string): string => g.emit('Mul', [s, g.emit('Sub', [g.floats([1]), s])]);

export const ACTIVATIONS: Rules = {
  Relu: ({ outputs }, dy, g) => [
    g.emit('Mul', [dy, indicator(g, g.emit('Greater', [outputs[0] as string, g.floats([0])]))]),
  ],
  LeakyRelu: (node, dy, g) => {
    const positive = g.emit('Greater', [node.inputs[0] as string, g.floats([0])]);
    return [g.emit('Where', [positive, dy, g.emit('Mul', [dy, g.floats([floatOf(node, 'alpha', 0.01)])])])];
  },
  Clip: ({ inputs }, dy, g) => {
    const [x = '', low, high] = inputs;
    let gradient = dy;
    if (low) gradient = g.emit('Mul', [gradient, indicator(g, g.emit('GreaterOrEqual', [x, low]))]);
    if (high) gradient = g.emit('Mul', [gradient, indicator(g, g.emit('LessOrEqual', [x, high]))]);
    return [gradient];
  },
  Sigmoid: ({ outputs }, dy, g) => [g.emit('Mul', [dy, slope(g, outputs[0] as string)])],
  Tanh: ({ outputs }, dy, g) => {
    const [y = ''] = outputs;
    return [g.emit('Mul', [dy, g.emit('Sub', [g.floats([1]), g.emit('Mul', [y, y])])])];
  },
  /** max(0, min(1, αx + β)). */
  HardSigmoid: (node, dy, g) => {
    const [alpha, beta] = [floatOf(node, 'alpha', 0.2), floatOf(node, 'beta', 0.5)];
    const inside = between(g, dy, node.inputs[0] as string, -beta / alpha, (1 - beta) / alpha);
    return [g.emit('Mul', [inside, g.floats([alpha])])];
  },
  /** x · max(0, min(1, x/6 + 1/2)): slope 0 up to -3, (2x + 3)/6 up to 3, then 1. */
  HardSwish: ({ inputs }, dy, g) => {
    const [x = ''] = inputs;
    const inside = between(g, dy, x, -3, 3);
    const inner = g.emit('Mul', [inside, g.emit('Add', [g.emit('Div', [x, g.floats([3])]), g.floats([0.5])])]);
    const above = g.emit('Mul', [dy, indicator(g, g.emit('GreaterOrEqual', [x, g.floats([3])]))]);
    return [g.emit('Add', [inner, above])];
  },
};
