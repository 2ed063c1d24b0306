import { TemperError } from '../../core/index.ts';
import { type ClassOutput, FLOAT_LIMITS } from '../../runtime/index.ts';
import type { OutputKind } from '../../signature/index.ts';
import { type Ensemble, ensembleOf } from '../ensemble.ts';
import { OUTPUT_KINDS } from '../output-kind.ts';
import { isScoreColumn, SCORE_COLUMNS, scoreColumn } from './kept-scores.ts';
import { blocksOf, type Cells, cellsOf, malformed, rowsByModel } from './read-per-image.ts';

/** Rows of a model that stand together in a file, and how many of them are joined. */
interface Rows {
  readonly keys: readonly string[];
  readonly labels: readonly number[];
  /** [rows, classes]. */
  readonly data: Float64Array;
  done: number;
}

/** A model's rows that wait for those of the other models. */
interface Member {
  readonly kind: OutputKind;
  readonly type: string;
  readonly classes: number;
  readonly waiting: Rows[];
}

/** Rows that are filled together, as columns lie apart in a file; and images that are joined at once: scores stay near the processor. */
const [TILE_ROWS, JOINED_ROWS] = [16, 128];

const IDENTITY = ['model', 'key', 'label'] as const;

const isRead = (name: string): boolean =>
  isScoreColumn(name) || [...IDENTITY, ...SCORE_COLUMNS].some((column) => column === name);

/** What a model's rows are, by its first. @throws TemperError USAGE for a row without scores; FORMAT_TABLE */
function memberAt(path: string, row: number, at: number, model: string, cells: Cells): Member {
  if (!cells.has(row, SCORE_COLUMNS[0])) {
    throw new TemperError('USAGE', `${path}: of ${model} there are no scores of all classes`, {
      hint: 'Measure the models alone, and keep their scores with `logits`; or name the models with `data`.',
      details: { path, model },
    });
  }
  const [kind, type] = SCORE_COLUMNS.map((name) => cells.text(row, name)) as [string, string];
  if (!Object.hasOwn(OUTPUT_KINDS, kind)) throw malformed(path, at, `outputs is "${kind}"`);
  if (!Object.hasOwn(FLOAT_LIMITS, type)) throw malformed(path, at, `output_type is "${type}"`);
  let classes = 0;
  while (cells.isThere(row, scoreColumn(classes))) classes++;
  if (classes === 0) throw malformed(path, at, `no column ${scoreColumn(0)}`);
  return { kind: kind as OutputKind, type, classes, waiting: [] };
}

/** Rows of one model in a block, column after column: names are looked up once. @throws TemperError FORMAT_TABLE */
function addRows(path: string, rows: readonly number[], start: number, cells: Cells, member: Member): void {
  const { kind, type, classes, waiting } = member;
  const further = scoreColumn(classes);
  for (const row of rows) {
    const [foundKind, foundType] = SCORE_COLUMNS.map((name) => cells.text(row, name));
    if (foundKind === kind && foundType === type && !cells.isThere(row, further)) continue;
    const what = `is of ${foundKind} in ${foundType}, expected ${classes} ${kind} in ${type}`;
    throw malformed(path, start + row, what);
  }
  const data = new Float64Array(rows.length * classes);
  const reads = Array.from({ length: classes }, (_, k) => cells.scores(scoreColumn(k)));
  for (let first = 0; first < rows.length; first += TILE_ROWS) {
    const end = Math.min(rows.length, first + TILE_ROWS);
    for (let k = 0; k < classes; k++) {
      const read = reads[k] as (row: number) => number;
      for (let i = first; i < end; i++) data[i * classes + k] = read(rows[i] as number);
    }
  }
  const keys = rows.map((row) => cells.text(row, 'key'));
  waiting.push({ keys, labels: rows.map((row) => cells.index(row, 'label')), data, done: 0 });
}

/** Joins the images that all members have by now, and forgets their scores. @throws TemperError MISMATCH_VALUE for other images */
function joinWaiting(members: readonly Member[], take: TakeScores): void {
  for (;;) {
    const heads = members.flatMap(({ waiting }) => waiting[0] ?? []);
    if (heads.length < members.length) return;
    const count = Math.min(JOINED_ROWS, ...heads.map(({ keys, done }) => keys.length - done));
    const [first] = heads as [Rows];
    const keys = first.keys.slice(first.done, first.done + count);
    const labels = first.labels.slice(first.done, first.done + count);
    for (const [m, head] of heads.entries()) {
      const other = keys.findIndex((key, i) => key !== head.keys[head.done + i]);
      if (other >= 0) throw otherImages(`${keys[other]} of one model with ${head.keys[head.done + other]} of another`);
      const { classes, type, kind, waiting } = members[m] as Member;
      const data = head.data.subarray(head.done * classes, (head.done + count) * classes);
      const limits = FLOAT_LIMITS[type] as Pick<ClassOutput, 'smallest' | 'largestBelowOne'>;
      take(m, kind, { rows: count, classes, data, ...limits }, keys, labels);
      if (m > 0) advance(head, waiting, count);
    }
    advance(first, (members[0] as Member).waiting, count);
  }
}

function advance(head: Rows, waiting: Rows[], count: number): void {
  head.done += count;
  if (head.done === head.keys.length) waiting.shift();
}

function otherImages(what: string): TemperError {
  return new TemperError('MISMATCH_VALUE', `\`ensemble\`: ${what}`, {
    hint: 'Name a file of models that were measured together.',
  });
}

/** Takes some rows of a model: those of all models in turn, for the same images. */
type TakeScores = (
  model: number,
  kind: OutputKind,
  output: ClassOutput,
  keys: readonly string[],
  labels: readonly number[],
) => void;

/**
 * Reads all that models gave from files that keep their scores.
 * Memory: the scores of the images that not all models have yet; files list models by turns, some thousand images at a time.
 * @param paths in the order of the images @param models in their order; rows of others are left out
 * @throws TemperError USAGE for a model without scores; MISMATCH_VALUE, INPUT_*, FORMAT_*; the signal's reason
 */
export async function readScores(
  paths: readonly string[],
  models: readonly string[],
  take: TakeScores,
  signal: AbortSignal,
): Promise<void> {
  const found = new Map<string, Member>();
  for (const path of paths) {
    for await (const block of blocksOf(path, isRead, signal)) {
      const cells = cellsOf(path, block);
      const { start } = block;
      for (const [model, rows] of rowsByModel(block, cells)) {
        if (!models.includes(model)) continue;
        const [row = 0] = rows;
        const member = found.get(model) ?? memberAt(path, row, start + row, model, cells);
        found.set(model, member);
        addRows(path, rows, start, cells, member);
      }
      if (found.size < models.length) continue;
      joinWaiting(
        models.map((model) => found.get(model) as Member),
        take,
      );
    }
  }
  const left = [...found].find(([, { waiting }]) => waiting.length > 0);
  if (left || found.size < models.length) throw otherImages(`${left?.[0]} has images that another model lacks`);
}

/**
 * The mean answers of the models in files that keep their scores: to the bit what the run that wrote them would have given.
 * @param paths in the order of the images @param models in their order
 * @throws TemperError USAGE for less than two models, or as readScores
 */
export async function joinScores(
  paths: readonly string[],
  models: readonly string[],
  signal: AbortSignal,
): Promise<Ensemble> {
  if (models.length < 2) {
    throw new TemperError('USAGE', `\`ensemble\` of ${models.length} models, expected 2 or more`, {
      hint: 'Name a file of the models whose answers are joined.',
    });
  }
  const kinds: OutputKind[] = [];
  const ensemble = ensembleOf(kinds, undefined, models.length);
  await readScores(
    paths,
    models,
    (model, kind, output, keys, labels) => {
      kinds[model] = kind;
      ensemble.add(model, output, keys, labels);
    },
    signal,
  );
  return ensemble;
}
