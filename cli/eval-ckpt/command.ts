import { checkOutputs, writeFileAtomic } from '../../src/core/index.ts';
import { evaluate, isParquet } from '../../src/evaluate/index.ts';
import { csvText } from '../../src/report/index.ts';
import { DEFAULT_PATTERN, expandInputs } from '../../src/snapshots/index.ts';
import { assertCsvName, writeCsv } from '../shared/csv-file.ts';
import { flagText } from '../shared/flag-text.ts';
import { missedGates, parseGate } from '../shared/gate.ts';
import { readingDocument } from '../shared/reading-document.ts';
import { reportFormat, writeReport } from '../shared/report-file.ts';
import type { Terminal } from '../shared/terminal.ts';
import { evalFindTransform } from './find-transform.ts';
import { checkTogether, type EvalCkptArguments, evaluateOptions } from './options.ts';
import { evaluationPage } from './page.ts';
import { writePerImage } from './per-image-file.ts';
import { warningsOf } from './sentences.ts';
import { evaluationText } from './text.ts';

const isNamed = (path: string | undefined): path is string => path !== undefined;

/** What can be refused before any work. @throws TemperError USAGE, OUTPUT_* */
function checkFiles(args: EvalCkptArguments, models: readonly string[]): void {
  const { csv, report, quarantine, force, 'per-image': perImage } = args;
  if (perImage !== undefined) isParquet(perImage);
  if (report !== undefined) reportFormat(report);
  const inputs = [...models, args.data, args.labels, args.classes, args['valid-classes'], ...(args.from ?? [])];
  checkOutputs([perImage, csv, quarantine, report].filter(isNamed), inputs.filter(isNamed), force);
  for (const path of [csv, quarantine]) assertCsvName(path);
}

/** Where the images that were left out can be found, if any were. */
function listedIn({ quarantine, json }: EvalCkptArguments): string {
  const list = quarantine ?? (json ? 'bad_images' : undefined);
  return list
    ? `all images that were left out are in ${list}`
    : '--quarantine FILE.csv lists the images that were left out';
}

export async function evalCkpt(args: EvalCkptArguments, terminal: Terminal): Promise<number> {
  if (args['find-transform']) return evalFindTransform(args, terminal);
  checkTogether(args);
  const gates = args.gate === undefined ? [] : args.gate.split(',').map(parseGate);
  const models = args.models.length === 0 ? [] : expandInputs(args.models, DEFAULT_PATTERN, () => false);
  checkFiles(args, models);
  const record = await evaluate(evaluateOptions(args, models, terminal.environment), terminal.control);
  const { force, report, quarantine, 'per-image': perImage } = args;
  const rows = record.models.map(({ fields }) => fields);
  if (record.badImages.length > 0) terminal.note(listedIn(args));
  if (perImage !== undefined) {
    await writePerImage(perImage, record.models, force);
    terminal.wrote(perImage, 'predictions of every image');
  }
  if (quarantine !== undefined) {
    const fields = record.badImages.map((bad) => ({ ...bad }));
    writeFileAtomic(quarantine, csvText(['row', 'key', 'code', 'message'], fields), { force });
    terminal.wrote(quarantine, 'images that were left out');
  }
  writeCsv(args.csv, rows, { force }, terminal);
  const missed = rows.flatMap((row) => missedGates(gates, row));
  const passed = missed.length === 0;
  if (report !== undefined) {
    writeReport(report, evaluationPage(record, { passed, asked: args.gate, missed }, terminal.commandLine), force);
    terminal.wrote(report, 'report');
  }
  const verdict = gates.length > 0 && passed ? [`met ${args.gate}`] : missed;
  terminal.print(
    {
      models: record.models.map(({ fields, reading }) =>
        reading ? { ...fields, reading: readingDocument(reading) } : fields,
      ),
      gates: { passed, missed },
      warnings: warningsOf(record).map(flagText),
      bad_images: record.badImages,
    },
    evaluationText(record, verdict),
  );
  return passed ? 0 : 1;
}
