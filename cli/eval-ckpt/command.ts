import { checkOutputs, writeFileAtomic } from '../../src/core/index.ts';
import { type EvaluationRecord, evaluate, isParquet, thumbnails } from '../../src/evaluate/index.ts';
import { csvText } from '../../src/report/index.ts';
import { DEFAULT_PATTERN, expandInputs } from '../../src/snapshots/index.ts';
import { assertCsvName, writeCsv } from '../shared/csv-file.ts';
import { dataOf } from '../shared/data-options.ts';
import { flagText } from '../shared/flag-text.ts';
import { peakMemoryMb } from '../shared/peak-memory.ts';
import { readingDocument } from '../shared/reading-document.ts';
import { reportFormat, writeReport } from '../shared/report-file.ts';
import type { Terminal } from '../shared/terminal.ts';
import { writeAnalysisTables } from './analysis-tables.ts';
import { appendSummary } from './ci-summary.ts';
import { type Pictures, shownImages } from './difference-sections.ts';
import { evalFindTransform } from './find-transform.ts';
import { gatesOf, missedBy } from './gates.ts';
import { checkTogether, type EvalCkptArguments, evaluateOptions, hasPictures } from './options.ts';
import { evaluationPage } from './page.ts';
import { writePerImage } from './per-image-file.ts';
import { warningsOf } from './sentences.ts';
import { evaluationText } from './text.ts';

const isNamed = (path: string | undefined): path is string => path !== undefined;

/** What can be refused before any work. @throws TemperError USAGE, OUTPUT_* */
function checkFiles(args: EvalCkptArguments, models: readonly string[]): void {
  const { csv, report, quarantine, force, confusion, flips, 'per-image': perImage, 'per-class': perClass } = args;
  const setCsv = args['set-csv'];
  if (perImage !== undefined) isParquet(perImage);
  if (report !== undefined) reportFormat(report);
  const inputs = [
    ...models,
    args.data,
    args.labels,
    args.classes,
    args['valid-classes'],
    args.baseline,
    args.slices,
    args['real-labels'],
    ...(args.from ?? []),
    ...[args.set, args['set-labels'], args['set-classes']].flatMap((named) => [...(named?.values() ?? [])]),
  ];
  checkOutputs(
    [perImage, csv, quarantine, report, perClass, confusion, flips, setCsv].filter(isNamed),
    inputs.filter(isNamed),
    force,
  );
  for (const path of [csv, quarantine, perClass, confusion, flips, setCsv]) assertCsvName(path);
}

/** Where the images that were left out can be found, if any were. */
function listedIn({ quarantine, json }: EvalCkptArguments): string {
  const list = quarantine ?? (json ? 'bad_images' : undefined);
  return list
    ? `all images that were left out are in ${list}`
    : '--quarantine FILE.csv lists the images that were left out';
}

/** Adds the most memory that this process ever held to what it measured: of all models together, decoding included. */
function withPeakMemory(record: EvaluationRecord): EvaluationRecord {
  const peak_memory_mb = peakMemoryMb();
  const models = record.models.map((one) =>
    one.fields.ms_p50 === undefined ? one : { ...one, fields: { ...one.fields, peak_memory_mb } },
  );
  return { ...record, models };
}

/** Pictures of the images that the report shows. */
async function picturesOf(args: EvalCkptArguments, record: EvaluationRecord, terminal: Terminal): Promise<Pictures> {
  const data = hasPictures(args) ? dataOf(args) : undefined;
  if (data === undefined) return new Map();
  return thumbnails(data, shownImages(record), terminal.control);
}

export async function evalCkpt(args: EvalCkptArguments, terminal: Terminal): Promise<number> {
  if (args['find-transform']) return evalFindTransform(args, terminal);
  checkTogether(args);
  const gates = gatesOf(args);
  const models = args.models.length === 0 ? [] : expandInputs(args.models, DEFAULT_PATTERN, () => false);
  checkFiles(args, models);
  const record = withPeakMemory(await evaluate(evaluateOptions(args, models, terminal.environment), terminal.control));
  const { force, report, quarantine, 'per-image': perImage } = args;
  const rows = record.models.map(({ fields }) => fields);
  if (record.badImages.length > 0) terminal.note(listedIn(args));
  if (perImage !== undefined) {
    // A baseline has predictions of its own already, or may be kept by a run of its own.
    await writePerImage(perImage, args.baseline === undefined ? record.models : record.models.slice(1), force);
    terminal.wrote(perImage, 'predictions of every image');
  }
  if (quarantine !== undefined) {
    const fields = record.badImages.map((bad) => ({ ...bad }));
    writeFileAtomic(quarantine, csvText(['row', 'key', 'code', 'message'], fields), { force });
    terminal.wrote(quarantine, 'images that were left out');
  }
  writeCsv(args.csv, rows, { force }, terminal);
  writeAnalysisTables(record, args, terminal);
  writeCsv(args['set-csv'], record.sets, { force, what: 'the table of sets' }, terminal);
  const missed = missedBy(record.models, gates, args);
  const passed = missed.length === 0;
  if (report !== undefined) {
    const pictures = await picturesOf(args, record, terminal);
    const gate = { passed, asked: args.gate, missed };
    writeReport(report, evaluationPage(record, gate, terminal.commandLine, pictures), force);
    terminal.wrote(report, 'report');
  }
  if (args.summary !== undefined) {
    appendSummary(args.summary, evaluationPage(record, { passed, asked: args.gate, missed }, terminal.commandLine));
    terminal.wrote(args.summary, 'summary, appended');
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
      ...(args.set === undefined ? {} : { sets: record.sets }),
      ...(args.slices === undefined ? {} : { slices: record.slices }),
    },
    { record, verdict },
    (shown) => evaluationText(shown.record, shown.verdict),
  );
  return passed ? 0 : 1;
}
