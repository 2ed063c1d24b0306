import { type FileSource, itemBytesOf, TemperError } from '../../core/index.ts';
import { isTensor, type PickleTensor } from '../pickle/pickle-value.ts';
import { isContiguous, openView, rowMajor, spanOf } from '../torch/tensor-cursor.ts';
import type { TorchFile } from '../torch/torch-content.ts';
import { readTorchFile } from '../torch/torch-file.ts';
import { storageType } from '../torch/torch-types.ts';
import { type StateCandidate, type UnnamedTensor, WHOLE_FILE } from './candidate.ts';
import type { StateContent } from './content.ts';
import { type FoundState, findStates } from './find-states.ts';
import { hiddenBehind, hiddenWeight, isWeight } from './hidden-weight.ts';
import { runFacts } from './run-facts.ts';

/** A view may name elements more than once (expand): at most so many above those that its storage has. */
const MAX_REPEATED = 1 << 24;

/** What is in a state dict, and no weight by any name. */
const NO_WEIGHT = /(?:^|\.)_extra_state$|^_metadata$/;

/** @throws TemperError FORMAT_* if it does not lie in its storage */
function tensorIn(file: TorchFile, name: string, tensor: PickleTensor): UnnamedTensor {
  const { source, bigEndian } = file;
  const { type, dims, strides, storage } = tensor;
  const malformed = (what: string, code: 'FORMAT_MALFORMED' | 'FORMAT_LIMIT' = 'FORMAT_MALFORMED'): TemperError =>
    new TemperError(code, `${source.path}: tensor ${JSON.stringify(name)} ${what}`, {
      hint: 'Copy the file again, or write it again with torch.save.',
      details: { path: source.path, tensor: name },
    });
  if (type === undefined) {
    const quantized = /^Q/.test(tensor.typeName);
    const what = `${source.path}: weight ${JSON.stringify(name)} is of type ${tensor.typeName}`;
    throw new TemperError(quantized ? 'UNSUPPORTED_QUANTIZED' : 'UNSUPPORTED_DATA_TYPE', what, {
      hint: 'Save it as float32, float16, bfloat16 or float64.',
      details: { path: source.path, tensor: name, type: tensor.typeName },
    });
  }
  const itemBytes = itemBytesOf(type);
  const storedBytes = storageType(storage.type)?.bytes ?? itemBytes;
  const count = dims.reduce((product, dim) => product * dim, 1);
  const held = Math.floor((storage.count * storedBytes) / itemBytes);
  if (!Number.isSafeInteger(count)) throw malformed(`of sizes ${dims.join(' × ')}`, 'FORMAT_LIMIT');
  if (count > held + MAX_REPEATED) throw malformed(`of ${count} elements over ${held} stored ones`, 'FORMAT_LIMIT');
  const end = count === 0 ? 0 : tensor.offset + spanOf(dims, strides);
  if (!(end <= held)) throw malformed(`reaches element ${end} of a storage of ${held}`);
  const place = file.storage(storage.key);
  const start = storage.start * storedBytes;
  if (!(start + held * itemBytes <= place.size)) {
    throw malformed(`is in a storage of ${storage.count} elements, but ${place.size} bytes are stored`);
  }
  const packed = isContiguous(dims, strides) || count === 0;
  const view = { source, itemBytes, dims, bigEndian, strides: packed ? rowMajor(dims) : strides };
  return {
    type,
    dims,
    open: () => openView({ ...view, offset: place.offset + start + tensor.offset * itemBytes }),
  };
}

function tensorsOf(file: TorchFile, state: FoundState): Map<string, UnnamedTensor> {
  const tensors = new Map<string, UnnamedTensor>();
  for (const [name, value] of state.entries) {
    if (typeof name === 'string' && isTensor(value)) {
      tensors.set(name, tensorIn(file, name, value));
      continue;
    }
    if (NO_WEIGHT.test(String(name))) continue;
    // Beside the weights of a file that is one state dict lie the optimizer and other dictionaries.
    const behind = state.key === WHOLE_FILE && !isWeight(value) ? undefined : hiddenBehind(value);
    if (behind !== undefined) throw hiddenWeight(file.source.path, String(name), behind);
  }
  return tensors;
}

/**
 * The state dicts of a file of torch.save, and what it says of itself.
 * @throws TemperError FORMAT_*, UNSUPPORTED_FORMAT, INPUT_UNREADABLE
 */
export function torchContent(source: FileSource): StateContent {
  const file = readTorchFile(source);
  const candidates = findStates(source.path, file.root).map(
    (state): StateCandidate => ({ key: state.key, role: state.role, tensors: () => tensorsOf(file, state) }),
  );
  return { candidates, facts: runFacts(file.root, (tensor) => tensorIn(file, 'a number', tensor)) };
}
