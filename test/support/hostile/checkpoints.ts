/** Broken training checkpoints. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { memorySource, openSafetensors } from '../../../src/core/index.ts';
import { openState } from '../../../src/snapshots/index.ts';
import { unzip, zip } from '../checkpoint-writer.ts';
import { mutateBytes } from '../mutate-bytes.ts';
import { breakOneOf } from './mutations.ts';
import type { HostileTarget, Int } from './target.ts';

const FIXTURES = 'fixtures/trainer';
export const CHECKPOINT_FILES = [
  'timm.pth.tar',
  'lightning.ckpt',
  'module.pt',
  'views.pth',
  'types.pth',
  'legacy.pt',
  'protocol-1.pth',
  'protocol-4.pth',
  'hf/checkpoint-900/model.safetensors',
];

/** Reads every tensor; returns how many there are. */
function readAll(path: string): number {
  const table = openState(path);
  try {
    for (const tensor of table.tensors.values()) {
      const cursor = tensor.open();
      assert.ok(cursor.byteLength <= 2 ** 28, `${tensor.name} ${tensor.dims.join()}`);
      const bytes = new Uint8Array(1 << 16);
      for (let done = 0; done < cursor.byteLength; done += bytes.length) {
        cursor.read(bytes.subarray(0, Math.min(bytes.length, cursor.byteLength - done)));
      }
    }
    table.assertUnchanged();
    return table.tensors.size;
  } finally {
    table.close();
  }
}

/** Half of the mutations of a zip break its pickle alone: those of the whole file mostly break the directory. */
function broken(intact: Buffer, int: Int): { bytes: Buffer; what: string } {
  if (intact.toString('latin1', 0, 2) !== 'PK' || int(2) === 0) return mutateBytes(intact, int, [...intact.keys()]);
  let what = '';
  const members = unzip(intact).map(({ name, data }) => {
    if (!name.endsWith('data.pkl')) return { name, data };
    const pickle = mutateBytes(data, int, [...data.keys()]);
    what = `data.pkl: ${pickle.what}`;
    return { name, data: pickle.bytes };
  });
  return { bytes: zip(members), what };
}

export const checkpointTarget = (file: string): HostileTarget => {
  const name = file.replaceAll('/', '_');
  const intact = readFileSync(join(FIXTURES, file));
  return {
    kind: 'checkpoints',
    name: file,
    files: { [name]: intact },
    mutate: (int) => ({ file: name, ...broken(intact, int) }),
    read: (folder) => assert.ok(readAll(join(folder, name)) >= 0),
  };
};

/** A folder of safetensors shards with their index. */
function shards(): HostileTarget {
  const file = readFileSync(join(FIXTURES, 'hf/checkpoint-900/model.safetensors'));
  const names = [...openSafetensors(memorySource(file)).tensors.keys()];
  const [first, second] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
  const index = {
    metadata: { total_size: file.length },
    weight_map: Object.fromEntries(names.map((name, i) => [name, i % 2 === 0 ? first : second])),
  };
  const files = { 'model.safetensors.index.json': Buffer.from(JSON.stringify(index)), [first]: file, [second]: file };
  return {
    kind: 'checkpoints',
    name: 'shards',
    files,
    mutate: breakOneOf(files, ['model.safetensors.index.json', 'model.safetensors.index.json', first]),
    read: (folder) => assert.ok(readAll(join(folder, 'model.safetensors.index.json')) >= 0),
  };
}

export const checkpointTargets = (): HostileTarget[] => [...CHECKPOINT_FILES.map(checkpointTarget), shards()];
