import { TemperError } from '../../core/index.ts';
import type { NewNode } from '../../onnx/index.ts';
import { ACTIVATIONS } from './activations.ts';
import { ARITHMETIC } from './arithmetic.ts';
import { LINEAR } from './linear.ts';
import { POOLING } from './pooling.ts';
import type { GradientContext, Rule, Rules } from './rule.ts';
import { SHAPES } from './shapes.ts';

/** Every operator that gradients go through. BatchNormalization is expanded into these (batchnorm.ts). */
export const RULES: ReadonlyMap<string, Rule> = new Map(
  [ARITHMETIC, ACTIVATIONS, SHAPES, POOLING, LINEAR].flatMap((table: Rules) => Object.entries(table)),
);

/** Values that gradients go through on their way to `sources`. @throws TemperError UNSUPPORTED_GRAPH by operator */
export function dependent(nodes: readonly NewNode[], sources: readonly string[]): Set<string> {
  const found = new Set(sources);
  for (const node of nodes) {
    if (!node.inputs.some((name) => found.has(name))) continue;
    const rule = node.domain ? undefined : RULES.get(node.opType);
    if (rule === undefined) {
      const operator = node.domain ? `${node.domain}.${node.opType}` : node.opType;
      throw new TemperError(
        'UNSUPPORTED_GRAPH',
        `operator ${operator} (${node.name || node.outputs[0]}) has no gradient here`,
        {
          hint: `Operators with one: BatchNormalization, ${[...RULES.keys()].join(', ')}. Or use \`mode\` paper or fc, whose gradients end at the classifier.`,
          details: { operator },
        },
      );
    }
    if (rule !== 'integer') for (const output of node.outputs) found.add(output);
  }
  return found;
}

/**
 * Reverse-mode differentiation: emits behind `nodes` the nodes that compute the gradients of `sources`.
 * @param nodes in an order in which they can run, one output each where a gradient goes through
 * @param seeds gradients of the graph's results, by value
 * @returns the name of the gradient of each source that has one
 * @throws TemperError UNSUPPORTED_GRAPH for an operator without a rule, by its name
 */
export function differentiate(
  nodes: readonly NewNode[],
  seeds: ReadonlyMap<string, string>,
  sources: readonly string[],
  context: GradientContext,
): Map<string, string> {
  const wanted = dependent(nodes, sources);
  const gradients = new Map(seeds);
  for (const node of nodes.toReversed()) {
    const gradient = gradients.get(node.outputs[0] ?? '');
    if (gradient === undefined || !node.inputs.some((name) => wanted.has(name))) continue;
    const rule = RULES.get(node.opType);
    if (rule === undefined || rule === 'integer') continue;
    const parts = rule(node, gradient, context, (input) => wanted.has(node.inputs[input] ?? ''));
    for (const [i, name] of node.inputs.entries()) {
      const part = parts[i];
      if (part === undefined || !wanted.has(name)) continue;
      const sum = gradients.get(name);
      gradients.set(name, sum === undefined ? part : context.emit('Add', [sum, part]));
    }
  }
  return new Map(sources.flatMap((name) => (gradients.has(name) ? [[name, gradients.get(name) as string]] : [])));
}
