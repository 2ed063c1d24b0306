import { ENCODERS, FLOAT_BYTES, type FloatType, TemperError } from '../../core/index.ts';
import type { Model } from '../../onnx/index.ts';
import { evaluate, scaleValues } from './evaluate.ts';
import { blockFold } from './fold-arithmetic.ts';
import type { MapEntry, StateMap } from './make-map.ts';
import { templateValues } from './template-tensors.ts';
import type { Values } from './values.ts';

/** The key that a tensor is, value for value in the same order; undefined for what has to be computed. */
export function copiedKey({ expression }: MapEntry): string | undefined {
  return expression.kind === 'copy' && expression.of.view === undefined ? expression.of.key : undefined;
}

/** Running means and variances: of layers that the graph keeps, and of those that are folded. */
export function statisticKeys({ entries }: StateMap): {
  readonly means: ReadonlySet<string>;
  readonly variances: ReadonlySet<string>;
} {
  const [means, variances] = [new Set<string>(), new Set<string>()];
  for (const entry of entries) {
    const { expression, tensor } = entry;
    if ('norm' in expression) variances.add(expression.norm.variance);
    if (expression.kind === 'folded bias') means.add(expression.shift.mean);
    const key = copiedKey(entry);
    if (key === undefined) continue;
    for (const { node, slot } of tensor.readers) {
      if (node.opType !== 'BatchNormalization' || node.domain !== '') continue;
      if (slot === 3) means.add(key);
      if (slot === 4) variances.add(key);
    }
  }
  return { means, variances };
}

/** Refuses a folded variance below 0: its root is no number. @throws TemperError NUMERIC_NEGATIVE_VARIANCE */
function assertVariance({ tensor, expression }: MapEntry, values: (key: string) => Values): void {
  if (!('norm' in expression)) return;
  const { variance, epsilon } = expression.norm;
  const channel = values(variance).findIndex((value) => value + epsilon < 0);
  if (channel < 0) return;
  throw new TemperError(
    'NUMERIC_NEGATIVE_VARIANCE',
    `${variance}: the average of channel ${channel} is negative, and ${JSON.stringify(tensor.name)} is divided by its root`,
    {
      hint: 'Take the statistics of the last checkpoint (`bn` last), or weights that are not negative.',
      details: { tensor: tensor.name, key: variance, channel },
    },
  );
}

/** Values as a type stores them: float32 as they are, all others rounded from float64. */
function stored(values: Values, type: FloatType): { readonly bytes: Uint8Array; readonly finite: boolean } {
  if (type === 'float32' && values instanceof Float32Array) {
    let zero = 0;
    for (let i = 0; i < values.length; i++) zero += (values[i] as number) * 0;
    return { bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength), finite: zero === 0 };
  }
  const bytes = new Uint8Array(values.length * FLOAT_BYTES[type]);
  const wide = values instanceof Float64Array ? values : Float64Array.from(values);
  return { bytes, finite: ENCODERS[type](wide, 1, bytes, 0, values.length) };
}

function nonFinite({ tensor }: MapEntry, at: number): TemperError {
  return new TemperError('NUMERIC_NONFINITE', `tensor ${JSON.stringify(tensor.name)}, element ${at}: NaN or Inf`, {
    hint: 'Leave the checkpoint out that has it, or pass `allowNonfinite`.',
    details: { tensor: tensor.name, element: at },
  });
}

/** The key of a float32 weight that is folded in the order in which it lies: block by block, without all of it in memory. */
export function foldedKey({ tensor, expression }: MapEntry): string | undefined {
  if (expression.kind !== 'folded weight' || expression.arithmetic === 'float64') return undefined;
  const { of, channels } = expression;
  return tensor.type === 'float32' && channels.axis === 0 && of.view === undefined ? of.key : undefined;
}

/**
 * The bytes of {@link mappedBytes} of a tensor that has a {@link foldedKey}, from blocks of that key.
 * @param values of the norm's tensors
 * @returns what takes the key's float32 values from front to back; its result is valid until the next block
 * @throws TemperError as mappedBytes
 */
export function mappedBlocks(
  entry: MapEntry,
  values: (key: string) => Values,
  { allowNonfinite = false }: { readonly allowNonfinite?: boolean } = {},
): (block: Float32Array) => Uint8Array {
  const { tensor, expression } = entry;
  if (expression.kind !== 'folded weight' || expression.arithmetic === 'float64')
    throw new RangeError('no folded weight');
  assertVariance(entry, values);
  const { of, norm, arithmetic } = expression;
  const fold = blockFold(tensor.count / (of.dims[0] ?? 1), scaleValues(values, norm), arithmetic);
  let first = 0;
  let out = new Float32Array(0);
  return (block) => {
    if (out.length < block.length) out = new Float32Array(block.length);
    const folded = out.subarray(0, block.length);
    fold(first, block, folded);
    const { bytes, finite } = stored(folded, 'float32');
    if (!finite && !allowNonfinite)
      throw nonFinite(entry, first + folded.findIndex((value) => !Number.isFinite(value)));
    first += block.length;
    return bytes;
  };
}

/**
 * Computes the bytes of one tensor of the template, in raw form.
 *
 * Memory: the tensors that it is computed from, and the result.
 * @param values tensors of the state dict, in their own order
 * @param type of the result, the tensor's own by default: values of the tensor's type are then rounded again
 * @throws TemperError NUMERIC_NONFINITE, NUMERIC_OVERFLOW, NUMERIC_NEGATIVE_VARIANCE
 */
export function mappedBytes(
  template: Model,
  entry: MapEntry,
  values: (key: string) => Values,
  {
    type = entry.tensor.type,
    allowNonfinite = false,
  }: { readonly type?: FloatType; readonly allowNonfinite?: boolean } = {},
): Uint8Array {
  const { tensor, expression } = entry;
  assertVariance(entry, values);
  const computed = evaluate(expression, { values, own: () => templateValues(template, tensor) });
  const { bytes, finite } = stored(computed, type);
  if (finite || allowNonfinite) return bytes;
  const at = computed.findIndex((value) => !Number.isFinite(value));
  if (at < 0) {
    throw new TemperError('NUMERIC_OVERFLOW', `tensor ${JSON.stringify(tensor.name)}: a value does not fit ${type}`, {
      hint: 'Export the template with float32 parameters.',
      details: { tensor: tensor.name },
    });
  }
  throw nonFinite(entry, at);
}
