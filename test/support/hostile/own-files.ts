/** Broken files that the product wrote: moments, levels, checkpoints of training, caches, predictions, stores, configurations. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writePerImage } from '../../../cli/eval-ckpt/per-image-file.ts';
import {
  type BatchNormLayer,
  levelsDone,
  mergeMomentsFiles,
  readLevelsFile,
  readMomentsFile,
  writeLevelsFile,
  writeMomentsFile,
} from '../../../src/batchnorm/index.ts';
import { memorySource, openSafetensors } from '../../../src/core/index.ts';
import { isTransform } from '../../../src/data/index.ts';
import { openStore, verifyStore } from '../../../src/distill/index.ts';
import { readPerImage } from '../../../src/evaluate/index.ts';
import { readCheckpoint, writeCheckpoint } from '../../../src/fixres/train/checkpoint.ts';
import { openModel } from '../../../src/onnx/index.ts';
import { openResultsCache } from '../../../src/search/results-cache.ts';
import { declaredInputs, modelFacts, transformFor } from '../../../src/signature/index.ts';
import { classifier } from '../classifier-folder.ts';
import { jobBatches, RUN } from '../moments.ts';
import { mutateBytes } from '../mutate-bytes.ts';
import { calibratedPredictions } from '../synthetic-predictions.ts';
import { makeStore, storeRun } from '../target-store.ts';
import { breakOneOf, mutateJson, mutateTable } from './mutations.ts';
import type { HostileTarget, Int, Mutated } from './target.ts';

type Files = Readonly<Record<string, Uint8Array>>;

/** One file that is read from memory or from its path. */
function single(
  kind: string,
  name: string,
  bytes: Buffer,
  read: (path: string, bytes: Buffer) => unknown,
  mutate: (int: Int) => Mutated = breakOneOf({ [name]: bytes }, [name]),
): HostileTarget {
  const files = { [name]: bytes };
  return { kind, name, files, mutate, read: (folder, mutated) => read(join(folder, name), mutated.bytes) };
}

/** Breaks the header of safetensors, mostly. */
const headBreaker =
  (name: string, bytes: Buffer) =>
  (int: Int): Mutated => {
    const end = Math.min(bytes.length, 8 + Number(bytes.readBigUInt64LE()) + 200);
    return {
      file: name,
      ...mutateBytes(
        bytes,
        int,
        Array.from({ length: 32 }, () => int(end)),
      ),
    };
  };

function safetensorsTargets(folder: string): HostileTarget[] {
  const [moments, levels, training] = ['moments', 'levels', 'training'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeMomentsFile(moments, RUN, jobBatches(), { force: true });
  const layers = RUN.layers.map(({ name, channels }, level) => ({ name, channels, level }) as BatchNormLayer);
  const done = layers.map((layer) => {
    const values = new Float64Array(layer.channels).fill(0.5);
    return { level: layer.level, measured: [{ layer, count: 90, statistics: { mean: values, variance: values } }] };
  });
  writeLevelsFile(levels, RUN, 300, done);
  const state = {
    parameters: new Map([['w', Float32Array.of(1, 2)]]),
    velocities: new Map([['w', Float32Array.of(0, 0)]]),
    epochs: 1,
  };
  const history = [{ epoch: 1, lr: 0.1, train_loss: 2 }];
  writeCheckpoint(training, { run: 'run', state, history, best: { epoch: 1, nll: 0.5, parameters: state.parameters } });
  const file = (name: string, path: string, read: (path: string, bytes: Buffer) => unknown): HostileTarget => {
    const bytes = readFileSync(path);
    return single('moments, levels and training', name, bytes, read, headBreaker(name, bytes));
  };
  const whole = readFileSync(moments);
  return [
    file('moments.safetensors', moments, (_, bytes) => {
      for (const { layers: found } of mergeMomentsFiles([readMomentsFile(memorySource(bytes))]).batches()) {
        assert.deepEqual(
          found.map(({ mean, variance }) => [mean.length, variance.length]),
          found.map((__, l) => [RUN.layers[l]?.channels, RUN.layers[l]?.channels]),
        );
      }
    }),
    file('levels.safetensors', levels, (_, bytes) => levelsDone(readLevelsFile(memorySource(bytes)), layers)),
    file('training.safetensors', training, (path) => {
      const found = readCheckpoint(path, 'run', state);
      assert.ok(found && found.history.length === found.state.epochs);
    }),
    single(
      'safetensors',
      'any.safetensors',
      whole,
      (_, bytes) => {
        const tensors = openSafetensors(memorySource(bytes));
        for (const name of tensors.tensors.keys()) tensors.read(name);
      },
      headBreaker('any.safetensors', whole),
    ),
  ];
}

/** A cache of a search, and files of predictions. */
async function tableTargets(folder: string): Promise<HostileTarget[]> {
  const metrics = { n: 10, top1: 0.5, top5: 1, nll: 1.25, brier: 0.5, ece: 0.125, eceCalibrated: 0.1 };
  const cache = join(folder, 'cache.jsonl');
  for (const key of ['k', 'l', 'm']) openResultsCache(cache).put(key, metrics);
  const text = readFileSync(cache, 'utf8');
  const lines = text.split('\n');
  const models = ['a.onnx', 'b.onnx'].map((model) => ({ model, predictions: calibratedPredictions(6, 5, model) }));
  const [csv, parquet] = [join(folder, 'predictions.csv'), join(folder, 'predictions.parquet')];
  await writePerImage(csv, models, true);
  await writePerImage(parquet, models, true);
  const predictions = readFileSync(csv, 'utf8');
  return [
    single(
      'caches',
      'cache.jsonl',
      Buffer.from(text),
      (path) => openResultsCache(path).put('n', metrics),
      (int) => {
        const at = int(lines.length - 1);
        const { text: line, what } = mutateJson(lines[at] as string, int);
        if (int(3) === 0)
          return {
            file: 'cache.jsonl',
            ...mutateBytes(Buffer.from(text), int, [...text.split('').keys()]),
          };
        return { file: 'cache.jsonl', bytes: Buffer.from(lines.toSpliced(at, 1, line).join('\n')), what };
      },
    ),
    single(
      'per-image files',
      'predictions.csv',
      Buffer.from(predictions),
      (path) => readPerImage(path),
      (int) => {
        const { text: changed, what } = mutateTable(predictions, int);
        return { file: 'predictions.csv', bytes: Buffer.from(changed), what };
      },
    ),
    single('per-image files', 'predictions.parquet', readFileSync(parquet), (path) => readPerImage(path)),
  ];
}

/** Everything that a reader of a store can ask for. */
export function readStore(folder: string): void {
  const store = openStore(folder);
  for (let index = 0; index < store.manifest.n_parts; index++) {
    const part = store.part(index);
    try {
      part.views();
      for (const { index: teacher } of store.manifest.teachers) part.targets(teacher);
    } finally {
      part.close();
    }
  }
}

async function storeTarget(root: string): Promise<HostileTarget> {
  const folder = await makeStore(root, 'store', storeRun({ rows_per_part: 12, kind: 'top_k', top_k: 3 }));
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const files: Files = Object.fromEntries(
    entries.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      return [join('store', path.slice(folder.length + 1)), readFileSync(path)];
    }),
  );
  const names = Object.keys(files);
  const breakBytes = breakOneOf(files, names);
  return {
    kind: 'stores',
    name: 'a store of two teachers',
    files,
    mutate(int) {
      const json = names.filter((name) => name.endsWith('.json'));
      if (int(3) > 0) return breakBytes(int);
      const file = json[int(json.length)] as string;
      const { text, what } = mutateJson(Buffer.from(files[file] as Uint8Array).toString(), int);
      return { file, bytes: Buffer.from(text), what };
    },
    async read(place, { file, bytes }) {
      const whole = (await verifyStore(join(place, 'store')).catch(() => undefined))?.problems.length === 0;
      assert.ok(!whole || bytes.equals(files[file] as Uint8Array), 'a broken store is whole');
      readStore(join(place, 'store'));
    },
  };
}

/** Real configurations of timm and transformers beside a model. */
function configTargets(): HostileTarget[] {
  const model = Buffer.from(classifier());
  const rowsOf = (file: string): Record<string, unknown>[] =>
    (JSON.parse(readFileSync(`fixtures/preprocessing/${file}.json`, 'utf8')) as { rows: Record<string, unknown>[] })
      .rows;
  return [
    ['timm', 'config.json'],
    ['transformers', 'preprocessor_config.json'],
  ].map(([source, name]) => {
    const texts = rowsOf(source as string).map((row) => JSON.stringify(row[name as string]));
    const labels = '{"id2label":{"0":"a","1":"b","2":"c"}}';
    const files: Files = {
      'model.onnx': model,
      'config.json': Buffer.from(labels),
      [name as string]: Buffer.from(texts[0] as string),
    };
    return {
      kind: 'configurations',
      name: `${name} of ${source}`,
      files,
      mutate(int) {
        const intact = texts[int(texts.length)] as string;
        if (int(5) === 0) {
          const bytes = Buffer.from(intact);
          return { file: name as string, ...mutateBytes(bytes, int, [...bytes.keys()]) };
        }
        const { text, what } = mutateJson(intact, int);
        return { file: name as string, bytes: Buffer.from(text), what };
      },
      read(folder) {
        const path = join(folder, 'model.onnx');
        const opened = openModel(path);
        try {
          void modelFacts(opened, path).classNames;
          assert.ok(isTransform(transformFor({}, declaredInputs(opened), undefined)));
        } finally {
          opened.close();
        }
      },
    };
  });
}

/** @param root a folder for what is made once */
export async function ownFileTargets(root: string): Promise<HostileTarget[]> {
  mkdirSync(root, { recursive: true });
  return [...safetensorsTargets(root), ...(await tableTargets(root)), await storeTarget(root), ...configTargets()];
}
