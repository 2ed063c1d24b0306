import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { readTable } from '../../src/core/index.ts';
import { openDataset, readClassMap } from '../../src/data/index.ts';
import { evaluate, finish, searchAverages } from '../../src/index.ts';
import { FASHION, SNAPSHOTS } from '../support/fashion.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
const pipe = (name: string): string => join(root, name);
const made = ['p', 'p.csv', 'p.jsonl', 'p.txt', 'p.parquet', 'p.npy'].map(pipe);
const skip = spawnSync('mkfifo', made).status !== 0 && 'mkfifo is not there';

const DATA = {
  source: join(FASHION, 'test-images-idx3-ubyte.gz'),
  labels: join(FASHION, 'test-labels-idx1-ubyte.gz'),
  limit: 8,
};
const MODELS = { models: [SNAPSHOTS[0] as string], transform: { preset: 'none', size: 20 }, device: 'cpu' } as const;

/** Each would wait for a writer for ever, and no signal would end it. */
const OPENINGS: Readonly<Record<string, () => Promise<unknown>>> = {
  'a table': async () => readTable(pipe('p')),
  'a class map': async () => readClassMap(pipe('p')),
  'valid classes': () => evaluate({ ...MODELS, data: DATA, validClasses: pipe('p') }),
  slices: () => evaluate({ ...MODELS, data: DATA, slices: pipe('p') }),
  'real labels': () => evaluate({ ...MODELS, data: DATA, realLabels: pipe('p') }),
  labels: () => evaluate({ ...MODELS, data: { ...DATA, labels: pipe('p.npy') } }),
  'predictions in CSV': () => evaluate({ from: [pipe('p.csv')] }),
  'predictions in Parquet': () => evaluate({ from: [pipe('p.parquet')] }),
  'a table of images': () => openDataset(pipe('p.csv'), {}),
  'a list of images': () => openDataset(pipe('p.txt'), {}),
  'lines of JSON': () => openDataset(pipe('p.jsonl'), {}),
  Parquet: () => openDataset(pipe('p.parquet'), {}),
  'a recipe': () => finish({ recipe: pipe('p'), outDir: join(root, 'out') } as Parameters<typeof finish>[0]),
  'results of a search': () =>
    searchAverages({ ...MODELS, inputs: [...SNAPSHOTS], val: DATA, cache: pipe('p'), out: join(root, 'o.onnx') }),
};

for (const [name, open] of Object.entries(OPENINGS)) {
  test(`a named pipe is refused, not waited for: ${name}`, { skip, timeout: 60_000 }, async () => {
    await assert.rejects(open(), { name: 'TemperError', exitCode: 3 });
  });
}
