/**
 * Every operator that the product puts into a graph has a kernel in onnxruntime's CUDA provider, for its type and
 * version; what has none runs on the CPU with copies, and is named here and in docs/cuda.md. The graphs are really made:
 * by the tests of each kind of graph, which run once more with a recorder of all sessions. Needs no GPU.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { tempFolder } from '../support/temp-folder.ts';
import { emittedOperators } from './emitted-operators.ts';

type Kernel = readonly [from: number, to: number | null, types: string];
interface Operator {
  readonly since: readonly number[];
  readonly kernels: readonly Kernel[];
}
const KERNELS = (
  JSON.parse(readFileSync(fileURLToPath(new URL('../../../test/cuda/cuda-kernels.json', import.meta.url)), 'utf8')) as {
    readonly operators: Readonly<Record<string, Operator>>;
  }
).operators;

/** Kinds of graphs, and the tests that open sessions with them. (Freeing a size puts no operator in: it opens dimensions.) */
const GRAPHS: Readonly<Record<string, string>> = {
  'moments of layers, opsets 7 to 26': 'batchnorm/layer-kinds',
  'moments in every position': 'batchnorm/moments-graph',
  'moments in branches': 'batchnorm/branches',
  'inlined calls': 'batchnorm/functions',
  'unfolded layers': 'batchnorm/folded/job',
  'cut networks and their training': 'fixres/cut',
  'test-time pooling': 'resolution/test-pool',
  'repaired averages': 'search/repair',
  'calibrated scores': 'evaluate/calibrate/calibrate',
};
/** Operators of opset 24 and 25 are newer than the table's kernels: these run on the CPU. */
const ON_THE_CPU = ['Cast 24', 'Cast 25', 'Reshape 24', 'Reshape 25', 'Shape 24', 'Shape 25'];

/** The version of an operator that an operator set has. */
const versionOf = ({ since }: Operator, opset: number): number => Math.max(...since.filter((one) => one <= opset));

/** As onnxruntime looks kernels up: an open range serves its own version alone. */
const serves = ([from, to, types]: Kernel, version: number, type: string | undefined): boolean =>
  (from === version || (from < version && to !== null && version <= to)) &&
  (type === undefined || types.split(' ').includes(type));

const recorder = new URL('./record-graphs.js', import.meta.url).href;
const root = tempFolder();
const seen = new Set<string>();

test('the lookup finds closed and open ranges, and what is missing', () => {
  const cast = KERNELS.Cast as Operator;
  const found = (opset: number, type = 'float'): boolean =>
    cast.kernels.some((kernel) => serves(kernel, versionOf(cast, opset), type));
  assert.deepEqual(
    [7, 13, 18, 22, 23, 24].map((opset) => found(opset)),
    [true, true, true, true, true, false],
  );
  assert.equal(found(17, 'string'), false);
  assert.deepEqual((KERNELS.Mean as Operator).kernels, []);
});

for (const [kind, file] of Object.entries(GRAPHS)) {
  test(`${kind}: every operator that is put in has a kernel on CUDA`, () => {
    const folder = join(root, file.replaceAll('/', '-'));
    mkdirSync(folder);
    const path = fileURLToPath(new URL(`../unit/${file}.test.js`, import.meta.url));
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const run = spawnSync(process.execPath, ['--import', recorder, path], {
      env: { ...env, ONNX_TEMPER_GRAPHS: folder },
      encoding: 'utf8',
    });
    assert.equal(run.status, 0, run.stdout.slice(-2000));
    const graphs = readdirSync(folder);
    assert.ok(graphs.length > 0, 'sessions were opened');
    const emitted = graphs.flatMap((name) => emittedOperators(join(folder, name)));
    for (const { op } of emitted) seen.add(op);
    const without = emitted
      .filter(({ op, opset, type }) => {
        const operator = KERNELS[op];
        return !operator?.kernels.some((kernel) => serves(kernel, versionOf(operator, opset), type));
      })
      .map(({ op, opset, type }) => ({
        name: `${op} ${versionOf(KERNELS[op] ?? { since: [opset], kernels: [] }, opset)}`,
        type,
      }))
      .filter(({ name }) => !ON_THE_CPU.includes(name));
    assert.deepEqual([...new Set(without.map(({ name, type }) => `${name} of ${type}`))], []);
  });
}

test('the kinds together put in a good part of the table', () => assert.ok(seen.size >= 15, [...seen].join()));
