import { checkOutputs } from '../../src/core/index.ts';
import { dataFiles } from '../../src/data/index.ts';
import { type CalibrateOptions, type CalibrationRecord, calibrate, calibrateFrom } from '../../src/evaluate/index.ts';
import { assertCsvName, writeCsv } from '../shared/csv-file.ts';
import { reportFormat, writeReport } from '../shared/report-file.ts';
import type { Terminal } from '../shared/terminal.ts';
import { type CalibrateArguments, calibrateOptions, fromOptions } from './options.ts';
import { calibrationPage } from './page.ts';
import { calibrationText, fitText } from './text.ts';

/** What can be refused before any work. @throws TemperError USAGE, OUTPUT_* */
function checkFiles({ csv, report, force }: CalibrateArguments, { model, out, val }: CalibrateOptions): void {
  assertCsvName(csv);
  if (report !== undefined) reportFormat(report);
  const outputs = [out, csv, report].filter((path) => path !== undefined);
  checkOutputs(outputs, [model, ...dataFiles(val)], force);
}

const documentOf = (record: CalibrationRecord, { csv, report }: CalibrateArguments): object => ({
  output: record.written ?? null,
  csv: csv ?? null,
  report: report ?? null,
  method: record.method,
  temperature: record.temperature ?? null,
  written_as: record.writtenAs,
  n_fitted: record.fitted,
  n_judged: record.judged,
  better: record.better,
  stages: record.rows,
});

/** From a file of predictions: nothing but tables is written. */
async function foretell(args: CalibrateArguments, from: string[], terminal: Terminal): Promise<number> {
  const { csv, force } = args;
  const options = fromOptions({ ...args, from });
  assertCsvName(csv);
  checkOutputs(csv === undefined ? [] : [csv], from, force);
  const record = await calibrateFrom(options, terminal.control);
  writeCsv(csv, record.rows, { force }, terminal);
  const document = {
    ...{ output: null, csv: csv ?? null, report: null, method: record.method, temperature: record.temperature ?? null },
    ...{
      written_as: null,
      n_fitted: record.fitted,
      n_judged: record.judged,
      better: record.better,
      stages: record.rows,
    },
  };
  terminal.print(document, record, fitText);
  return record.better ? 0 : 1;
}

export async function calibrateCommand(args: CalibrateArguments, terminal: Terminal): Promise<number> {
  if (args.from) return foretell(args, args.from, terminal);
  const options = calibrateOptions(args);
  checkFiles(args, options);
  const record = await calibrate(options, terminal.control);
  const { written } = record;
  if (written) {
    terminal.wrote(written.path, `calibrated model, ${written.bytes} bytes, sha256 ${written.sha256}`);
    if (written.data) terminal.wrote(written.data.path, 'its external data');
  }
  writeCsv(args.csv, record.rows, { force: args.force }, terminal);
  if (args.report !== undefined) {
    writeReport(args.report, calibrationPage(record, terminal.commandLine), args.force);
    terminal.wrote(args.report, 'report');
  }
  terminal.print(documentOf(record, args), record, calibrationText);
  return written ? 0 : 1;
}
