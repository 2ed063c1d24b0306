import { checkOutputs } from '../../src/core/index.ts';
import { type ScoreTargetsRecord, scoreTargets } from '../../src/distill/index.ts';
import { assertCsvName, writeCsv } from '../shared/csv-file.ts';
import { readingDocument } from '../shared/reading-document.ts';
import { reportFormat, writeReport } from '../shared/report-file.ts';
import type { Terminal } from '../shared/terminal.ts';
import { rowFile } from './row-file.ts';
import { type ScoreArguments, scoreTargetsOptions } from './score-options.ts';
import { scorePage } from './score-page.ts';
import { scoreText } from './score-text.ts';

/** What can be refused before any work. @throws TemperError USAGE, OUTPUT_* */
function checkFiles(args: ScoreArguments): void {
  const { csv, report, force, 'per-class': perClass, 'per-row': perRow } = args;
  if (report !== undefined) reportFormat(report);
  for (const path of [csv, perClass, perRow]) assertCsvName(path);
  const named = (paths: readonly (string | undefined)[]) => paths.filter((path) => path !== undefined);
  const inputs = [args.student, args.data, args.labels, args.classes, args['class-map']];
  checkOutputs(named([csv, perClass, perRow, report]), named(inputs), force);
}

/** Scores, and writes every row as it comes, if a file is named. */
async function scored(args: ScoreArguments, terminal: Terminal): Promise<ScoreTargetsRecord> {
  const options = scoreTargetsOptions(args);
  const { 'per-row': path, force } = args;
  if (path === undefined) return scoreTargets(options, terminal.control);
  const file = rowFile(path, force);
  try {
    const record = await scoreTargets({ ...options, onRow: (row) => file.add(row) }, terminal.control);
    file.publish();
    terminal.wrote(path, 'KL of every row');
    return record;
  } finally {
    file.discard();
  }
}

export async function score(args: ScoreArguments, terminal: Terminal): Promise<number> {
  checkFiles(args);
  const record = await scored(args, terminal);
  const { fields, words, scores, rows, classRows, reading } = record;
  const { force, report } = args;
  writeCsv(args.csv, rows, { force, what: 'scores' }, terminal);
  writeCsv(args['per-class'], classRows, { force, what: 'scores by class' }, terminal);
  if (report !== undefined) {
    writeReport(report, scorePage(record, terminal.commandLine), force);
    terminal.wrote(report, 'report');
  }
  terminal.print({ ...fields, ...words, reading: readingDocument(reading), scores }, record, scoreText);
  return 0;
}
