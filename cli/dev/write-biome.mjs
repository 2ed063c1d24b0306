// Writes biome.json: the import rules of src and cli follow from one table, subfolder by subfolder.
// `npm run import-rules` after changing the table or adding a folder; a test compares the file with what this makes.
import { readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Which folders of src each folder of src may import (ARCHITECTURE.md, "Who may import whom"). */
export const MAY_IMPORT = {
  core: [],
  onnx: ['core'],
  report: ['core'],
  data: ['core'],
  shapes: ['core', 'onnx'],
  snapshots: ['core', 'onnx'],
  signature: ['core', 'onnx', 'data'],
  runtime: ['core', 'onnx', 'shapes', 'data', 'signature'],
  average: ['core', 'onnx', 'snapshots', 'signature'],
  evaluate: ['core', 'onnx', 'data', 'signature', 'runtime'],
  batchnorm: ['core', 'onnx', 'data', 'signature', 'runtime', 'snapshots', 'evaluate'],
  distill: ['core', 'onnx', 'data', 'signature', 'runtime', 'evaluate', 'batchnorm'],
  resolution: ['core', 'onnx', 'shapes', 'data', 'signature', 'runtime', 'evaluate', 'batchnorm'],
  fixres: ['core', 'onnx', 'shapes', 'data', 'signature', 'runtime', 'evaluate', 'batchnorm', 'resolution', 'distill'],
  search: ['core', 'onnx', 'snapshots', 'data', 'signature', 'runtime', 'average', 'evaluate', 'batchnorm'],
  finish: [
    ...['core', 'onnx', 'report', 'snapshots', 'data', 'signature', 'runtime', 'average', 'evaluate', 'batchnorm'],
    ...['resolution', 'fixres', 'search'],
  ],
  inspect: ['core', 'onnx', 'shapes', 'data', 'snapshots', 'signature', 'evaluate', 'batchnorm', 'distill', 'search'],
};

/** Folders inside a folder that build on each other; elsewhere they import each other freely. */
const INSIDE = { onnx: { read: [], graph: ['read'], edit: ['read', 'graph'] } };

const PROCESS = 'Only cli/ reads the process: libraries get what they need as arguments.';
const PACKAGES = {
  sharp: 'sharp is imported in src/data/images/decode-image.ts alone: one place decides how an image becomes pixels.',
  'onnxruntime-node': 'onnxruntime-node is imported in src/runtime alone: one place decides which provider runs.',
};
const YARGS = 'yargs is imported in options.ts and cli/shared alone: below them nothing knows a flag.';

const without = (paths, ...names) =>
  Object.fromEntries(Object.entries(paths).filter(([name]) => !names.includes(name)));
const foldersIn = (path) =>
  readdirSync(join(root, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
const imports = (paths, group, message) => ({
  noRestrictedImports: { level: 'error', options: { paths, patterns: [{ group, message }] } },
});

function sourceFolder(folder, include = `src/${folder}/**`, ...allowed) {
  const may = MAY_IMPORT[folder];
  const group = [
    '../**',
    '!../*.ts',
    ...['../', '../../'].flatMap((up) => may.map((other) => `!${up}${other}/index.ts`)),
    ...foldersIn(`src/${folder}`).map((sub) => `!../${sub}/*.ts`),
  ];
  const what =
    may.length === 0 ? 'no other folder of the project' : `only ${may.join(', ')}, each through its index.ts`;
  const message = `src/${folder} may import ${what} (ARCHITECTURE.md, "Who may import whom"): so that each layer can be read, tested and replaced alone.`;
  const paths = without({ ...PACKAGES, 'node:process': PROCESS, yargs: YARGS }, ...allowed);
  return {
    includes: [include],
    linter: {
      rules: {
        correctness: { noProcessGlobal: 'off' },
        style: {
          noRestrictedGlobals: { level: 'error', options: { deniedGlobals: { process: PROCESS } } },
          ...imports(paths, group, message),
        },
      },
    },
  };
}

/** One of a folder's own folders. */
function innerFolder(folder, sub) {
  const rule = sourceFolder(folder, `src/${folder}/${sub}/**`);
  const [pattern] = rule.linter.rules.style.noRestrictedImports.options.patterns;
  const may = INSIDE[folder][sub];
  pattern.group = [
    '../**',
    ...MAY_IMPORT[folder].map((other) => `!../../${other}/index.ts`),
    ...may.map((one) => `!../${one}/*.ts`),
  ];
  pattern.message = `In src/${folder}, ${sub} builds on ${may.join(' and ') || 'none of the others'} (ARCHITECTURE.md).`;
  return rule;
}

const SRC = {
  group: ['**/src/*/**', '!**/src/*/index.ts'],
  message: 'cli uses the folders of src through their index.ts: what is not exported there is not public.',
};

/** A command's folder: cli/shared and src, never another command. */
function commandFolder(folder) {
  const others = foldersIn('cli').filter((name) => !['shared', folder].includes(name));
  const patterns = [
    SRC,
    {
      group: others.map((name) => `../${name}/**`),
      message: 'A command imports cli/shared and src, never another command: what two share lives in cli/shared.',
    },
  ];
  const rule = (paths) => ({ noRestrictedImports: { level: 'error', options: { paths, patterns } } });
  return [
    { includes: [`cli/${folder}/**`], linter: { rules: { style: rule({ ...PACKAGES, yargs: YARGS }) } } },
    { includes: [`cli/${folder}/*options.ts`], linter: { rules: { style: rule(PACKAGES) } } },
  ];
}

export function biome() {
  return {
    $schema: 'https://biomejs.dev/schemas/2.6.8/schema.json',
    files: { includes: ['**', '!dist', '!reports', '!**/*.md', '!fixtures/**/*.json'] },
    formatter: { indentStyle: 'space', lineWidth: 120 },
    javascript: { formatter: { quoteStyle: 'single' } },
    linter: {
      rules: {
        preset: 'recommended',
        suspicious: { noImportCycles: { level: 'error', options: { ignoreTypes: false } }, noConsole: 'error' },
        style: {
          noDefaultExport: 'error',
          noRestrictedImports: { level: 'error', options: { paths: PACKAGES } },
          useNamingConvention: 'off',
        },
      },
    },
    overrides: [
      // This file, as JSON.stringify lays it out.
      { includes: ['biome.json'], json: { formatter: { expand: 'always' } } },
      ...Object.keys(MAY_IMPORT).map((folder) =>
        folder === 'runtime' ? sourceFolder(folder, undefined, 'onnxruntime-node') : sourceFolder(folder),
      ),
      sourceFolder('runtime', 'src/runtime/cuda-environment.ts', 'node:process'),
      ...Object.entries(INSIDE).flatMap(([folder, subs]) => Object.keys(subs).map((sub) => innerFolder(folder, sub))),
      sourceFolder('data', 'src/data/images/decode-image.ts', 'sharp'),
      sourceFolder('core', 'src/core/temporary-file.ts', 'node:process'),
      {
        includes: ['cli/**'],
        linter: { rules: { suspicious: { noConsole: 'off' }, style: imports(PACKAGES, SRC.group, SRC.message) } },
      },
      ...foldersIn('cli')
        .filter((name) => !['shared', 'dev', 'jobs'].includes(name))
        .flatMap(commandFolder),
      {
        includes: ['test/**'],
        linter: {
          rules: {
            suspicious: { noConsole: 'off' },
            style: { noRestrictedImports: 'off', noNonNullAssertion: 'off' },
          },
        },
      },
    ],
  };
}

/** The text of biome.json. */
export const biomeText = () => `${JSON.stringify(biome(), null, 2)}\n`;

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(join(root, 'biome.json'), biomeText());
