import { TemperError } from '../../core/index.ts';
import { type ClassOutput, FLOAT_LIMITS } from '../../runtime/index.ts';
import type { OutputKind } from '../../signature/index.ts';
import { type Ensemble, ensembleOf } from '../ensemble.ts';
import { OUTPUT_KINDS } from '../output-kind.ts';
import { isScoreColumn, SCORE_COLUMNS, scoreColumn } from './kept-scores.ts';
import { blocksOf, type Cells, cellsOf, malformed, rowsByModel } from './read-per-image.ts';

/** An image's row of a model. */
interface ScoreRow {
  readonly key: string;
  readonly label: number;
  readonly values: Float64Array;
}

/** A model's rows that wait for those of the other models. */
interface Member {
  readonly kind: OutputKind;
  readonly type: string;
  readonly classes: number;
  waiting: ScoreRow[];
}

const IDENTITY = ['model', 'key', 'label'] as const;

const isRead = (name: string): boolean =>
  isScoreColumn(name) || [...IDENTITY, ...SCORE_COLUMNS].some((column) => column === name);

/** What a model's rows are, by its first. @throws TemperError USAGE for a row without scores; FORMAT_TABLE */
function memberAt(path: string, row: number, at: number, model: string, cells: Cells): Member {
  if (!cells.has(row, SCORE_COLUMNS[0])) {
    throw new TemperError('USAGE', `${path}: \`ensemble\`: of ${model} there are no scores of all classes`, {
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
  for (let k = 0; k < classes; k++) {
    const column = scoreColumn(k);
    for (let i = 0; i < rows.length; i++) data[i * classes + k] = cells.score(rows[i] as number, column);
  }
  for (const [i, row] of rows.entries()) {
    const values = data.subarray(i * classes, (i + 1) * classes);
    waiting.push({ key: cells.text(row, 'key'), label: cells.index(row, 'label'), values });
  }
}

/** Joins the images that all members have by now, and forgets their scores. @throws TemperError MISMATCH_VALUE for other images */
function joinWaiting(members: readonly Member[], ensemble: Ensemble): void {
  const rows = Math.min(...members.map(({ waiting }) => waiting.length));
  if (rows === 0) return;
  const [first] = members as [Member];
  const keys = first.waiting.slice(0, rows).map(({ key }) => key);
  const labels = first.waiting.slice(0, rows).map(({ label }) => label);
  for (const [m, member] of members.entries()) {
    const { classes, type, waiting } = member;
    const data = new Float64Array(rows * classes);
    for (const [i, { key, values }] of waiting.slice(0, rows).entries()) {
      if (key !== keys[i]) throw otherImages(`${keys[i]} of one model with ${key} of another`);
      data.set(values, i * classes);
    }
    const limits = FLOAT_LIMITS[type] as Pick<ClassOutput, 'smallest' | 'largestBelowOne'>;
    ensemble.add(m, { rows, classes, data, ...limits }, keys, labels);
    member.waiting = waiting.slice(rows);
  }
}

function otherImages(what: string): TemperError {
  return new TemperError('MISMATCH_VALUE', `\`ensemble\`: ${what}`, {
    hint: 'Name a file of models that were measured together.',
  });
}

/**
 * The mean answers of the models in files that keep their scores: to the bit what the run that wrote them would have given.
 * Memory: the scores of the images that not all models have yet; files list models by turns, some thousand images at a time.
 * @param paths in the order of the images @param models in their order
 * @throws TemperError USAGE for less than two models, or one without scores; MISMATCH_VALUE, INPUT_*, FORMAT_*; the signal's reason
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
  const found = new Map<string, Member>();
  let ensemble: Ensemble | undefined;
  for (const path of paths) {
    for await (const block of blocksOf(path, isRead, signal)) {
      const cells = cellsOf(path, block);
      const { start } = block;
      for (const [model, rows] of rowsByModel(block, cells)) {
        const [row = 0] = rows;
        const member = found.get(model) ?? memberAt(path, row, start + row, model, cells);
        found.set(model, member);
        addRows(path, rows, start, cells, member);
      }
      if (found.size < models.length) continue;
      const members = models.map((model) => found.get(model) as Member);
      ensemble ??= ensembleOf(
        members.map(({ kind }) => kind),
        undefined,
      );
      joinWaiting(members, ensemble);
    }
  }
  const left = [...found].find(([, { waiting }]) => waiting.length > 0);
  if (left || !ensemble) throw otherImages(`${left?.[0]} has images that another model lacks`);
  return ensemble;
}
