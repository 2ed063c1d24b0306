import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, linkSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { CHECKPOINTS, SNAPSHOTS } from '../support/fashion.ts';
import { floatsOf, weightsModel, writeModel } from '../support/model-builder.ts';
import { AVG_CKPT, avgCkpt, avgCkptIn } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = tempFolder();
let folders = 0;
function fresh(): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return folder;
}
const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** Least snapshots, for what does not depend on the network. */
function small(folder: string, ...values: number[]): string[] {
  return values.map((k) =>
    writeModel(join(folder, `epoch_${k}.onnx`), weightsModel([{ name: 'w', dims: [2], values: [k, -k] }])),
  );
}
test('--json: a failure is one document on stdout with code, message, hint and details', () => {
  const { status, stdout } = avgCkpt(CHECKPOINTS, '--last', '13', '--out', 'x', '--json');
  assert.equal(status, 3);
  const { error } = JSON.parse(stdout) as { error: Record<string, unknown> };
  assert.deepEqual(Object.keys(error), ['code', 'message', 'hint', 'details']);
  assert.equal(error.code, 'INPUT_TOO_FEW');
  assert.deepEqual(error.details, { found: 12, expected: 13 });
});

test('--json: a success says path, bytes, hash and the whole record, as the file holds it', () => {
  const folder = fresh();
  const out = join(folder, 'out.onnx');
  const { status, stdout } = avgCkpt(CHECKPOINTS, '--decay', '0.9', '--out', out, '--json');
  assert.equal(status, 0);
  const { outputs } = JSON.parse(stdout) as { outputs: Record<string, unknown>[] };
  const [output = assert.fail()] = outputs;
  assert.equal(output.path, out);
  assert.equal(output.sha256, sha256(out));
  assert.equal(output.bytes, readFileSync(out).length);
  assert.equal(output.average, 'ema_0.9');
  const inputs = output.inputs as { file: string; sha256: string }[];
  assert.deepEqual(
    inputs.map(({ file, sha256: hash }) => [file, hash]),
    SNAPSHOTS.map((path) => [basename(path), sha256(path)]),
  );
});

test('--json: verify and diagnose', () => {
  const folder = fresh();
  const paths = small(folder, 1, 2, 3);
  const out = join(folder, 'out.onnx');
  avgCkpt(...paths, '--out', out);
  const verified = avgCkpt('verify', out, '--json');
  assert.deepEqual([verified.status, JSON.parse(verified.stdout)], [0, { file: out, ok: true, findings: [] }]);
  const { snapshots, cosine } = JSON.parse(avgCkpt('diagnose', ...paths, '--json').stdout) as {
    snapshots: { path: string }[];
    cosine: number[][];
  };
  assert.deepEqual(
    snapshots.map(({ path }) => path),
    paths,
  );
  assert.equal(cosine.length, 3);
});

test('--dry-run prints files, steps, weights and effective models, and writes nothing', () => {
  const folder = fresh();
  const { status, stdout } = avgCkptIn(folder, CHECKPOINTS, '--last', '2,4', '--decay', '0.5', '--dry-run');
  assert.equal(status, 0);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s{2,}/));
  assert.deepEqual(lines[0], [`snapshots in ${CHECKPOINTS}:`]);
  assert.deepEqual(lines[1], ['snapshot', 'step', 'ema_0.5_last2', 'ema_0.5_last4']);
  assert.deepEqual(lines[2], [basename(SNAPSHOTS[8]!), '22', '0.000000', '0.066667']);
  assert.deepEqual(lines[5], [basename(SNAPSHOTS[11]!), '25', '0.666667', '0.533333']);
  assert.deepEqual(lines[6], ['effective number of models', '1.800', '2.647']);
  assert.deepEqual(readdirSync(folder), []);
  const document = JSON.parse(avgCkpt(CHECKPOINTS, '--last', '2', '--dry-run', '--json').stdout) as {
    averages: { average: string; inputs: { step: number; weight: number }[] }[];
  };
  assert.deepEqual(
    document.averages[0]?.inputs.map(({ step, weight }) => [step, weight]),
    [
      [24, 0.5],
      [25, 0.5],
    ],
  );
});

test('--dry-run refuses what the run would refuse in the graphs', () => {
  const folder = fresh();
  const other = small(folder, 1);
  assert.equal(avgCkpt(...other, SNAPSHOTS[0]!, '--dry-run').status, 6);
});

test('several outputs in one pass equal single runs; --out-dir is made', () => {
  const folder = fresh();
  const all = join(folder, 'deep', 'averages');
  const { status, stderr } = avgCkpt(CHECKPOINTS, '--decay', '0.8,0.9', '--last', '5,12', '--out-dir', all);
  assert.equal(status, 0, stderr);
  const names = ['ema_0.8_last12', 'ema_0.8_last5', 'ema_0.9_last12', 'ema_0.9_last5'];
  assert.deepEqual(
    readdirSync(all).sort(),
    names.map((name) => `${name}.onnx`),
  );
  for (const name of names) {
    const [, decay = '', last = ''] = /ema_(.*)_last(.*)/.exec(name) ?? [];
    const single = join(folder, `${name}.onnx`);
    avgCkpt(CHECKPOINTS, '--decay', decay, '--last', last, '--out', single);
    assert.equal(sha256(single), sha256(join(all, `${name}.onnx`)), name);
  }
});

test('the same snapshots give the same bytes: again, in another folder, in another order of arguments', () => {
  const [folder, elsewhere] = [fresh(), fresh()];
  cpSync(CHECKPOINTS, join(elsewhere, 'copy'), { recursive: true });
  const runs: [string, ...string[]][] = [
    ['first.onnx', CHECKPOINTS],
    ['again.onnx', CHECKPOINTS],
    ['copy.onnx', join(elsewhere, 'copy')],
    ['order.onnx', ...SNAPSHOTS.toReversed()],
    ['glob.onnx', join(CHECKPOINTS, 'epoch_??.onnx')],
  ];
  const hashes = runs.map(([name, ...inputs]) => {
    const { status, stderr } = avgCkptIn(elsewhere, ...inputs, '--out', join(folder, name));
    assert.equal(status, 0, stderr);
    return sha256(join(folder, name));
  });
  assert.equal(new Set(hashes).size, 1);
});

test('names with 9, 10 and 100 are in the order of their numbers', () => {
  const folder = fresh();
  small(folder, 100, 9, 10, 1);
  const steps = (...args: string[]): number[] =>
    (
      JSON.parse(avgCkpt(folder, ...args, '--dry-run', '--json').stdout) as {
        averages: { inputs: { step: number }[] }[];
      }
    ).averages[0]!.inputs.map(({ step }) => step);
  assert.deepEqual(steps(), [1, 9, 10, 100]);
  assert.deepEqual(steps('--last', '2'), [10, 100]);
  assert.deepEqual(steps('--start', '9', '--end', '10'), [9, 10]);
});

test('--best takes the later of equal metrics, and --mode min the lowest', () => {
  const folder = fresh();
  small(folder, 1, 2, 3);
  writeFileSync(join(folder, 'summary.csv'), 'epoch,eval_loss,eval_top1\n1,0.5,70\n2,0.4,71\n3,0.6,71\n');
  const best = (...args: string[]): number => {
    const out = join(folder, 'best.out');
    avgCkpt(folder, '--best', '1', '--metrics', join(folder, 'summary.csv'), ...args, '--out', out, '--force');
    return floatsOf(out, 'w')[0]!;
  };
  assert.equal(best('--metric', 'eval_top1'), 3);
  assert.equal(best('--metric', 'eval_loss', '--mode', 'min'), 2);
});

test('last and best aliases count once, with a note; --allow-duplicates counts them', () => {
  const folder = fresh();
  const paths = small(folder, 1, 3);
  cpSync(paths[1]!, join(folder, 'last.onnx'));
  linkSync(paths[1]!, join(folder, 'model_best.onnx'));
  symlinkSync('epoch_1.onnx', join(folder, 'first.onnx'));
  const out = join(fresh(), 'out.onnx');
  const { stderr } = avgCkpt(folder, '--out', out);
  assert.equal(floatsOf(out, 'w')[0], 2);
  for (const name of ['last', 'model_best', 'first'])
    assert.match(stderr, new RegExp(`note: .*${name}\\.onnx: the same bytes as .*epoch_.\\.onnx; counted once`));
  avgCkpt(folder, '--out', out, '--allow-duplicates', '--force');
  assert.equal(floatsOf(out, 'w')[0], Math.fround((1 + 1 + 3 * 3) / 5));
});

test("an average in the run's own folder is no snapshot of it", () => {
  const folder = fresh();
  small(folder, 1, 3);
  avgCkpt(folder, '--out', join(folder, 'swa.onnx'));
  const out = join(folder, 'ema.onnx');
  const { stderr } = avgCkpt(folder, '--decay', '0.5', '--out', out);
  assert.match(stderr, /swa\.onnx: is an average that avg-ckpt wrote; left out/);
  assert.equal(floatsOf(out, 'w')[0], Math.fround(7 / 3));
  const named = avgCkpt(join(folder, 'swa.onnx'), join(folder, 'epoch_3.onnx'), '--out', join(folder, 'named.onnx'));
  assert.equal(named.status, 0);
  assert.match(named.stderr, /is itself an average/);
});

test('one snapshot gives itself', () => {
  const out = join(fresh(), 'out.onnx');
  const { status, stdout } = avgCkpt(SNAPSHOTS[0]!, '--out', out);
  assert.equal(status, 0);
  assert.match(stdout, /uniform of 1/);
  const bytes = readFileSync(SNAPSHOTS[0]!);
  assert.deepEqual(readFileSync(out).subarray(0, bytes.length), bytes);
});

test('an output that is a snapshot is refused with --force, through a symlink and a symlinked folder too', () => {
  const folder = fresh();
  const paths = small(folder, 1, 3);
  const hashes = paths.map(sha256);
  symlinkSync('epoch_1.onnx', join(folder, 'link.onnx'));
  symlinkSync(folder, join(root, 'linked'));
  for (const out of [paths[1]!, join(folder, 'link.onnx'), join(root, 'linked', 'epoch_3.onnx')]) {
    const { status, stderr } = avgCkpt(...paths, '--out', out, '--force');
    assert.equal(status, 3, out);
    assert.match(stderr, /is one of the snapshots/);
  }
  assert.deepEqual(paths.map(sha256), hashes);
});

test('progress and notes go to stderr; --quiet leaves nothing there', () => {
  const folder = fresh();
  small(folder, 1, 3);
  cpSync(join(folder, 'epoch_3.onnx'), join(folder, 'last.onnx'));
  const { stderr } = avgCkpt(folder, '--out', join(folder, 'out.bin'), '--quiet');
  assert.equal(stderr, '');
});

/** Says on stderr, at exit, whether the native library was loaded. */
const PROBE = `data:text/javascript,${encodeURIComponent(
  "process.on('exit', () => { if (process.report.getReport().sharedObjects.some((name) => /onnxruntime/.test(name))) console.error('LOADED'); });",
)}`;

for (const args of [[], ['verify'], ['diagnose']]) {
  test(`avg-ckpt ${[...args, '--help'].join(' ')} explains itself and does not load onnxruntime`, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', PROBE, AVG_CKPT, ...args, '--help'], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /Output:[\s\S]*--json/);
    assert.doesNotMatch(stderr, /LOADED/);
  });
}

test('the probe for onnxruntime sees it where it is loaded', () => {
  const code = "await import('onnxruntime-node')";
  const { stderr } = spawnSync(process.execPath, ['--import', PROBE, '--input-type=module', '-e', code], {
    encoding: 'utf8',
  });
  assert.match(stderr, /LOADED/);
});

test('avg-ckpt completion prints a shell script', () => {
  const { status, stdout } = avgCkpt('completion');
  assert.equal(status, 0);
  assert.match(stdout, /complete .*-F _avg_ckpt avg-ckpt/);
});
