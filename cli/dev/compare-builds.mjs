// Runs two builds over the command lines of compare-builds/lines.mjs and compares all that they leave: exit codes, stdout,
// stderr, every file. A refactoring must come out as "0 differences"; what a change means to differ is named, with the
// reason, in a file for --expected. Plain Node, so that it compares any two builds, whatever this checkout is at.
//
//   npm run compare -- --before DIR --after DIR [--expected FILE] [--only REGEX] [--jobs N] [--keep]
//
// DIR is the folder dist/cli/bin of a built checkout. --only takes the entries whose names match, --keep leaves the folders.
// Each entry runs in two temporary folders at once, with the same links `fixtures` (this repository's) and `inputs` (made
// by compare-builds/inputs.mjs). Tables and JSON are compared by field: one that only the second build has is listed as
// added and is no difference. Times and temporary paths are masked. Differences are counted by kind, so that words that
// change by intention do not hide a byte that must not:
//   exit (codes), files (models, stores, tables, ...), values (JSON on stdout), text (stdout, stderr, .md, .html)
//
// --expected: {"renamed": {"old_column": "new_column"},
//              "differences": [{"entry": "eval-ckpt *", "part": "stdout*", "field": "top1*", "reason": "..."}]}
// `part` is "exit 1", "stdout 1", "stderr 2" (of the step of that number) or a file; `field` a column, a path in JSON or its
// last name, or "metadata" of a model; * stands for any characters; `part` and `field` may be left out. Exit code 1: something differs that is not named there. 2: usage.
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compareFile, compareOutput } from './compare-builds/compare.mjs';
import { makeInputs } from './compare-builds/inputs.mjs';
import { ENTRIES } from './compare-builds/lines.mjs';
import { filesOf, runEntry } from './compare-builds/run-entry.mjs';

const FIXTURES = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', 'fixtures');
const KINDS = ['exit', 'files', 'values', 'text'];

function options() {
  const strings = ['before', 'after', 'expected', 'only', 'jobs'];
  const { values } = parseArgs({
    options: {
      ...Object.fromEntries(strings.map((name) => [name, { type: 'string' }])),
      keep: { type: 'boolean', default: false },
    },
  });
  for (const name of ['before', 'after']) {
    if (values[name] === undefined)
      throw new Error(`--${name} is missing: give the folder dist/cli/bin of a built checkout`);
    if (!existsSync(join(values[name], 'onnx-temper.js')))
      throw new Error(`--${name}: ${values[name]}/onnx-temper.js is missing`);
  }
  const jobs = Number(values.jobs ?? 1);
  if (!Number.isInteger(jobs) || jobs < 1) throw new Error(`--jobs: found ${values.jobs}, expected a number from 1 on`);
  const only = new RegExp(values.only ?? '');
  const expected = values.expected === undefined ? {} : JSON.parse(readFileSync(values.expected, 'utf8'));
  const nameless = (expected.differences ?? []).find(({ entry, reason }) => !entry || !reason);
  if (nameless) throw new Error(`--expected: "entry" or "reason" is missing in ${JSON.stringify(nameless)}`);
  return { ...values, builds: [resolve(values.before), resolve(values.after)], jobs, only, expected };
}

async function compareEntry(entry, index, { builds, root, links, expected }) {
  const folders = ['a', 'b'].map((side) => join(root, String(index), side));
  const [before, after] = await Promise.all(builds.map((build, i) => runEntry(build, folders[i], entry, links)));
  const context = { folders, builds, renamed: expected.renamed ?? {} };
  const found = before.flatMap((output, i) => compareOutput(output, after[i], i + 1, context));
  const names = [...new Set(folders.flatMap(filesOf))].sort();
  for (const name of names) found.push(...(await compareFile(name, context)));
  return { found, steps: before.length, files: names.length, codes: before.map(({ exit }) => exit) };
}

const matches = (pattern, text = '') =>
  new RegExp(
    `^${pattern
      .split('*')
      .map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
      .join('.*')}$`,
    's',
  ).test(text);

/** The expectation that names a difference. */
const expectationOf = (expected, entry, { part, field }) =>
  (expected.differences ?? []).find(
    (each) =>
      matches(each.entry, entry) &&
      matches(each.part ?? '*', part) &&
      [field, field?.replace(/^.*\./, '')].some((name) => matches(each.field ?? '*', name)),
  );

function printEntry({ name }, { found, codes }, seconds, expected, totals) {
  const differences = found.filter(({ kind }) => kind !== 'added');
  const open = differences.filter((each) => {
    const expectation = expectationOf(expected, name, each);
    if (expectation) totals.used.add(expectation);
    totals[expectation ? 'named' : 'open'][each.kind] += 1;
    return !expectation;
  });
  const parts = [...new Set(open.map(({ part }) => part))].join(', ');
  const verdict = open.length > 0 ? `differs: ${parts}` : differences.length > 0 ? 'differs as expected' : 'same';
  console.log(`${name.padEnd(44)} ${seconds.toFixed(1).padStart(5)} s  exit ${codes.join(' ').padEnd(8)} ${verdict}`);
  for (const { kind, part, field, detail } of [...open, ...found.filter((each) => each.kind === 'added')]) {
    console.log(`  [${kind}] ${part}${field ? ` ${field}` : ''}: ${detail.split('\n').join('\n      ')}`);
  }
}

function printSummary(totals, entries, seconds) {
  const counts = (of) => KINDS.map((kind) => `${of[kind]} ${kind}`).join(', ');
  const sum = (of) => KINDS.reduce((all, kind) => all + of[kind], 0);
  console.log(`\n${entries} entries, ${totals.steps} commands, ${totals.files} files in ${seconds.toFixed(0)} s`);
  console.log(`${sum(totals.open)} differences: ${counts(totals.open)}`);
  if (sum(totals.named) > 0) console.log(`${sum(totals.named)} more as expected: ${counts(totals.named)}`);
  if (totals.added > 0) console.log(`${totals.added} fields added`);
  return sum(totals.open) === 0 ? 0 : 1;
}

async function main() {
  const run = options();
  const entries = ENTRIES.filter(({ name }) => run.only.test(name));
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'compare-builds-')));
  const links = { fixtures: FIXTURES, inputs: join(root, 'inputs') };
  const zero = () => Object.fromEntries(KINDS.map((kind) => [kind, 0]));
  const totals = { open: zero(), named: zero(), used: new Set(), added: 0, steps: 0, files: 0 };
  const start = performance.now();
  try {
    await makeInputs(links.inputs, links.fixtures);
    const queue = [...entries.entries()];
    const worker = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const [index, entry] = next;
        const began = performance.now();
        const result = await compareEntry(entry, index, { ...run, root, links });
        totals.added += result.found.filter(({ kind }) => kind === 'added').length;
        totals.steps += result.steps;
        totals.files += result.files;
        printEntry(entry, result, (performance.now() - began) / 1000, run.expected, totals);
        if (!run.keep) rmSync(join(root, String(index)), { recursive: true });
      }
    };
    await Promise.all(Array.from({ length: run.jobs }, worker));
  } finally {
    if (run.keep) console.log(`kept: ${root}`);
    else rmSync(root, { recursive: true, force: true });
  }
  for (const unused of (run.expected.differences ?? []).filter((each) => !totals.used.has(each))) {
    if (run.only.source === '(?:)') console.log(`expected, and not found: ${JSON.stringify(unused)}`);
  }
  return printSummary(totals, entries.length, (performance.now() - start) / 1000);
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 2;
}
