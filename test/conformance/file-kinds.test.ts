import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { verifyAverage } from '../../src/average/index.ts';
import { average } from '../support/average.ts';
import { expectFailure } from '../support/expect-failure.ts';
import { FILE_KINDS, type FileKind, plain, type Weights } from '../support/file-kinds.ts';
import { rawBytes, rawOf, value16 } from '../support/model-builder.ts';
import { seeded } from '../support/random.ts';
import { avgCkpt } from '../support/run-cli.ts';
import { runModel } from '../support/run-model.ts';
import { tempFolder } from '../support/temp-folder.ts';

const PYTHON = '/usr/bin/python3';
const CHECKER = fileURLToPath(new URL('../../../test/support/onnx-checker.py', import.meta.url));
/** onnx 1.12, Debian's: newer files are skipped by name. */
const CHECKER_LIMITS = { ir: 8, opset: 17 };
const SNAPSHOTS = 3;

const root = tempFolder();
const started = performance.now();
/** Averages by the name of their kind, for the checker. */
const written: { name: string; path: string; kind: FileKind }[] = [];

/** The values as the storage type holds them, rounded once from float64. */
function rounded(type: FileKind['type'], values: readonly number[]): number[] {
  const bytes = rawBytes(type, values);
  return values.map((_, i) => {
    if (type === 'float64') return bytes.readDoubleLE(i * 8);
    if (type === 'float32') return bytes.readFloatLE(i * 4);
    return value16(type as 'float16' | 'bfloat16', bytes.readUInt16LE(i * 2));
  });
}

function weightsOf(kind: FileKind, seed: number): Weights {
  const random = seeded(seed);
  return Object.fromEntries(
    Object.entries(kind.dims).map(([name, dims]) => {
      const count = dims.reduce((product, dim) => product * dim, 1);
      const offset = name === 'bn.var' || name === 'bn.weight' ? 1 : 0;
      return [
        name,
        rounded(
          kind.type,
          Array.from({ length: count }, () => offset + (random() - 0.5) * 0.8),
        ),
      ];
    }),
  );
}

function meanOf(kind: FileKind, all: readonly Weights[]): Weights {
  return Object.fromEntries(
    Object.keys(kind.dims).map((name) => [
      name,
      rounded(
        kind.type,
        all[0]![name]!.map((_, i) => all.reduce((sum, w) => sum + w[name]![i]!, 0) / all.length),
      ),
    ]),
  );
}

type Averager = (snapshots: readonly string[], out: string) => Promise<void>;

/** Averages snapshots of a kind and runs the average against a model built from the averaged weights. */
async function check(name: string, kind: FileKind, averager: Averager): Promise<string> {
  const folder = join(root, String(written.length));
  mkdirSync(folder);
  const weights = Array.from({ length: SNAPSHOTS }, (_, seed) => weightsOf(kind, seed + 1));
  const snapshots = weights.map((w, i) => kind.write(join(folder, `epoch_${i}.onnx`), w));
  const out = join(folder, 'average.onnx');
  await averager(snapshots, out);
  const direct = kind.write(join(folder, 'direct.onnx'), meanOf(kind, weights));
  for (const feeds of kind.feeds) {
    const logits = await runModel(out, feeds);
    assert.deepEqual(logits, await runModel(direct, feeds));
    assert.notDeepEqual(logits, await runModel(snapshots[0]!, feeds), 'the average is no snapshot');
  }
  written.push({ name, path: out, kind });
  return folder;
}

const byCommand: Averager = (snapshots, out) => {
  const { status, stderr } = avgCkpt(...snapshots, '--out', out);
  assert.equal(status, 0, stderr);
  return Promise.resolve();
};
const inProcess: Averager = async (snapshots, out) => void (await average(snapshots, out));

/** Where an averaged weight lies: in the data file, else at the bytes of the filter's or the first layer's mean. */
function weightPlace(kind: FileKind, folder: string): { file: string; byte: number } {
  const data = readdirSync(folder).find((name) => /^average\.onnx\.[0-9a-f]{16}\.data$/.test(name));
  if (data) return { file: join(folder, data), byte: 8 };
  const file = join(folder, 'average.onnx');
  // float64 means are correctly rounded, where a plain sum is not: taken from the file.
  const weights = [1, 2, 3].map((seed) => weightsOf(kind, seed));
  const bias =
    kind.type === 'float64' ? rawOf(file, 'bn.bias') : rawBytes(kind.type, meanOf(kind, weights)['bn.bias']!);
  const at = readFileSync(file).indexOf(bias);
  assert.ok(at > 0, 'the averaged bias lies in the file as raw_data');
  return { file, byte: at + 1 };
}

for (const [name, kind] of Object.entries(FILE_KINDS)) {
  test(`${name}: the average runs with the float64 mean of the weights, and is verified`, async () => {
    const folder = await check(name, kind, byCommand);
    const out = join(folder, 'average.onnx');
    assert.deepEqual(await verifyAverage({ file: out }), { file: out, ok: true, findings: [] });

    const { file, byte } = weightPlace(kind, folder);
    assert.equal(file === out, !kind.external);
    const bytes = readFileSync(file);
    bytes[byte]! ^= 0x01;
    writeFileSync(file, bytes);
    const { ok, findings } = await verifyAverage({ file: out });
    assert.equal(ok, false);
    assert.match(findings.join('\n'), new RegExp(`differs from the recomputed average at byte ${byte}$`, 'm'));

    rmSync(join(folder, 'epoch_1.onnx'));
    await expectFailure('INPUT_NOT_FOUND', [/epoch_1\.onnx.*`inputs`/], () => verifyAverage({ file: out }));
  });
}

for (let ir = 3; ir <= 13; ir++) {
  const opset = ir === 3 ? 8 : ir < 8 ? ir + 5 : 17;
  test(`IR ${ir}${ir === 3 ? ', initializers as inputs' : ''} with opset ${opset}: the average runs with the float64 mean`, () =>
    check(`IR ${ir}`, plain({ ir, opset }), inProcess).then(() => undefined));
}

for (let opset = 7; opset <= 26; opset++) {
  const ir = opset < 9 ? 3 : opset <= CHECKER_LIMITS.opset ? CHECKER_LIMITS.ir : 10;
  test(`opset ${opset}: the average runs with the float64 mean`, () =>
    check(`opset ${opset}`, plain({ ir, opset }), inProcess).then(() => undefined));
}

test("onnx's own checker accepts every average", async (t) => {
  const probe = spawnSync(PYTHON, ['-c', 'import onnx; print(onnx.__version__)'], { encoding: 'utf8' });
  if (probe.status !== 0) return t.skip(`${PYTHON} has no onnx`);
  const tooNew = ({ kind }: (typeof written)[number]): boolean =>
    kind.ir > CHECKER_LIMITS.ir || kind.opset > CHECKER_LIMITS.opset;
  const checked = written.filter((item) => !tooNew(item));
  const lines = execFileSync(PYTHON, [CHECKER, ...checked.map(({ path }) => path)], { encoding: 'utf8' })
    .trim()
    .split('\n');
  for (const [i, { name }] of checked.entries()) {
    await t.test(name, () => assert.equal(lines[i], 'ok'));
  }
  for (const { name, kind } of written.filter(tooNew)) {
    await t.test(name, { skip: `IR ${kind.ir}, opset ${kind.opset}: onnx ${probe.stdout.trim()} is older` }, () => {});
  }
});

after(() => console.log(`${written.length} kinds of files in ${((performance.now() - started) / 1000).toFixed(1)} s`));
