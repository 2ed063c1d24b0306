import type { Expression, Operand } from './expression.ts';
import { type Fingerprint, fingerprintOf } from './fingerprint.ts';
import { byName, type Explained, type Search, tried, valuesLike } from './search.ts';
import type { StateKey } from './state-values.ts';
import type { TemplateTensor } from './template-tensors.ts';
import { placesOf, reorderings } from './view.ts';

export const operandOf = ({ key, dims }: StateKey): Operand => ({ key, dims });

/** The same values in the same order, or reordered: transposed, permuted. @param own the tensor's fingerprint */
export function findCopy(search: Search, tensor: TemplateTensor, own: Fingerprint): Explained | undefined {
  const keys = byName(tensor.name, search.state.sized(tensor.count));
  if (keys.length === 0) return undefined;
  const prints = new Map<string, Fingerprint>([[tensor.type, own]]);
  const printLike = (key: StateKey) => {
    const known = prints.get(key.type) ?? fingerprintOf(valuesLike(search, tensor, key));
    prints.set(key.type, known);
    return known;
  };
  const copy = (of: Operand): Expression => ({ kind: 'copy', of });
  for (const key of keys) {
    if (printLike(key).sampled !== key.print.sampled) continue;
    const found = tried(search, tensor, copy(operandOf(key)));
    if (found) return found;
  }
  for (const group of search.state.alike(tensor.count)) {
    const [first] = group as [StateKey];
    const values = valuesLike(search, tensor, first);
    for (const view of reorderings(first.dims, tensor.dims)) {
      const places = placesOf(view, first.print.head.length);
      for (const key of group) {
        if (!key.print.head.every((value, i) => Object.is(value, values[places[i] as number]))) continue;
        const found = tried(search, tensor, copy({ ...operandOf(key), view }));
        if (found) return found;
      }
    }
  }
  return undefined;
}
