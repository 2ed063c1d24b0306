import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeModel, externalTensors, type TestTensor, weightsModel, writeModel } from '../support/model-builder.ts';
import { seeded } from '../support/random.ts';
import { AVG_CKPT, avgCkpt } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** Kills of each kind of output, from its first write until a little after its end. */
const KILLS = 16;
/** float32 values of a snapshot: 24 MB, many blocks. */
const ELEMENTS = 6 << 20;

const root = tempFolder();
const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
const temporaries = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.tmp'));

interface Setup {
  readonly inputs: string[];
  readonly folder: string;
  readonly out: string;
  /** What an undisturbed run writes. */
  readonly whole: Readonly<Record<string, string>>;
}

function setup(name: string, external: boolean): Setup {
  const inputFolder = join(root, `${name}-inputs`);
  const folder = join(root, name);
  mkdirSync(inputFolder);
  mkdirSync(folder);
  const inputs = [1, 2].map((k) => {
    const path = join(inputFolder, `epoch_${k}.onnx`);
    const values = new Float32Array(ELEMENTS).fill(k).map((value, i) => value + i / ELEMENTS);
    const item: TestTensor = { name: 'w', dims: [ELEMENTS], values: [], raw: new Uint8Array(values.buffer) };
    if (!external) return writeModel(path, weightsModel([item]));
    const data = { ...item, values: values as unknown as number[] };
    return writeModel(path, {
      ...weightsModel([item]),
      initializers: externalTensors([data], path, () => `e${k}.data`),
    });
  });
  const out = join(folder, 'out.onnx');
  assert.equal(avgCkpt(...inputs, '--out', out).status, 0);
  const whole = Object.fromEntries(readdirSync(folder).map((file) => [file, sha256(join(folder, file))]));
  for (const file of readdirSync(folder)) rmSync(join(folder, file));
  return { inputs, folder, out, whole };
}

let plain: Setup;
let external: Setup;
before(() => {
  plain = setup('plain', false);
  external = setup('external', true);
});

const running = new Set<ChildProcess>();
after(() => {
  for (const child of running) child.kill('SIGKILL');
});
function start({ inputs, out }: Setup): ChildProcess {
  const child = spawn(process.execPath, [AVG_CKPT, ...inputs, '--out', out, '--force', '--quiet'], { stdio: 'ignore' });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** Waits until the program has begun to write, or ended. */
async function writing(child: ChildProcess, folder: string): Promise<void> {
  while (child.exitCode === null && temporaries(folder).length === 0) await sleep(1);
}

/** How long an undisturbed run takes from its first write to its end. */
async function writingMs(current: Setup): Promise<number> {
  const child = start(current);
  const exited = once(child, 'exit');
  await writing(child, current.folder);
  const begun = performance.now();
  await exited;
  return performance.now() - begun;
}

for (const kind of ['plain', 'external'] as const) {
  test(`killed at ${KILLS} moments, an output (${kind}) is the old one or the new one, never a half`, async () => {
    const current = kind === 'plain' ? plain : external;
    const { folder, out, whole } = current;
    const random = seeded(kind.length);
    const duration = await writingMs(current);
    const seen = { old: 0, new: 0, temporary: 0 };
    for (let i = 0; i < KILLS; i++) {
      for (const file of readdirSync(folder)) rmSync(join(folder, file));
      writeFileSync(out, 'the old output');
      const child = start(current);
      const exited = once(child, 'exit');
      if (i % 4 === 0) await sleep(random() * 2 * duration);
      else {
        await writing(child, folder);
        await sleep(random() * 1.3 * duration);
      }
      child.kill('SIGKILL');
      await exited;
      seen.temporary += Math.sign(temporaries(folder).length);
      if (readFileSync(out).subarray(0, 14).toString() === 'the old output') {
        seen.old++;
        assert.equal(readFileSync(out, 'utf8'), 'the old output');
      } else {
        seen.new++;
        for (const [file, hash] of Object.entries(whole)) assert.equal(sha256(join(folder, file)), hash, file);
      }
      // Data appears before the model that names it, under the name of its content.
      for (const file of readdirSync(folder)) {
        if (file.endsWith('.data')) assert.equal(sha256(join(folder, file)), whole[file], file);
      }
    }
    console.log(`${kind}: old ${seen.old}, new ${seen.new}, killed while writing ${seen.temporary} of ${KILLS}`);
    assert.ok(seen.temporary > 0, 'some kill met the writing');
  });
}

test('a killed run leaves no obstacle: the next one ends with the bytes of an undisturbed one', () => {
  const { inputs, out, folder, whole } = external;
  assert.equal(avgCkpt(...inputs, '--out', out, '--force').status, 0);
  for (const [file, hash] of Object.entries(whole)) assert.equal(sha256(join(folder, file)), hash);
  assert.ok(decodeModel(out).graph);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} ends with 130 and leaves the old output and no temporary file`, async () => {
    const { folder, out } = plain;
    for (let attempt = 1; ; attempt++) {
      for (const file of readdirSync(folder)) rmSync(join(folder, file));
      writeFileSync(out, 'the old output');
      const child = start(plain);
      const exited = once(child, 'exit') as Promise<[number | null]>;
      await writing(child, folder);
      child.kill(signal);
      const [status] = await exited;
      // A fast machine may be done before the signal arrives.
      if (status === 0 && attempt < 10) continue;
      assert.equal(status, 130);
      assert.deepEqual(readdirSync(folder), ['out.onnx']);
      assert.equal(readFileSync(out, 'utf8'), 'the old output');
      return;
    }
  });
}

/** Runs the program with less room for what it writes than it needs. */
type Limited = (args: readonly string[]) => { status: number | null; stderr: string };

function assertFull(folder: string, setups: readonly Setup[], run: Limited): void {
  for (const { inputs } of setups) {
    const out = join(folder, 'out.onnx');
    for (const args of [
      ['--out', out, '--force'],
      ['--first', '1,2', '--out-dir', folder],
    ]) {
      for (const file of readdirSync(folder)) rmSync(join(folder, file));
      writeFileSync(out, 'the old output');
      const { status, stderr } = run([...inputs, ...args]);
      assert.equal(status, 7, stderr);
      assert.match(stderr, /cannot write: (ENOSPC|EFBIG).*\n {2}hint: \S/);
      assert.deepEqual(readdirSync(folder), ['out.onnx']);
      assert.equal(readFileSync(out, 'utf8'), 'the old output');
    }
  }
}

test('a full disk: exit 7, the old output is intact and nothing is left', (t) => {
  const disk = join(root, 'disk');
  mkdirSync(disk);
  const mounted =
    process.getuid?.() === 0 && spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk]).status === 0;
  if (!mounted) return t.skip('needs the right to mount a small tmpfs');
  try {
    assertFull(disk, [plain, external], (args) => {
      const { status, stderr } = avgCkpt(...args);
      return { status, stderr };
    });
  } finally {
    spawnSync('umount', [disk]);
  }
});

test('a file size limit: exit 7, the old output is intact and nothing is left', (t) => {
  if (process.platform === 'win32') return t.skip('ulimit is a POSIX limit');
  const folder = join(root, 'limited');
  mkdirSync(folder);
  assertFull(folder, [plain, external], (args) =>
    spawnSync('sh', ['-c', 'ulimit -f 8192; exec "$0" "$@"', process.execPath, AVG_CKPT, ...args], {
      encoding: 'utf8',
    }),
  );
});

test('a full disk that small outputs meet at publication: none of several is left', (t) => {
  const disk = join(root, 'tiny');
  mkdirSync(disk);
  const mounted =
    process.getuid?.() === 0 && spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=20k', 'tmpfs', disk]).status === 0;
  if (!mounted) return t.skip('needs the right to mount a small tmpfs');
  try {
    const inputs = [1, 2, 3].map((k) =>
      writeModel(
        join(root, `small_${k}.onnx`),
        weightsModel([{ name: 'w', dims: [2000], values: new Array<number>(2000).fill(k) }]),
      ),
    );
    const { status, stderr } = avgCkpt(...inputs, '--last', '1,2,3', '--out-dir', disk);
    assert.equal(status, 7, stderr);
    assert.deepEqual(readdirSync(disk), []);
  } finally {
    spawnSync('umount', [disk]);
  }
});

test('an input that is cut off while a run reads it ends with 3 or 4, never with a bug report', async () => {
  const { inputs, folder } = plain;
  for (let i = 0; i < 4; i++) {
    const copy = join(root, `epoch_9${i}.onnx`);
    copyFileSync(inputs[0]!, copy);
    const out = join(folder, `cut${i}.onnx`);
    const child = spawn(process.execPath, [AVG_CKPT, inputs[1]!, copy, '--out', out], { stdio: 'ignore' });
    const exited = once(child, 'exit') as Promise<[number]>;
    await writing(child, folder);
    writeFileSync(copy, readFileSync(copy).subarray(0, 1 << 20));
    const [status] = await exited;
    assert.ok([0, 3, 4].includes(status), String(status));
    assert.deepEqual(temporaries(folder), []);
  }
});
