import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { CHECKPOINTS, FASHION } from '../support/fashion.ts';
import type { CliResult } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';

const WINDOWS = process.platform === 'win32';
/** What is loaded when it is used: it may be missing, or costs more than all the rest. */
const LOADED_WHEN_USED = [
  'hyparquet-compressors',
  'hyparquet-writer',
  'hysnappy',
  'onnx-proto',
  'onnxruntime-common',
  'onnxruntime-node',
  'protobufjs',
  'sharp',
  'yargs',
];

/** `npm test` hands its own settings on (ignore-scripts among them): a user's shell has none of them. */
const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_|onnxruntime_node_install)/i.test(name) ||
      /^npm_config_(cache|registry|userconfig|globalconfig)$/i.test(name),
  ),
);

function run(program: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): CliResult {
  const shell = WINDOWS && program !== process.execPath;
  return spawnSync(program, args, { cwd, encoding: 'utf8', shell, env: { ...ENVIRONMENT, ...env } });
}

const folder = tempFolder();
let tarball = '';

before(() => {
  const { status, stdout, stderr } = run(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--offline', '--pack-destination', folder],
    resolve('.'),
  );
  assert.equal(status, 0, stderr);
  const [packed] = JSON.parse(stdout) as { filename: string }[];
  tarball = join(folder, packed?.filename ?? '');
});

/** An empty project with the package in it; undefined, and the test skipped, where the registry cannot be reached. */
function projectWith(t: TestContext, args: readonly string[], env: NodeJS.ProcessEnv = {}): string | undefined {
  const project = join(folder, `project-${readdirSync(folder).length}`);
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "name": "consumer", "private": true }');
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock'];
  const { status, stderr } = run('npm', ['install', ...quiet, ...args, tarball], project, env);
  if (status !== 0 && /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTCACHED)\b/.test(stderr)) {
    t.skip(`the npm registry cannot be reached: ${stderr.split('\n').find((line) => line.includes('code'))}`);
    return undefined;
  }
  assert.equal(status, 0, stderr);
  return project;
}

/** The packages that a program loads, by `import` and by `require`. */
function packagesLoaded(project: string, code: string): Set<string> {
  const register = "import { register } from 'node:module';\nregister('./hooks.mjs', import.meta.url);\n";
  const hooks = `import { appendFileSync } from 'node:fs';
export function load(url, context, next) {
  appendFileSync('loaded.txt', url + '\\n');
  return next(url, context);
}
`;
  const required = `import { appendFileSync as append } from 'node:fs';
import { createRequire } from 'node:module';
append('loaded.txt', Object.keys(createRequire(import.meta.url).cache).join('\\n'));
`;
  for (const [name, text] of Object.entries({ register, hooks, program: code + required }))
    writeFileSync(join(project, `${name}.mjs`), text);
  const { status, stderr } = run(process.execPath, ['--import', './register.mjs', 'program.mjs'], project);
  assert.equal(status, 0, stderr);
  const loaded = readFileSync(join(project, 'loaded.txt'), 'utf8').replaceAll('\\', '/');
  return new Set([...loaded.matchAll(/\/node_modules\/((?:@[^/]+\/)?[^/]+)\//g)].map(([, name = '']) => name));
}

/** A program that is wrong in one place, which the types must see. */
const CONSUMER = `import { type EvaluationRecord, evaluate, type Progress, recalibrate, TemperError } from 'onnx-temper';
import { openTargets, type TargetRow } from 'onnx-temper/targets';

export type Model = EvaluationRecord['models'][number];
export const rowOf = (store: string): TargetRow | undefined => openTargets(store).row(0, { view: 1 });
export const silent = (): Progress => ({ update: () => undefined, end: () => undefined });

export async function top1(model: string): Promise<number | undefined> {
  const { result } = await recalibrate({ model, data: { source: 'train' }, out: 'out.onnx' });
  const path = result?.written?.path;
  if (path === undefined) throw new TemperError('INPUT_NOT_FOUND', 'nothing is written');
  const { models } = await evaluate({ models: [path], data: { source: 'val' } }, { observer: { progress: silent } });
  return models[0]?.metrics.top1;
}

// @ts-expect-error there is no such option
await recalibrate({ model: 'm.onnx', data: { source: 'train' }, outt: 'out.onnx' });
`;

function typeErrors(project: string, moduleResolution: 'nodenext' | 'bundler'): string {
  const compilerOptions = {
    module: moduleResolution === 'bundler' ? 'esnext' : moduleResolution,
    moduleResolution,
    target: 'es2022',
    lib: ['es2022'],
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
  };
  writeFileSync(join(project, 'consumer.mts'), CONSUMER);
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.mts'] }));
  const tsc = resolve('node_modules/typescript/bin/tsc');
  return run(process.execPath, [tsc, '-p', '.'], project).stdout;
}

test('the tarball, installed without scripts, is a library with types, and programs', async (t) => {
  const project = projectWith(t, ['--ignore-scripts']);
  if (project === undefined) return;

  await t.test('importing it loads nothing that is optional', () => {
    const packages = packagesLoaded(
      project,
      `import { recalibrate, TemperError } from 'onnx-temper';
import { openTargets } from 'onnx-temper/targets';
if (typeof recalibrate !== 'function') throw new Error('no recalibrate');
try {
  openTargets('missing');
  throw new Error('opened');
} catch (error) {
  if (!(error instanceof TemperError) || error.code !== 'INPUT_NOT_FOUND') throw error;
}
`,
    );
    assert.ok(packages.has('onnx-temper') && packages.has('tar-stream'), 'both kinds of loading are seen');
    assert.deepEqual(
      LOADED_WHEN_USED.filter((name) => packages.has(name)),
      [],
    );
  });

  for (const resolution of ['nodenext', 'bundler'] as const) {
    await t.test(`its types hold under ${resolution}, those of all that it names included`, () => {
      // Developers have them; protobufjs brings the same.
      if (!existsSync(join(project, 'node_modules/@types/node')))
        symlinkSync(resolve('node_modules/@types/node'), join(project, 'node_modules/@types/node'));
      assert.equal(typeErrors(project, resolution), '');
    });
  }

  await t.test('npx finds its programs', () => {
    const { status, stdout, stderr } = run('npx', ['--no-install', 'avg-ckpt', '--help'], project);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^avg-ckpt /);
  });

  await t.test('what is not exported cannot be imported', () => {
    const code = "await import('onnx-temper/dist/src/core/index.js')";
    const { status, stderr } = run(process.execPath, ['--input-type=module', '-e', code], project);
    assert.notEqual(status, 0);
    assert.match(stderr, /ERR_PACKAGE_PATH_NOT_EXPORTED/);
  });
});

test('where the download of CUDA libraries fails, everything else is installed and works', {
  skip: process.platform !== 'linux' || process.arch !== 'x64' ? 'the script downloads them on Linux x64 alone' : false,
}, async (t) => {
  const nowhere = 'http://127.0.0.1:9';
  const project = projectWith(t, ['--ignore-scripts=false'], {
    GLOBAL_AGENT_HTTP_PROXY: nowhere,
    GLOBAL_AGENT_HTTPS_PROXY: nowhere,
  });
  if (project === undefined) return;
  const npx = (...args: readonly string[]): CliResult => run('npx', ['--no-install', ...args], project);

  await t.test('npm leaves onnxruntime-node out, and no error', () => {
    assert.ok(!existsSync(join(project, 'node_modules/onnxruntime-node')));
  });

  await t.test('averaging works', () => {
    cpSync(CHECKPOINTS, join(project, 'run'), { recursive: true });
    const { status, stderr } = npx('avg-ckpt', 'run', '--out', 'swa.onnx');
    assert.equal(status, 0, stderr);
    assert.ok(existsSync(join(project, 'swa.onnx')));
  });

  await t.test('running a network says how to get onnxruntime without them', () => {
    const [data, labels] = ['images-idx3', 'labels-idx1'].map((kind) => join(FASHION, `test-${kind}-ubyte.gz`));
    const { status, stderr } = npx(
      'eval-ckpt',
      'swa.onnx',
      '--data',
      `${data}`,
      '--labels',
      `${labels}`,
      '--limit',
      '8',
    );
    assert.equal(status, 7, stderr);
    assert.match(stderr, /onnxruntime-node is not installed/);
    assert.match(stderr, /ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@\d/);
  });
});
