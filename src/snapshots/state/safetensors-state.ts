import { type FileSource, itemBytesOf, openSafetensors } from '../../core/index.ts';
import { openView, rowMajor } from '../torch/tensor-cursor.ts';
import { type UnnamedTensor, WHOLE_FILE } from './candidate.ts';
import type { StateContent } from './content.ts';
import { factsOf } from './run-facts.ts';

/** A whole number in the metadata, which holds texts. */
function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** The one state dict of a safetensors file. @throws TemperError FORMAT_*, UNSUPPORTED_DATA_TYPE, INPUT_UNREADABLE */
export function safetensorsContent(source: FileSource): StateContent {
  const file = openSafetensors(source);
  const tensors = new Map(
    [...file.tensors].map(([name, { dtype, shape, offset }]): [string, UnnamedTensor] => {
      const view = {
        source,
        offset,
        itemBytes: itemBytesOf(dtype),
        dims: shape,
        strides: rowMajor(shape),
        bigEndian: false,
      };
      return [name, { type: dtype, dims: shape, open: () => openView(view) }];
    }),
  );
  const { metadata } = file;
  return {
    candidates: tensors.size === 0 ? [] : [{ key: WHOLE_FILE, role: 'model', tensors: () => tensors }],
    facts: factsOf(
      numberOf(metadata.get('epoch')),
      numberOf(metadata.get('global_step') ?? metadata.get('step')),
      undefined,
    ),
  };
}
