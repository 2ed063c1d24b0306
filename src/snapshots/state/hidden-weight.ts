import { type ErrorCode, TemperError } from '../../core/index.ts';
import { entriesOf, isGlobal, isObject, isStorage, isTensor, type PickleValue } from '../pickle/pickle-value.ts';

/** What makes a tensor that no state table holds, by the end of its name. */
const MAKERS: readonly (readonly [name: string, what: string, code: ErrorCode])[] = [
  ['_rebuild_qtensor', 'a quantized tensor', 'UNSUPPORTED_QUANTIZED'],
  ['_rebuild_sparse_tensor', 'a sparse tensor', 'UNSUPPORTED_DATA_TYPE'],
  ['_rebuild_sparse_csr_tensor', 'a sparse tensor', 'UNSUPPORTED_DATA_TYPE'],
  ['_rebuild_nested_tensor', 'a nested tensor', 'UNSUPPORTED_DATA_TYPE'],
  ['_rebuild_meta_tensor_no_storage', 'a tensor on the meta device, which has no values', 'UNSUPPORTED_DATA_TYPE'],
];
/** Calls that make tensors or arrays, as far as they are not read. */
const TENSOR_MAKER =
  /^torch\.(?:_utils|_tensor|storage)\._|^numpy\.(?:_?core\.)?(?:_?core\.)?multiarray\._reconstruct$|^torch\.jit\./;

/** How far a weight is looked for behind other things, and at how many. */
const MAX_DEPTH = 8;
const MAX_VISITS = 10_000;

const isMaker = (name: string): boolean => TENSOR_MAKER.test(name);

/** What a tensor hides behind: the name of what would have made it, or what holds it; undefined where there is none. */
export function hiddenBehind(value: PickleValue): string | undefined {
  let visits = 0;
  function find(at: PickleValue, depth: number): string | undefined {
    if (++visits > MAX_VISITS || depth > MAX_DEPTH) return undefined;
    if (isTensor(at) || isStorage(at)) return 'a container';
    if (Array.isArray(at)) return firstOf(at, depth);
    if (isObject(at)) {
      const inside = [...at.args, ...(at.state === undefined ? [] : [at.state]), ...(entriesOf(at)?.values() ?? [])];
      return isMaker(at.name) || firstOf(inside, depth) !== undefined ? at.name : undefined;
    }
    return at instanceof Map ? firstOf(at.values(), depth) : undefined;
  }
  function firstOf(values: Iterable<PickleValue>, depth: number): string | undefined {
    for (const value of values) {
      const found = isGlobal(value) ? undefined : find(value, depth + 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return find(value, 0);
}

/** Whether a value is a tensor, or a call that would have made one. */
export const isWeight = (value: PickleValue): boolean => isTensor(value) || (isObject(value) && isMaker(value.name));

/** The error of a weight that cannot be read. */
export function hiddenWeight(path: string, name: string, behind: string): TemperError {
  const known = MAKERS.find(([maker]) => behind.endsWith(maker));
  const what = known?.[1] ?? `hidden in ${behind}`;
  return new TemperError(known?.[2] ?? 'UNSUPPORTED_FORMAT', `${path}: weight ${JSON.stringify(name)} is ${what}`, {
    hint: 'Save plain tensors: model.state_dict() of the model in float, without wrappers.',
    details: { path, tensor: name, found: behind },
  });
}
