import { writeFileSync } from 'node:fs';
import { dictOps, tensorOps, torchZip } from './checkpoint-writer.ts';
import { decodeModel } from './model-builder.ts';

/** Writes the float32 initializers of a model as torch.save writes a state dict: a storage each. Memory: the model, twice. */
export function writeStateDict(modelPath: string, path: string): string {
  const storages: Record<string, Uint8Array> = {};
  const members = decodeModel(modelPath).graph!.initializer!.map((tensor, i) => {
    const dims = tensor.dims!.map(Number);
    const strides = dims.map((_, axis) => dims.slice(axis + 1).reduce((product, dim) => product * dim, 1));
    storages[i] = tensor.rawData!;
    return [tensor.name!, tensorOps({ key: String(i), count: tensor.rawData!.length / 4, dims, strides })] as const;
  });
  writeFileSync(path, torchZip(dictOps(...members), storages));
  return path;
}
