import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, posix, resolve } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { tempFolder } from '../support/temp-folder.ts';

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  bin: Record<string, string>;
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
  exports: Record<string, string | { types: string; default: string }>;
  allowScripts: Record<string, boolean>;
};
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  packages: Record<
    string,
    {
      version?: string;
      resolved?: string;
      integrity?: string;
      dev?: boolean;
      license?: string;
      hasInstallScript?: boolean;
      dependencies?: Record<string, string>;
    }
  >;
};

test('every dependency has an exact version, and the lockfile has that version and no address', () => {
  const { dependencies, devDependencies, optionalDependencies } = manifest;
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })) {
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
    assert.equal(lock.packages[`node_modules/${name}`]?.version, version, name);
  }
  for (const [path, { resolved }] of Object.entries(lock.packages)) assert.equal(resolved, undefined, path);
});

test('every package of the lock file, of any platform, has a hash', () => {
  const { '': _, ...packages } = lock.packages;
  for (const [path, { integrity }] of Object.entries(packages)) assert.match(integrity ?? '', /^sha512-/, path);
});

test('NOTICE names every direct dependency with its licence, and none below them brings an unexpected one', () => {
  const notice = readFileSync('NOTICE', 'utf8').replaceAll(/\s+/g, ' ');
  const licence = (path: string): string => {
    const { license } = JSON.parse(readFileSync(posix.join(path, 'package.json'), 'utf8')) as { license?: string };
    return license ?? '';
  };
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) {
    const [, group] = new RegExp(`(?:^|[ -])${name}\\b[^()]*\\(([A-Za-z0-9.-]+)`).exec(notice) ?? [];
    assert.equal(group, licence(`node_modules/${name}`), name);
  }
  const EXPECTED =
    /^(?:MIT|ISC|0BSD|BSD-[23]-Clause|Apache-2\.0|\(MIT OR CC0-1\.0\)|LGPL-3\.0-or-later|Apache-2\.0 AND LGPL-3\.0-or-later(?: AND MIT)?)$/;
  for (const [path, { dev }] of Object.entries(lock.packages))
    if (path && !dev && existsSync(posix.join(path, 'package.json'))) assert.match(licence(path), EXPECTED, path);
});

test('the licence of every package that is in the bundle of yargs lies beside it', () => {
  const texts = readFileSync('dist/cli/bin/yargs.LICENSE.txt', 'utf8').split(`${'-'.repeat(70)}\n\n`);
  const below = (name: string): string[] => [
    name,
    ...Object.keys(lock.packages[`node_modules/${name}`]?.dependencies ?? {}).flatMap(below),
  ];
  for (const name of new Set(below('yargs')))
    assert.match(texts.find((text) => text.startsWith(`node_modules/${name}\n`)) ?? '', /copyright/i, name);
});

test('no install script runs: each package that has one is refused by name', () => {
  const withScript = Object.entries(lock.packages).flatMap(([path, { hasInstallScript }]) =>
    hasInstallScript ? [path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)] : [],
  );
  for (const name of withScript) assert.equal(manifest.allowScripts[name], false, name);
  assert.match(readFileSync('.npmrc', 'utf8'), /^ignore-scripts=true$/m);
});

/** What `npm pack` would put into the package. */
function packedFiles(): Set<string> {
  const { status, stdout, stderr } = spawnSync(
    'npm',
    ['pack', '--dry-run', '--json', '--ignore-scripts', '--offline'],
    { encoding: 'utf8', shell: process.platform === 'win32' },
  );
  assert.equal(status, 0, stderr);
  const [{ files = [] } = {}] = JSON.parse(stdout) as { files?: { path: string }[] }[];
  return new Set(files.map(({ path }) => path));
}

/** What a document links to, as paths from the root; addresses and places in the document itself are left out. */
const linksOf = (document: string): string[] =>
  [...readFileSync(document, 'utf8').matchAll(/\]\(([^)#:\s]+)(?:#[^)\s]*)?\)/g)].map(([, target = '']) =>
    posix.join(posix.dirname(document), target),
  );

test('the package has the programs, the library, the job files and what the documents show, and nothing that only developers need', () => {
  const packed = packedFiles();
  const paths = [...packed];
  const entries = Object.values(manifest.exports).flatMap((entry) =>
    typeof entry === 'string' ? [entry] : [entry.types, entry.default],
  );
  const jobs = readdirSync('cli/jobs').map((name) => `cli/jobs/${name}`);
  assert.ok(jobs.length >= 3);
  for (const path of [
    ...Object.values(manifest.bin),
    ...entries.map((path) => path.replace('./', '')),
    ...jobs,
    ...['dist/cli/bin/yargs.cjs', 'dist/cli/bin/yargs.LICENSE.txt'],
    ...['README.md', 'LICENSE', 'NOTICE', 'CHANGELOG.md', 'python/onnx_temper_targets.py'],
  ])
    assert.ok(packed.has(path), path);
  for (const path of paths) {
    if (path.endsWith('README.md')) continue;
    assert.doesNotMatch(path, /^(test|fixtures|dist\/test|dist\/cli\/dev)\/|\.map$|\.tsbuildinfo$/);
  }
  const documents = paths.filter((path) => path.endsWith('.md'));
  assert.ok(documents.length > 10);
  for (const document of documents) {
    for (const target of linksOf(document)) {
      const inside = packed.has(target) || paths.some((path) => path.startsWith(`${target.replace(/\/$/, '')}/`));
      assert.ok(inside, `${document} links to ${target}, which is not in the package`);
    }
  }
});

test('each program starts without onnxruntime and sharp, and explains itself', () => {
  assert.deepEqual(Object.keys(manifest.bin).sort(), [
    'avg-ckpt',
    'bn-recal',
    'eval-ckpt',
    'fix-res',
    'onnx-temper',
    'res-sweep',
    'teacher-logits',
  ]);
  for (const [name, path] of Object.entries(manifest.bin)) {
    assert.match(readFileSync(path, 'utf8'), /^#!\/usr\/bin\/env node\n/, path);
    const { status, stdout } = spawnSync(process.execPath, [path, '--help'], { encoding: 'utf8' });
    assert.equal(status, 0, name);
    assert.match(stdout, new RegExp(`^${name}`), name);
  }
});

const DOCUMENTS = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'src/distill/FORMAT.md'],
  ...['cli/jobs/README.md', 'fixtures/fashion/README.md', 'test/bench/README.md'],
  ...readdirSync('docs').map((name) => `docs/${name}`),
];

test('the documents name only files, folders and scripts that exist', () => {
  let links = 0;
  for (const document of DOCUMENTS) {
    for (const target of linksOf(document)) {
      assert.ok(existsSync(target), `${document} links to ${target}`);
      links++;
    }
    for (const [, script = ''] of readFileSync(document, 'utf8').matchAll(/npm run ([a-z:-]+)/g))
      assert.ok(manifest.scripts[script], `${document}: npm run ${script}`);
  }
  assert.ok(links > 30);
});

/** What the project's rules say of each file of a tree that has nothing else. */
function lint(files: Readonly<Record<string, string>>): (path: string) => string {
  const tree = tempFolder();
  copyFileSync('biome.json', join(tree, 'biome.json'));
  for (const [path, source] of Object.entries(files)) {
    mkdirSync(join(tree, dirname(path)), { recursive: true });
    writeFileSync(join(tree, path), source);
  }
  const { stdout, stderr } = spawnSync(resolve('node_modules/.bin/biome'), ['lint', '--max-diagnostics=none'], {
    cwd: tree,
    encoding: 'utf8',
  });
  const findings = (stdout + stderr).split(/^(?=\S+:\d+:\d+ lint\/)/m);
  assert.ok(findings.length > 1, stdout + stderr);
  return (path) => findings.filter((text) => text.startsWith(`${path}:`)).join('');
}

test('the import boundaries fail the build, and say why', () => {
  const cases: [path: string, source: string, message: RegExp][] = [
    [
      'src/onnx/read/probe.ts',
      "import { x } from '../../average/index.ts';\nx();\n",
      /In src\/onnx, read builds on none of the others/,
    ],
    [
      'src/onnx/read/upward.ts',
      "import { x } from '../edit/edit.ts';\nx();\n",
      /In src\/onnx, read builds on none of the others/,
    ],
    [
      'src/average/kernel/probe.ts',
      "import { x } from '../../onnx/read/wire.ts';\nx();\n",
      /src\/average may import only core, onnx, snapshots, signature, each through its index\.ts/,
    ],
    ['src/core/probe.ts', "import { x } from '../onnx/index.ts';\nx();\n", /src\/core may import no other folder/],
    ['src/data/probe.ts', "import sharp from 'sharp';\nsharp();\n", /decode-image\.ts alone/],
    [
      'src/evaluate/probe.ts',
      "import ort from 'onnxruntime-node';\nort();\n",
      /onnxruntime-node is imported in src\/runtime alone/,
    ],
    ['src/evaluate/reader.ts', 'export const x = process.argv;\n', /Only cli\/ reads the process/],
    ['src/evaluate/parser.ts', "import yargs from 'yargs';\nyargs();\n", /below them nothing knows a flag/],
    ['cli/probe.ts', "import { x } from '../src/onnx/read/wire.ts';\nx();\n", /through their index\.ts/],
    [
      'cli/eval-ckpt/probe.ts',
      "import { x } from '../res-sweep/text.ts';\nx();\n",
      /cli\/shared and src, never another command/,
    ],
    ['cli/eval-ckpt/command.ts', "import yargs from 'yargs';\nyargs();\n", /options\.ts and cli\/shared alone/],
  ];
  const allowed: [path: string, source: string][] = [
    ['src/average/kernel/allowed.ts', "import { x } from '../../onnx/index.ts';\nx();\n"],
    ['src/onnx/edit/probe.ts', "import { x } from '../read/wire.ts';\nx();\n"],
    ['cli/eval-ckpt/allowed.ts', "import { x } from '../../src/evaluate/index.ts';\nx();\n"],
    ['cli/eval-ckpt/options.ts', "import yargs from 'yargs';\nyargs();\n"],
  ];
  const said = lint(Object.fromEntries([...cases, ...allowed].map(([path, source]) => [path, source])));
  for (const [path, , message] of cases) assert.match(said(path), message, path);
  for (const [path] of allowed) assert.doesNotMatch(said(path), /noRestrictedImports/, path);
});

test('biome.json is what the table of import rules makes', async () => {
  const script = pathToFileURL(resolve('cli/dev/write-biome.mjs')).href;
  const { biomeText } = (await import(script)) as { biomeText: () => string };
  assert.equal(readFileSync('biome.json', 'utf8'), biomeText(), 'run `npm run import-rules`');
});

test('every folder of src has an index, and every test folder mirrors one of src or cli', () => {
  for (const entry of readdirSync('src', { withFileTypes: true })) {
    if (entry.isDirectory()) assert.ok(existsSync(join('src', entry.name, 'index.ts')), entry.name);
    else assert.match(entry.name, /^(index|targets)\.ts$/);
  }
  for (const folder of readdirSync('test/unit')) {
    assert.ok(folder === 'cli' || existsSync(join('src', folder)), folder);
  }
});

test('the code map names every folder of src once', () => {
  const named = Array.from(
    readFileSync('ARCHITECTURE.md', 'utf8').matchAll(/^\| `src\/(\w+)` \|/gm),
    ([, folder]) => folder,
  );
  const folders = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory());
  assert.deepEqual(new Set(named), new Set(folders.map(({ name }) => name)));
  assert.equal(named.length, folders.length);
});
