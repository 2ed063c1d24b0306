import type { PickleNames } from '../pickle/machine.ts';
import type { PickleSource } from '../pickle/pickle-source.ts';
import { isGlobal, isStorage, isTensor, type PickleStorage, type PickleValue } from '../pickle/pickle-value.ts';
import { storageType, typeNamed } from './torch-types.ts';

/** torch's own limit on dimensions. */
const MAX_DIMS = 64;

const isCount = (value: PickleValue | undefined): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;
const isCounts = (value: PickleValue | undefined): value is number[] =>
  Array.isArray(value) && value.length <= MAX_DIMS && value.every(isCount);

type Call = (args: readonly PickleValue[], source: PickleSource) => PickleValue | undefined;

/** `_rebuild_tensor_v2(storage, offset, size, stride, …)`; of `_v3` the seventh argument is the type. */
function tensor(args: readonly PickleValue[], source: PickleSource, dtype?: PickleValue): PickleValue | undefined {
  const [storage, offset, dims, strides] = args;
  // A storage that is a placeholder itself leaves a placeholder, which is named if it is a weight.
  if (storage === undefined || !isStorage(storage)) return undefined;
  if (!isCount(offset) || !isCounts(dims) || !isCounts(strides) || dims.length !== strides.length) {
    throw source.malformed('a tensor whose sizes, strides or offset are no counts');
  }
  const typeName = dtype !== undefined && isGlobal(dtype) ? dtype.name : storage.type;
  const type = dtype !== undefined && isGlobal(dtype) ? typeNamed(dtype.name) : storageType(storage.type)?.type;
  return { kind: 'tensor', storage, type, typeName, offset, dims: [...dims], strides: [...strides] };
}

const first: Call = ([value]) => (value !== undefined && isTensor(value) ? value : undefined);
const array: Call = ([items = []]) => (Array.isArray(items) ? [...items] : undefined);

/** An OrderedDict, in Python 2's form with its items as a list of pairs. */
function ordered([pairs = []]: readonly PickleValue[], source: PickleSource): PickleValue {
  const entries = new Map<PickleValue, PickleValue>();
  for (const pair of Array.isArray(pairs) ? pairs : []) {
    if (!Array.isArray(pair) || pair.length !== 2) throw source.malformed('an OrderedDict whose items are no pairs');
    const [key, value] = pair as [PickleValue, PickleValue];
    if (entries.has(key)) throw source.malformed('an OrderedDict with a key twice');
    entries.set(key, value);
  }
  return entries;
}

/** NumPy's scalars, which training scripts keep as metrics: by the kind and size of their type. */
const SCALARS: Readonly<Record<string, (bytes: Buffer) => number>> = {
  f8: (bytes) => bytes.readDoubleLE(),
  f4: (bytes) => bytes.readFloatLE(),
  i8: (bytes) => Number(bytes.readBigInt64LE()),
  i4: (bytes) => bytes.readInt32LE(),
};

function scalar([dtype, bytes]: readonly PickleValue[]): PickleValue | undefined {
  if (!(bytes instanceof Uint8Array) || typeof dtype !== 'object' || dtype === null || !('args' in dtype))
    return undefined;
  const [type] = dtype.args;
  const decode = typeof type === 'string' && Object.hasOwn(SCALARS, type) ? SCALARS[type] : undefined;
  return decode && bytes.length === Number((type as string)[1]) ? decode(Buffer.from(bytes)) : undefined;
}

/** How protocols before 3 write bytes. */
const encoded: Call = ([text, codec]) =>
  typeof text === 'string' && codec === 'latin1' ? Uint8Array.from(Buffer.from(text, 'latin1')) : undefined;

/** A subclass of Tensor that only names it otherwise; other subclasses may read their numbers in another way. */
const PLAIN = ['torch.Tensor', 'torch.nn.parameter.Parameter', 'torch.nn.parameter.Buffer'];
function fromType(args: readonly PickleValue[], source: PickleSource): PickleValue | undefined {
  const [make, type, inner] = args;
  if (make === undefined || type === undefined || !isGlobal(make) || !isGlobal(type)) return undefined;
  return PLAIN.includes(type.name) && Array.isArray(inner) ? CALLS[make.name]?.(inner, source) : undefined;
}

/** What is understood of Python: no more than tensors, the containers around them and numbers need. */
const CALLS: Readonly<Record<string, Call>> = {
  'collections.OrderedDict': ordered,
  'builtins.dict': ordered,
  'builtins.set': array,
  'builtins.frozenset': array,
  'builtins.list': array,
  'builtins.tuple': array,
  'torch.Size': array,
  '_codecs.encode': encoded,
  'numpy.core.multiarray.scalar': scalar,
  'numpy._core.multiarray.scalar': scalar,
  'torch._utils._rebuild_tensor': (args, source) => tensor(args, source),
  'torch._utils._rebuild_tensor_v2': (args, source) => tensor(args, source),
  'torch._utils._rebuild_tensor_v3': (args, source) => tensor(args, source, args[6] ?? null),
  'torch._utils._rebuild_parameter': first,
  'torch._utils._rebuild_parameter_with_state': first,
  'torch._tensor._rebuild_from_type_v2': fromType,
  'torch._tensor._rebuild_from_type': fromType,
};

/** A persistent id of torch.save: ('storage', class, key, place, elements[, view of the old format]). */
function persistent(id: PickleValue, source: PickleSource): PickleStorage {
  const malformed = (): never => {
    throw source.malformed('a persistent id that names no storage');
  };
  if (!Array.isArray(id) || id.length < 5) return malformed();
  const [what, type, key, , count, view = null] = id;
  if (what !== 'storage' || type === undefined || !isGlobal(type)) return malformed();
  if (typeof key !== 'string' || !isCount(count)) return malformed();
  const name = type.name.split('.').at(-1) ?? '';
  if (view === null) return { kind: 'storage', type: name, key, count, start: 0 };
  const [, start, size] = Array.isArray(view) ? view : [];
  if (!isCount(start) || !isCount(size)) return malformed();
  return { kind: 'storage', type: name, key, count: size, start };
}

/** torch's names, for {@link readPickle}. */
export const TORCH_NAMES: PickleNames = {
  call: (name, args, source) => (Object.hasOwn(CALLS, name) ? CALLS[name]?.(args, source) : undefined),
  persistent,
};
