import type { RecalibrationRecord, RecalibrationResult } from '../../src/batchnorm/index.ts';
import { checkOutputs, samePath } from '../../src/core/index.ts';
import { assertCsvName, writeCsv } from '../shared/csv-file.ts';
import { flagText } from '../shared/flag-text.ts';
import { readingDocument } from '../shared/reading-document.ts';
import { reportFormat, writeReport } from '../shared/report-file.ts';
import type { Terminal } from '../shared/terminal.ts';
import { recalibrationPage } from './page.ts';
import { recalibrationText } from './text.ts';

/** Where a command writes. */
interface ResultFiles {
  readonly out?: string | undefined;
  readonly csv?: string | undefined;
  readonly report?: string | undefined;
  readonly force: boolean;
}

const isNamed = (path: string | undefined): path is string => path !== undefined;

/** What can be refused before any work; the job checks its own outputs again. @throws TemperError USAGE, OUTPUT_* */
export function checkFiles(
  { out, csv, report, force }: ResultFiles,
  inputs: readonly (string | undefined)[],
  moments?: string,
): void {
  if (report !== undefined) reportFormat(report);
  assertCsvName(csv);
  const tables = [csv, report].filter(isNamed);
  const twice = moments !== undefined && tables.some((path) => samePath(path, moments));
  // The folder of moments may not be there yet: the job makes it.
  const outputs = [out, ...tables, twice ? moments : undefined];
  checkOutputs(outputs.filter(isNamed), inputs.filter(isNamed), force);
}

/** The result as JSON, options in the words of the command line. */
function documentOf(
  { written, images, guard, warnings, layers, reading }: RecalibrationResult,
  csv: string | undefined,
) {
  return {
    output: written ?? null,
    csv: csv ?? null,
    n_images: images,
    guard: guard
      ? {
          better: guard.better,
          top1_before: guard.before,
          top1_after: guard.after,
          mcnemar_p: guard.paired.p,
          n_images: guard.paired.n,
        }
      : null,
    warnings: warnings.map(flagText),
    layers,
    reading: readingDocument(reading),
  };
}

/** Writes tables and pages of what a job did, and prints it. @returns the exit code: 1 if the guard refused the model */
export function showRecord(
  { moments, result }: RecalibrationRecord,
  { csv, report, force }: ResultFiles,
  terminal: Terminal,
): number {
  if (moments) {
    const { path, sha256, batches, batchesInAll } = moments;
    terminal.wrote(path, `moments of ${batches} of ${batchesInAll} batches, sha256 ${sha256}`);
    if (!result) {
      terminal.print({ moments: { path, sha256, batches, batches_in_all: batchesInAll } }, '', String);
      return 0;
    }
  }
  if (!result) throw new Error('a job measures moments, or makes a result');
  const { written } = result;
  if (written) {
    terminal.wrote(written.path, `recalibrated model, ${written.bytes} bytes, sha256 ${written.sha256}`);
    if (written.data) terminal.wrote(written.data.path, 'its external data');
  }
  writeCsv(csv, result.rows, { force, what: 'the table of layers' }, terminal);
  if (report !== undefined) {
    writeReport(report, recalibrationPage(result, terminal.commandLine), force);
    terminal.wrote(report, 'report');
  }
  terminal.print(documentOf(result, csv), result, recalibrationText);
  return written ? 0 : 1;
}
