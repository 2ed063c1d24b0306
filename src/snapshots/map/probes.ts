import { mixed, wordsOf } from './fingerprint.ts';
import { type Search, valuesLike } from './search.ts';
import type { StateKey } from './state-values.ts';
import type { TemplateTensor } from './template-tensors.ts';
import type { Values } from './values.ts';

/** Values of a tensor that are looked for in all keys. */
const PROBES = 4;
/** Places of a tensor at which a probe is looked for: zeros and what occurred before are no probes. */
const PLACES = 64;

/** One number for the bits of each value. */
function bitsAt(values: Values): (i: number) => number {
  const words = wordsOf(values);
  return values instanceof Float64Array
    ? (i) => (words[2 * i] as number) ^ mixed(words[2 * i + 1] as number)
    : (i) => words[i] as number;
}

function probesOf(values: Values): Set<number> {
  const bits = bitsAt(values);
  const probes = new Set<number>();
  const step = Math.max(1, Math.floor(values.length / PLACES));
  for (let i = 0; i < values.length && probes.size < PROBES; i += step) if (values[i] !== 0) probes.add(bits(i));
  return probes;
}

/** The keys that hold some values of each tensor, wherever they lie: what it may be a slice, a permutation or a gather of. */
export function keysHolding(
  search: Search,
  tensors: readonly TemplateTensor[],
): ReadonlyMap<TemplateTensor, readonly StateKey[]> {
  const holding = new Map<TemplateTensor, StateKey[]>(tensors.map((tensor) => [tensor, []]));
  const types = new Set(search.state.keys.map(({ type }) => type));
  for (const type of types) {
    const wanted = new Map<number, TemplateTensor[]>();
    const sizes = new Map<TemplateTensor, number>();
    const filter = new Uint8Array(1 << 16);
    for (const tensor of tensors) {
      const probes = probesOf(valuesLike(search, tensor, { type }));
      sizes.set(tensor, probes.size);
      for (const probe of probes) {
        wanted.set(probe, [...(wanted.get(probe) ?? []), tensor]);
        filter[mixed(probe) >>> 16] = 1;
      }
    }
    for (const key of search.state.keys) {
      if (key.type !== type) continue;
      const seen = new Map<TemplateTensor, Set<number>>();
      const values = search.state.values(key.key);
      const bits = bitsAt(values);
      for (let i = 0; i < values.length; i++) {
        const own = bits(i);
        if (filter[mixed(own) >>> 16] === 0) continue;
        for (const tensor of wanted.get(own) ?? []) seen.set(tensor, (seen.get(tensor) ?? new Set<number>()).add(own));
      }
      for (const [tensor, found] of seen) if (found.size === sizes.get(tensor)) holding.get(tensor)?.push(key);
    }
  }
  return holding;
}
