import { checkOutputs } from '../../src/core/index.ts';
import { dataFiles } from '../../src/data/index.ts';
import { type CalibrateOptions, type CalibrationRecord, calibrate } from '../../src/evaluate/index.ts';
import { assertCsvName, writeCsv } from '../shared/csv-file.ts';
import { reportFormat, writeReport } from '../shared/report-file.ts';
import type { Terminal } from '../shared/terminal.ts';
import { type CalibrateArguments, calibrateOptions } from './options.ts';
import { calibrationPage } from './page.ts';
import { calibrationText } from './text.ts';

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

export async function calibrateCommand(args: CalibrateArguments, terminal: Terminal): Promise<number> {
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
