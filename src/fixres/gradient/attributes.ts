import { TemperError } from '../../core/index.ts';
import type { NewNode } from '../../onnx/index.ts';

/** Readers of attributes, with the defaults of the operator schemas. */
export function intOf({ attributes }: NewNode, name: string, otherwise: number): number {
  const value = attributes?.[name];
  return typeof value === 'number' ? value : otherwise;
}

export function floatOf({ attributes }: NewNode, name: string, otherwise: number): number {
  const value = attributes?.[name];
  return typeof value === 'object' && 'float' in value ? value.float : otherwise;
}

export function intsOf({ attributes }: NewNode, name: string): readonly number[] | undefined {
  const value = attributes?.[name];
  return Array.isArray(value) ? (value as readonly number[]) : undefined;
}

export function textOf({ attributes }: NewNode, name: string, otherwise: string): string {
  const value = attributes?.[name];
  return typeof value === 'string' ? value : otherwise;
}

/** A form of a known operator that has no rule. */
export function unsupportedForm({ opType, name, outputs }: NewNode, what: string): TemperError {
  return new TemperError('UNSUPPORTED_GRAPH', `${opType} ${name || outputs[0]}: ${what}, which has no gradient here`, {
    hint: 'Use `mode` paper or fc, whose gradients end at the classifier.',
    details: { operator: opType },
  });
}
