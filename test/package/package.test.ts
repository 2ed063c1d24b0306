import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  bin: Record<string, string>;
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  allowScripts: Record<string, boolean>;
};
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  packages: Record<string, { version?: string; resolved?: string; hasInstallScript?: boolean }>;
};

test('every dependency has an exact version, and the lockfile has that version and no address', () => {
  for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
    assert.equal(lock.packages[`node_modules/${name}`]?.version, version, name);
  }
  for (const [path, { resolved }] of Object.entries(lock.packages)) assert.equal(resolved, undefined, path);
});

test('no install script runs: each package that has one is refused by name', () => {
  const withScript = Object.entries(lock.packages).flatMap(([path, { hasInstallScript }]) =>
    hasInstallScript ? [path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)] : [],
  );
  for (const name of withScript) assert.equal(manifest.allowScripts[name], false, name);
  assert.match(readFileSync('.npmrc', 'utf8'), /^ignore-scripts=true$/m);
});

test('the package has the programs, the library and the job files, and nothing that only developers need', () => {
  const { status, stdout, stderr } = spawnSync(
    'npm',
    ['pack', '--dry-run', '--json', '--ignore-scripts', '--offline'],
    {
      encoding: 'utf8',
      shell: process.platform === 'win32',
    },
  );
  assert.equal(status, 0, stderr);
  const [packed] = JSON.parse(stdout) as { files: { path: string }[] }[];
  const paths = new Set(packed?.files.map(({ path }) => path));
  const jobs = readdirSync(join('cli', 'jobs')).map((name) => `cli/jobs/${name}`);
  assert.ok(jobs.length >= 3);
  for (const path of [...Object.values(manifest.bin), ...jobs, 'README.md', 'package.json'])
    assert.ok(paths.has(path), path);
  for (const path of paths) assert.doesNotMatch(path, /^(test|fixtures|dist\/test|dist\/cli\/dev|reports)\//);
});

test('each program starts without onnxruntime and sharp, and explains itself', () => {
  assert.deepEqual(Object.keys(manifest.bin).sort(), [
    'avg-ckpt',
    'bn-recal',
    'eval-ckpt',
    'fix-res',
    'onnx-temper',
    'teacher-logits',
  ]);
  for (const [name, path] of Object.entries(manifest.bin)) {
    assert.match(readFileSync(path, 'utf8'), /^#!\/usr\/bin\/env node\n/, path);
    const { status, stdout } = spawnSync(process.execPath, [path, '--help'], { encoding: 'utf8' });
    assert.equal(status, 0, name);
    assert.match(stdout, new RegExp(`^${name}`), name);
  }
});

test('the package has the Python reader of stored targets', () => {
  const { status, stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  assert.equal(status, 0);
  const [{ files = [] } = {}] = JSON.parse(stdout) as { files?: { path: string }[] }[];
  const paths = files.map(({ path }) => path);
  for (const path of ['python/onnx_temper_targets.py', 'dist/cli/teacher-logits.js'])
    assert.ok(paths.includes(path), path);
  assert.ok(!paths.some((path) => /^(fixtures|test|dist\/test)\//.test(path)));
});

test('README and ARCHITECTURE name only files, folders and scripts that exist', () => {
  let links = 0;
  for (const document of [
    'README.md',
    'ARCHITECTURE.md',
    'fixtures/fashion/README.md',
    'src/distill/FORMAT.md',
    'test/bench/README.md',
  ]) {
    const text = readFileSync(document, 'utf8');
    for (const [, target = ''] of text.matchAll(/\]\(([^)#:]+)\)/g)) {
      assert.ok(existsSync(join(dirname(document), target)), `${document} links to ${target}`);
      links++;
    }
    for (const [, script = ''] of text.matchAll(/npm run ([a-z:]+)/g))
      assert.ok(manifest.scripts[script], `${document}: npm run ${script}`);
  }
  assert.ok(links > 4);
});

/** Lints one file of a tree that has nothing but the project's rules. */
function lint(path: string, source: string): string {
  const tree = mkdtempSync(join(tmpdir(), 'onnx-temper-lint-'));
  try {
    copyFileSync('biome.json', join(tree, 'biome.json'));
    mkdirSync(join(tree, dirname(path)), { recursive: true });
    writeFileSync(join(tree, path), source);
    const { stdout, stderr } = spawnSync(resolve('node_modules/.bin/biome'), ['lint', path], {
      cwd: tree,
      encoding: 'utf8',
    });
    return stdout + stderr;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

test('the import boundaries fail the build, and say why', () => {
  const cases: [path: string, source: string, message: RegExp][] = [
    [
      'src/onnx/probe.ts',
      "import { x } from '../average/index.ts';\nx();\n",
      /src\/onnx may import only core, each through its index\.ts/,
    ],
    [
      'src/average/kernel/probe.ts',
      "import { x } from '../../onnx/wire.ts';\nx();\n",
      /src\/average may import only core, onnx/,
    ],
    ['src/core/probe.ts', "import { x } from '../onnx/index.ts';\nx();\n", /src\/core may import no other folder/],
    ['src/data/probe.ts', "import sharp from 'sharp';\nsharp();\n", /decode-image\.ts alone/],
    [
      'src/evaluate/probe.ts',
      "import ort from 'onnxruntime-node';\nort();\n",
      /onnxruntime-node is imported in src\/runtime alone/,
    ],
    ['src/evaluate/probe.ts', 'export const x = process.argv;\n', /Only cli\/ reads the process/],
    ['cli/probe.ts', "import { x } from '../src/onnx/wire.ts';\nx();\n", /through their index\.ts/],
  ];
  for (const [path, source, message] of cases) assert.match(lint(path, source), message, path);
  const allowed = lint('src/average/kernel/probe.ts', "import { x } from '../../onnx/index.ts';\nx();\n");
  assert.doesNotMatch(allowed, /noRestrictedImports/);
});

test('every folder of src has an index, and every test folder mirrors one of src or cli', () => {
  for (const folder of readdirSync('src')) assert.ok(existsSync(join('src', folder, 'index.ts')), folder);
  for (const folder of readdirSync('test/unit')) {
    assert.ok(folder === 'cli' || existsSync(join('src', folder)), folder);
  }
});
