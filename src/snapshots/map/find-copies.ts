import type { Expression, Operand } from './expression.ts';
import { type Fingerprint, fingerprintOf } from './fingerprint.ts';
import { equalProof } from './prove.ts';
import { byName, type Explained, type Search, tried, valuesLike } from './search.ts';
import type { StateKey } from './state-values.ts';
import { openTensor, type TemplateTensor } from './template-tensors.ts';
import { rounded, sameInFiles, valuesAt } from './values.ts';
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
    if (key.type === tensor.type && sameInFiles(openTensor(search.template, tensor), search.state.open(key.key)))
      return { expression: copy(operandOf(key)), proof: equalProof(key.type) };
    const found = tried(search, tensor, copy(operandOf(key)));
    if (found) return found;
  }
  for (const group of search.state.alike(tensor.count)) {
    const [first] = group as [StateKey];
    const views = reorderings(first.dims, tensor.dims);
    if (views.length === 0) continue;
    for (const view of views) {
      const places = placesOf(view, first.print.head.length);
      const values = rounded(
        valuesAt(() => openTensor(search.template, tensor), tensor.type, places),
        first.type,
      );
      for (const key of group) {
        if (!key.print.head.every((value, i) => Object.is(value, values[i]))) continue;
        const found = tried(search, tensor, copy({ ...operandOf(key), view }));
        if (found) return found;
      }
    }
  }
  return undefined;
}
