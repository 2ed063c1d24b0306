import { type FieldRow, writeFileAtomic } from '../../src/core/index.ts';
import {
  classRows,
  confusionCells,
  confusionRows,
  type EvaluationRecord,
  flipRows,
  meanRows,
} from '../../src/evaluate/index.ts';
import { csvText } from '../../src/report/index.ts';
import { writeCsv } from '../shared/csv-file.ts';
import type { Terminal } from '../shared/terminal.ts';

interface ClassFiles {
  readonly 'per-class'?: string | undefined;
  readonly confusion?: string | undefined;
  readonly flips?: string | undefined;
  readonly seed?: number | undefined;
  readonly force: boolean;
}

/** There may be no row to take them from. */
const FLIP_FIELDS = [
  ...['key', 'change', 'label', 'baseline_class', 'class', 'baseline_confidence', 'confidence'],
  ...['label_name', 'baseline_class_name', 'class_name'],
];

/** Writes the tables of classes and images that were asked for, all models one below the other. @throws TemperError OUTPUT_* */
export function writeAnalysisTables(
  { models, classNames }: EvaluationRecord,
  files: ClassFiles,
  terminal: Terminal,
): void {
  const { 'per-class': perClass, confusion, flips, seed = 0, force } = files;
  const all = (rowsOf: (model: EvaluationRecord['models'][number]) => readonly FieldRow[]): FieldRow[] =>
    models.flatMap((one) => rowsOf(one).map((row) => ({ model: one.fields.model, ...row })));
  if (perClass !== undefined) {
    const rows = all(({ predictions }) => [...classRows(predictions, classNames), ...meanRows(predictions, seed)]);
    writeCsv(perClass, rows, { force, what: 'the table of classes' }, terminal);
  }
  if (confusion !== undefined) {
    const rows = all(({ predictions }) => confusionRows(confusionCells(predictions), classNames));
    writeCsv(confusion, rows, { force, what: 'the confusion matrix' }, terminal);
  }
  if (flips !== undefined) {
    const [first, ...others] = models;
    const rows = others.flatMap(({ predictions, fields }) =>
      first ? flipRows(first.predictions, predictions, classNames).map((row) => ({ model: fields.model, ...row })) : [],
    );
    writeFileAtomic(flips, csvText(['model', ...FLIP_FIELDS], rows), { force });
    terminal.wrote(flips, 'the images that only one model gets right');
  }
}
