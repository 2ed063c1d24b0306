import { readMomentsFile } from '../batchnorm/index.ts';
import { openFile, openSafetensors, type SafetensorsFile } from '../core/index.ts';
import { type Described, type Facts, fact, factsOf } from './inspected.ts';

/** Files of onnx-temper that are safetensors, by `format` in their metadata. */
const OURS: Readonly<Record<string, { readonly kind: string; readonly is: string }>> = {
  'onnx-temper moments 1': { kind: 'moments', is: 'is a file of moments (bn-recal `momentsOut`)' },
  'onnx-temper levels 1': { kind: 'levels', is: 'holds the finished levels of an unfinished bn-recal' },
  'onnx-temper-fixres-checkpoint': { kind: 'fixres-checkpoint', is: 'is the checkpoint of an unfinished fix-res' },
};
const WEIGHTS = { kind: 'safetensors', is: 'is a safetensors file' };

const SHOWN_CHARACTERS = 200;

function tensorFacts({ tensors, metadata }: SafetensorsFile): Facts {
  let values = 0;
  const types = new Set<string>();
  for (const { dtype, shape } of tensors.values()) {
    values += shape.reduce((product, side) => product * side, 1);
    types.add(dtype);
  }
  const entries = [...metadata].map(([key, value]) => `${key}: ${value.slice(0, SHOWN_CHARACTERS)}`);
  return factsOf({
    n_tensors: fact(tensors.size, 'the header'),
    n_values: fact(values, 'the header'),
    types: types.size === 0 ? undefined : fact([...types].sort(), 'the header'),
    metadata: entries.length === 0 ? undefined : fact(entries, '__metadata__'),
  });
}

/** Whose batches they are, and which. @throws TemperError FORMAT_* for a file that is damaged */
function momentsFacts(path: string): Facts {
  const source = openFile(path);
  try {
    const { run, batches } = readMomentsFile(source);
    const said = 'the run in the metadata';
    return {
      batches: fact(`${batches.length} of ${run.batches}`, 'tensor batch and the run'),
      batch_size: fact(run.batch_size, said),
      n_layers: fact(run.layers.length, said),
      data: fact(run.data, said),
      model_sha256: fact(run.model_sha256, said),
      provider: fact(run.provider, said),
      version: fact(run.version, said),
    };
  } finally {
    source.close();
  }
}

/** A safetensors file, by its header. @throws TemperError INPUT_*, FORMAT_*, UNSUPPORTED_DATA_TYPE */
export function describeTensors(path: string): Described {
  const source = openFile(path);
  try {
    const file = openSafetensors(source);
    const what = OURS[file.metadata.get('format') ?? ''] ?? WEIGHTS;
    const tensors = [...file.tensors.values()].map(({ name, dtype, shape }) => ({ name, type: dtype, dims: shape }));
    const { metadata, ...facts } = tensorFacts(file);
    // The run of our own files is told as facts, not as the text that it is.
    const own = what.kind === 'moments' ? momentsFacts(path) : what === WEIGHTS && metadata ? { metadata } : {};
    return { ...what, facts: { ...facts, ...own }, tensors };
  } finally {
    source.close();
  }
}
