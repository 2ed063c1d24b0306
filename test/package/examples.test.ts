import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import * as library from '../../src/index.ts';
import * as targets from '../../src/targets.ts';
import { writeLibraryLayout } from '../support/library-layout.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** What a reader would put into a file of their own. */
interface Program {
  readonly name: string;
  readonly code: string;
}

const ENTRIES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'onnx-temper': library,
  'onnx-temper/targets': targets,
};
/** What these make, the examples of the others read. */
const FIRST = ['averageCheckpoints', 'makeTargets'];

const isJob = (value: unknown): boolean => typeof value === 'function' && !/^class\b/.test(String(value));
const jobs = Object.values(ENTRIES)
  .flatMap((entry) => Object.keys(entry).filter((name) => isJob(entry[name])))
  .sort((a, b) => Number(FIRST.includes(b)) - Number(FIRST.includes(a)) || (a < b ? -1 : 1));

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => readFileSync(join('src', path), 'utf8'));

/** The doc comment right above a function. */
function docOf(name: string): string {
  const start = new RegExp(`^export (?:async )?function ${name}\\(`, 'm');
  const source = sources.find((text) => start.test(text)) ?? '';
  const above = source.slice(0, source.search(start));
  return above.endsWith(' */\n') ? above.slice(above.lastIndexOf('/**')) : '';
}

/** An example names what it calls; the import is the reader's. */
function importsFor(code: string): string {
  return Object.entries(ENTRIES)
    .map(([entry, exported]) => {
      const used = Object.keys(exported).filter((name) => new RegExp(`\\b${name}\\(`).test(code));
      return used.length === 0 ? '' : `import { ${used.join(', ')} } from '${entry}';\n`;
    })
    .join('');
}

function exampleOf(job: string): Program {
  const [, text = ''] = /@example\n([\s\S]*?) \*\/\n$/.exec(docOf(job)) ?? [];
  const code = text.replace(/^ \* ?/gm, '');
  return { name: job, code: importsFor(code) + code };
}

const programsOf = (document: string): Program[] =>
  [...readFileSync(document, 'utf8').matchAll(/^```(?:js|ts)\n([\s\S]*?)^```$/gm)].map(([, code = ''], i) => ({
    name: `${document.replace(/\W/g, '-')}-${i + 1}`,
    code,
  }));

/** Programs that are read together run in one folder, in their order. */
const FOLDERS: Readonly<Record<string, readonly Program[]>> = {
  examples: jobs.map(exampleOf),
  readme: programsOf('README.md'),
  docs: programsOf('docs/library.md'),
};

const folder = tempFolder();
let types: { readonly status: number | null; readonly stdout: string };

/** Checks all programs, as strict as a user can be, and writes the JavaScript that runs. */
function compile(): typeof types {
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2023',
    lib: ['es2023'],
    types: ['node'],
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
  };
  const files = Object.entries(FOLDERS).flatMap(([name, all]) => all.map((program) => `${name}/${program.name}.mts`));
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  const tsc = resolve('node_modules/typescript/bin/tsc');
  return spawnSync(process.execPath, [tsc, '-p', '.'], { cwd: folder, encoding: 'utf8' });
}

before(async () => {
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(resolve('.'), join(folder, 'node_modules/onnx-temper'));
  symlinkSync(resolve('node_modules/@types'), join(folder, 'node_modules/@types'));
  const layout = join(folder, 'layout');
  mkdirSync(layout);
  await writeLibraryLayout(layout);
  for (const [name, programs] of Object.entries(FOLDERS)) {
    cpSync(layout, join(folder, name), { recursive: true });
    for (const program of programs) writeFileSync(join(folder, name, `${program.name}.mts`), program.code);
  }
  types = compile();
});

test('every job of the library has an example, and so has its page', () => {
  for (const job of jobs) assert.match(exampleOf(job).code, new RegExp(`\\b${job}\\(`), `${job}: no @example calls it`);
  assert.ok(jobs.length >= 10);
  assert.ok(programsOf('docs/library.md').length >= 5);
  const page = readFileSync('docs/library.md', 'utf8');
  for (const job of jobs) assert.ok(page.includes(`| \`${job}\` |`), `docs/library.md: no row for ${job}`);
});

test('every example is right by the types', () => {
  assert.equal(types.status, 0, types.stdout);
});

for (const [name, programs] of Object.entries(FOLDERS)) {
  test(`${name}: every program runs, in the order of the page`, async (t) => {
    const home = process.cwd();
    process.chdir(join(folder, name));
    const printed = t.mock.method(console, 'log', () => undefined);
    t.mock.method(console, 'error', () => undefined);
    try {
      for (const program of programs) {
        await t.test(program.name, () => import(pathToFileURL(resolve(`${program.name}.mjs`)).href));
      }
      assert.ok(printed.mock.callCount() > 0);
    } finally {
      process.chdir(home);
    }
  });
}
