// Puts the commands into few files, dist/cli/bin: `npm run build` calls it. A command line loads some 300 modules, one file each, or
// a dozen of these (test/bench/README.md says what that saves). The library stays as it was compiled, dist/src.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../../', import.meta.url));
const dist = join(root, 'dist');
const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** As deep as the folders of src, whose `version.ts` finds package.json three folders up. */
const outdir = join(dist, 'cli', 'bin');
/** Threads are started by the names of their files, beside the module that starts them: here all are in one folder. */
const WORKERS = ['src/average/hash-worker', 'src/data/loader/decode-worker', 'src/runtime/session-worker'];

const options = {
  outdir,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  entryNames: '[name]',
  chunkNames: '[name]-[hash]',
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  logLevel: 'warning',
};

rmSync(outdir, { recursive: true, force: true });
await build({
  ...options,
  splitting: true,
  entryPoints: ['cli/shared/main', 'cli/commands', ...WORKERS].map((name) => join(dist, `${name}.js`)),
});
// A program is a file of its own, which imports the rest only where a failure is told in a message (cli/shared/start.ts).
await build({
  ...options,
  entryPoints: Object.keys(bin).map((name) => join(dist, 'cli', `${name}.js`)),
  external: ['./main.js', './commands.js'],
});
// CommonJS, loaded by cli/shared/parser.ts. What it holds of other packages stands under their licences, which lie beside it.
const { metafile } = await build({
  ...options,
  format: 'cjs',
  packages: 'bundle',
  minifyWhitespace: true,
  minifySyntax: true,
  metafile: true,
  absWorkingDir: root,
  entryPoints: [join(dist, 'cli/shared/yargs.cjs')],
  outExtension: { '.js': '.cjs' },
});
const packages = new Set(
  Object.keys(metafile.inputs).flatMap(
    (path) => /^node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+/.exec(path) ?? [],
  ),
);
const licences = [...packages].sort().map((folder) => {
  const name = readdirSync(join(root, folder)).find((file) => /^licen[cs]e/i.test(file));
  if (name === undefined) throw new Error(`${folder}: has no licence that could be copied`);
  return `${folder}\n\n${readFileSync(join(root, folder, name), 'utf8').trim()}\n`;
});
writeFileSync(join(outdir, 'yargs.LICENSE.txt'), licences.join(`\n${'-'.repeat(70)}\n\n`));
