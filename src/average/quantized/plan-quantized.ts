import { TemperError } from '../../core/index.ts';
import type { Model, TensorRecord } from '../../onnx/index.ts';
import { type AveragedTensor, storedIn } from '../averaged-tensor.ts';
import { findQuantized, type Quantized } from './find-quantized.ts';
import { QUANTIZED_PARTS, type QuantizedGroup, type QuantizedPart } from './quantized-group.ts';

/** A part of quantized numbers that differs between snapshots, and what is said if it cannot be averaged. */
type Differing = AveragedTensor & { readonly error: () => TemperError };

const partsOf = (quantized: Quantized): (readonly [QuantizedPart, TensorRecord])[] =>
  QUANTIZED_PARTS.flatMap((part) => {
    const tensor = quantized[part];
    return tensor ? [[part, tensor] as const] : [];
  });

/** A zero point that serves several tensors stays what it is: it cannot follow from the values of one of them. */
function refuseSharedZeroPoints(all: readonly Quantized[], differing: ReadonlyMap<TensorRecord, Differing>): void {
  const shared = all.find(({ zeroPoint, zeroPointShared }) => zeroPointShared && zeroPoint && differing.has(zeroPoint));
  const found = shared?.zeroPoint && differing.get(shared.zeroPoint);
  if (!found) return;
  throw new TemperError(
    'UNSUPPORTED_QUANTIZED',
    `zero point ${JSON.stringify(found.name)} serves several tensors, and differs between the snapshots`,
    { hint: 'Average the float snapshots, then quantize the average.', details: { tensor: found.name } },
  );
}

/**
 * What becomes of quantized tensors of which a part differs: all parts of it are made anew, and a bias with the scales that
 * it follows. What is equal in all snapshots stays as it is.
 * @param counterparts a template's tensor in every snapshot
 * @param asFloat write the values of stored codes in place of them
 * @throws TemperError UNSUPPORTED_QUANTIZED for codes that no DequantizeLinear explains, for a zero point of several tensors
 * that differs, and as findQuantized
 */
export function planQuantized(
  models: readonly Model[],
  template: Model,
  differing: ReadonlyMap<TensorRecord, Differing>,
  counterparts: (tensor: TensorRecord) => readonly (TensorRecord | undefined)[],
  asFloat: boolean,
): { readonly tensors: readonly AveragedTensor[]; readonly notes: readonly string[] } {
  if (differing.size === 0) return { tensors: [], notes: [] };
  const all = findQuantized(template);
  const explained = new Set(all.flatMap((one) => partsOf(one).map(([, tensor]) => tensor)));
  for (const [tensor, { error }] of differing) if (!explained.has(tensor)) throw error();
  refuseSharedZeroPoints(all, differing);
  const changes = new Map<Quantized, boolean>();
  const changed = (one: Quantized): boolean => {
    const known = changes.get(one);
    if (known !== undefined) return known;
    const own = partsOf(one).some(([, tensor]) => differing.has(tensor));
    const found = own || (one.biasOf !== undefined && (changed(one.biasOf.input) || changed(one.biasOf.weight)));
    changes.set(one, found);
    return found;
  };
  const groups = new Map<Quantized, QuantizedGroup>();
  const groupOf = (one: Quantized): QuantizedGroup => {
    const known = groups.get(one);
    if (known) return known;
    const sources = (tensor: TensorRecord | undefined) =>
      (tensor ? counterparts(tensor) : []) as readonly TensorRecord[];
    const { codes, scale, zeroPoint, biasOf } = one;
    const group: QuantizedGroup = {
      template: one,
      parts: { codes: sources(codes), scale: sources(scale), zeroPoint: sources(zeroPoint) },
      biasOf: biasOf && { input: groupOf(biasOf.input), weight: groupOf(biasOf.weight) },
      kept: !changed(one),
    };
    groups.set(one, group);
    return group;
  };
  const tensors = all.filter(changed).flatMap((one) => {
    const group = groupOf(one);
    const floats = asFloat && one.codes !== undefined && one.exclusive;
    return partsOf(one).flatMap(([part, tensor]): AveragedTensor[] => {
      // A zero point of several tensors stays, and one that is removed needs no values.
      if ((part === 'zeroPoint' && one.zeroPointShared) || (floats && part !== 'codes')) return [];
      return [
        {
          name: tensor.name || one.name,
          role: part === 'codes' ? 'quantized_weight' : part === 'scale' ? 'quantization_scale' : 'zero_point',
          template: tensor,
          type: undefined,
          treatment: 'quantized',
          quantized: { group, part, asFloat: floats },
          dims: tensor.dims,
          sources: group.parts[part].map((source, i) => storedIn(models[i] as Model, source)),
        },
      ];
    });
  });
  const count = all.filter((one) => one.codes && changed(one)).length;
  const how = asFloat ? 'written as floats' : 'quantized again';
  return { tensors, notes: [`${count} quantized tensors: their values are averaged, and ${how}`] };
}
