/** teacher-logits that is killed, or shared by workers: whatever happens, the store ends with the bytes of an undisturbed run. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SNAPSHOTS } from '../support/fashion.ts';
import { seeded } from '../support/random.ts';
import { TEACHER_LOGITS } from '../support/run-cli.ts';
import { ON_CPU } from '../support/run-eval.ts';
import { fileHashes, IMAGES_20, teacherFails, teacherJson } from '../support/run-teacher.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** Kills in all, shared by the numbers of workers; 50 by ONNX_TEMPER_KILLS=50. */
const KILLS = Number(process.env.ONNX_TEMPER_KILLS ?? 6);
const WORKERS = [1, 3, 7];
const PARTS = 10;

const root = tempFolder();
const at = (name: string): string => join(root, name);
const ARGS = [
  ...[SNAPSHOTS.at(-1) as string, SNAPSHOTS[0] as string],
  ...[...IMAGES_20, '--rows', '0:400', '--augment', 'rrc,flip', '--views', '2', '--top-k', '4'],
  ...['--rows-per-shard', String(800 / PARTS), '--batch', '16'],
];

let whole: Readonly<Record<string, string>>;
before(() => {
  teacherJson([...ARGS, '--out', at('whole')]);
  whole = fileHashes(at('whole'));
});

const running = new Set<ChildProcess>();
after(() => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts a worker; alone it completes the store. */
function start(
  folder: string,
  worker: number,
  workers: number,
): { child: ChildProcess; exited: Promise<number | null> } {
  const shard = workers === 1 ? [] : ['--shard', `${worker}/${workers}`];
  const args = [TEACHER_LOGITS, ...ARGS, ...shard, ...ON_CPU, '--quiet', '--out', folder];
  const child = spawn(process.execPath, args, { stdio: 'ignore' });
  running.add(child);
  const exited = once(child, 'exit').then(([status]) => {
    running.delete(child);
    return status as number | null;
  });
  return { child, exited };
}

/** Waits until so many files are there, or all workers have ended. */
async function until(folder: string, files: number, exits: readonly Promise<unknown>[]): Promise<void> {
  let ended = false;
  void Promise.all(exits).then(() => {
    ended = true;
  });
  const count = (): number => {
    try {
      return readdirSync(folder, { recursive: true }).length;
    } catch {
      return 0;
    }
  };
  while (!ended && count() < files) await sleep(2);
}

for (const [i, workers] of WORKERS.entries()) {
  const kills = Math.max(1, Math.floor((KILLS + WORKERS.length - 1 - i) / WORKERS.length));
  test(`${workers} workers, killed ${kills} times (SIGKILL) and started again, end with the bytes of an undisturbed run`, async () => {
    const random = seeded(workers);
    const folder = at(`killed-${workers}`);
    const total = Object.keys(whole).length;
    let met = 0;
    for (let kill = 0; kill < kills; kill++) {
      // A new store now and then, so that early moments are met too.
      if (kill % 5 === 0) rmSync(folder, { recursive: true, force: true });
      const all = Array.from({ length: workers }, (_, worker) => start(folder, worker, workers));
      const exits = all.map(({ exited }) => exited);
      await until(folder, Math.floor(random() * total), exits);
      await sleep(random() * 30);
      for (const { child } of all) child.kill('SIGKILL');
      met += (await Promise.all(exits)).filter((status) => status === null).length;
    }
    const last = await Promise.all(
      Array.from({ length: workers }, (_, worker) => start(folder, worker, workers).exited),
    );
    if (workers > 1) teacherJson(['merge', folder]);
    else if (last[0] === 3) assert.ok(fileHashes(folder)['manifest.json'], 'refused because it is complete');
    assert.deepEqual(fileHashes(folder), whole);
    assert.ok(met > 0, 'some kill met a worker at work');
  });
}

test('whatever files of a part are there when a run goes on: missing and damaged ones are made again, whole ones kept', () => {
  const folder = at('states');
  teacherJson([...ARGS, '--out', folder]);
  const name = (part: number): string => `part-${String(part).padStart(5, '0')}-of-000${PARTS}`;
  const file = (kind: string, part: number): string =>
    join(folder, kind, `${name(part)}.${kind === 'parts' ? 'json' : 'safetensors'}`);
  rmSync(join(folder, 'manifest.json'));
  rmSync(file('parts', 1));
  for (const kind of ['parts', 'teachers/1']) rmSync(file(kind, 2));
  for (const kind of ['parts', 'teachers/0', 'teachers/1', 'views']) rmSync(file(kind, 3));
  // A disk that lost what it had promised to keep.
  truncateSync(file('teachers/0', 4), 1000);
  writeFileSync(file('parts', 5), '{');
  copyFileSync(file('views', 0), file('views', 6));
  rmSync(file('teachers/1', 7));
  rmSync(join(folder, 'samples.csv'));
  writeFileSync(join(folder, 'views', `.${name(8)}.safetensors.0123456789ab.tmp`), 'half');
  const done = teacherJson([...ARGS, '--out', folder]);
  assert.deepEqual([done.parts_made, done.parts_kept], [7, PARTS - 7]);
  assert.deepEqual(fileHashes(folder), whole);
});

test('workers that are missing are named by their parts; nothing is complete before', () => {
  const folder = at('missing');
  for (const worker of ['0/3', '2/3']) teacherJson([...ARGS, '--out', folder, '--shard', worker]);
  teacherFails(['merge', folder], 3, 'INPUT_NOT_FOUND', /3 of 10 parts are missing: 1, 4, 7\b/);
  teacherFails(['verify', folder], 3, 'INPUT_NOT_FOUND', /not complete/);
  teacherJson([...ARGS, '--out', folder, '--shard', '1/3']);
  assert.equal(teacherJson(['merge', folder]).complete, true);
  assert.deepEqual(fileHashes(folder), whole);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} ends with 130, whole parts and no temporary file`, async () => {
    const folder = at(signal);
    const { child, exited } = start(folder, 0, 1);
    await until(folder, 12, [exited]);
    child.kill(signal);
    assert.equal(await exited, 130);
    const left = readdirSync(folder, { recursive: true }).map(String);
    assert.deepEqual(
      left.filter((file) => file.endsWith('.tmp') || file === 'manifest.json'),
      [],
    );
    teacherJson([...ARGS, '--out', folder]);
    assert.deepEqual(fileHashes(folder), whole);
  });
}

test('a disk without room is refused before the first image', (t) => {
  const disk = at('disk');
  mkdirSync(disk);
  const mounted =
    process.getuid?.() === 0 && spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]).status === 0;
  if (!mounted) return t.skip('needs the right to mount a small tmpfs');
  try {
    teacherFails(
      [...ARGS, '--out', join(disk, 'store')],
      7,
      'OUTPUT_WRITE',
      /take \d+ bytes more, the disk has \d+ free/,
    );
    assert.deepEqual(readdirSync(disk), []);
  } finally {
    spawnSync('umount', [disk]);
  }
});

test('a disk that fills up under the run leaves whole parts; with room the run goes on', (t) => {
  if (process.platform === 'win32') return t.skip('ulimit is a POSIX limit');
  const folder = at('full');
  const args = [...ARGS.slice(0, -4), '--rows-per-shard', '400', '--batch', '16', '--out', folder];
  const limited = spawnSync(
    'sh',
    ['-c', 'ulimit -f 40; exec "$0" "$@"', process.execPath, TEACHER_LOGITS, ...args, ...ON_CPU],
    { encoding: 'utf8' },
  );
  assert.equal(limited.status, 7, limited.stderr);
  assert.match(limited.stderr, /cannot write: (ENOSPC|EFBIG).*\n {2}hint: \S/);
  assert.deepEqual(
    readdirSync(folder, { recursive: true }).filter((file) => String(file).endsWith('.tmp')),
    [],
  );
  assert.equal(teacherJson(args).complete, true);
});
