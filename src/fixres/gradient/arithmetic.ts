import { unbroadcast } from './broadcast.ts';
import type { GradientContext, Rules } from './rule.ts';

/** Gradients of both operands of `result = a ∘ b`, each given before it is summed to its operand's shape. */
function both(
  g: GradientContext,
  { inputs, outputs }: { readonly inputs: readonly string[]; readonly outputs: readonly string[] },
  needs: (input: number) => boolean,
  full: readonly (() => string)[],
): (string | undefined)[] {
  return full.map((make, i) =>
    needs(i) ? unbroadcast(g, make(), outputs[0] as string, inputs[i] as string) : undefined,
  );
}

export const ARITHMETIC: Rules = {
  Add: (node, dy, g, needs) => both(g, node, needs, [() => dy, () => dy]),
  Sub: (node, dy, g, needs) => both(g, node, needs, [() => dy, () => g.emit('Neg', [dy])]),
  Mul: (node, dy, g, needs) => {
    const [a = '', b = ''] = node.inputs;
    return both(g, node, needs, [() => g.emit('Mul', [dy, b]), () => g.emit('Mul', [dy, a])]);
  },
  Div: (node, dy, g, needs) => {
    const [, b = ''] = node.inputs;
    const [y = ''] = node.outputs;
    // d(a / b)/db = -y / b.
    const divided = (): string => g.emit('Div', [dy, b]);
    return both(g, node, needs, [divided, () => g.emit('Neg', [g.emit('Mul', [divided(), y])])]);
  },
  Neg: (_, dy, g) => [g.emit('Neg', [dy])],
  // d√x/dx = 1 / (2√x).
  Sqrt: (node, dy, g) => [g.emit('Div', [g.emit('Mul', [dy, g.floats([0.5])]), node.outputs[0] as string])],
};
