import type { NewNode } from '../../onnx/index.ts';
import type { GraphBuilder } from './graph-builder.ts';

/** What a rule may ask about the values of the graph: sizes as they were in one run of a few images. */
export interface GradientContext extends GraphBuilder {
  dims(value: string): readonly number[];
  /** The values of a constant of integers. */
  constantInts(value: string): readonly number[] | undefined;
}

/**
 * How gradients go back through one operator: given the name of the gradient of its output, emits the nodes that compute
 * the gradient of each input, and returns their names. Inputs that need none may be left undefined.
 * @throws TemperError UNSUPPORTED_GRAPH for a form of the operator that it does not know
 */
export type Backward = (
  node: NewNode,
  gradient: string,
  context: GradientContext,
  needs: (input: number) => boolean,
) => readonly (string | undefined)[];

/** A rule for one operator; 'integer' passes no gradient on (its output is a size). */
export type Rule = Backward | 'integer';
export type Rules = Readonly<Record<string, Rule>>;
