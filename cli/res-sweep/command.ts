import { checkOutputs } from '../../src/core/index.ts';
import { type SweepShardOptions, sweep, sweepShard } from '../../src/resolution/index.ts';
import { DEFAULT_PATTERN, expandInputs } from '../../src/snapshots/index.ts';
import { assertCsvName, writeCsv } from '../shared/csv-file.ts';
import { reportFormat, writeReport } from '../shared/report-file.ts';
import type { Terminal } from '../shared/terminal.ts';
import { sweepDocument } from './document.ts';
import { checkTogether, type ResSweepArguments, sweepOptions, sweepShardOptions } from './options.ts';
import { sweepPage } from './page.ts';
import { sweepText } from './text.ts';

const isNamed = (path: string | undefined): path is string => path !== undefined;

/** What can be refused before any work. @throws TemperError USAGE, OUTPUT_* */
function checkFiles(args: ResSweepArguments, models: readonly string[]): void {
  const { csv, report, force, data, labels, classes, train } = args;
  if (report !== undefined) reportFormat(report);
  assertCsvName(csv);
  checkOutputs([csv, report].filter(isNamed), [...models, data, labels, classes, train].filter(isNamed), force);
}

/** A worker: rows for the sweep that puts them together. */
async function work(options: SweepShardOptions, terminal: Terminal): Promise<number> {
  const { shard, path, sha256, rows, rowsInAll, made } = await sweepShard(options, terminal.control);
  const what = `${rows} of ${rowsInAll} rows`;
  if (!made) terminal.wrote(path, `${what}, sha256 ${sha256}`);
  terminal.print(
    { shard: `${shard.index}/${shard.count}`, path, sha256, rows, rows_in_all: rowsInAll, skipped: made },
    '',
    String,
  );
  return 0;
}

export async function resSweep(args: ResSweepArguments, terminal: Terminal): Promise<number> {
  checkTogether(args);
  const models = expandInputs(args.models, DEFAULT_PATTERN, () => false);
  const share = sweepShardOptions(args, models, terminal.environment);
  if (share) return work(share, terminal);
  checkFiles(args, models);
  const record = await sweep(sweepOptions(args, models), terminal.control);
  const { csv, report, force } = args;
  writeCsv(
    csv,
    record.rows.map(({ fields }) => fields),
    { force },
    terminal,
  );
  if (report !== undefined) {
    writeReport(report, sweepPage(record, terminal.commandLine), force);
    terminal.wrote(report, 'report');
  }
  terminal.print(sweepDocument(record), record, (shown) => sweepText(shown, args.recommend));
  return 0;
}
