import { checkOutputs, writeFileAtomic } from '../../src/core/index.ts';
import { dataFiles } from '../../src/data/index.ts';
import {
  type FixResOptions,
  type FixResRecord,
  type FixResShardOptions,
  fixRes,
  fixResFeatures,
} from '../../src/fixres/index.ts';
import { csvText } from '../../src/report/index.ts';
import { assertCsvName } from '../shared/csv-file.ts';
import { flagText } from '../shared/flag-text.ts';
import { readingDocument } from '../shared/reading-document.ts';
import { reportFormat, writeReport } from '../shared/report-file.ts';
import type { Terminal } from '../shared/terminal.ts';
import { type FixResArguments, fixResOptions, fixResShardOptions } from './options.ts';
import { fixResPage } from './page.ts';
import { fixResText } from './text.ts';

/** Columns of the epochs; the last two are empty without --patience. */
const EPOCH_FIELDS = ['epoch', 'lr', 'train_loss', 'val_top1', 'val_nll'];

/** What can be refused before any work. @throws TemperError USAGE, OUTPUT_* */
function checkFiles({ csv, report, force }: FixResArguments, options: FixResOptions): void {
  const { model, out, train, val, shifted } = options;
  assertCsvName(csv);
  if (report !== undefined) reportFormat(report);
  const outputs = [out, csv, report].filter((path) => path !== undefined);
  checkOutputs(outputs, [model, ...dataFiles(train, val, shifted)], force);
}

function documentOf(record: FixResRecord, { csv, report }: FixResArguments): object {
  const { written, verdict, layer } = record;
  return {
    output: written ?? null,
    history: csv ?? null,
    report: report ?? null,
    mode: record.mode,
    layer: layer ? { name: layer.name, batch_normalization: layer.kind } : null,
    changed: record.changed,
    n_images: record.images,
    epochs: record.history,
    epoch: record.epoch,
    guard: {
      better: verdict.better,
      top1_before: verdict.before,
      top1_after: verdict.after,
      mcnemar_p: verdict.paired.p,
      n_images: verdict.paired.n,
    },
    reading: readingDocument(record.reading),
    warnings: record.warnings.map(flagText),
    comparisons: record.comparisons.map(({ fields }) => fields),
  };
}

/** A worker: features for the run that trains on them. */
async function work(options: FixResShardOptions, terminal: Terminal): Promise<number> {
  const { shard, path, sha256, batches, batchesInAll, made } = await fixResFeatures(options, terminal.control);
  if (!made) terminal.wrote(path, `features of ${batches} of ${batchesInAll} batches, sha256 ${sha256}`);
  const document = { path, sha256, batches, batches_in_all: batchesInAll, skipped: made };
  terminal.print({ shard: `${shard.index}/${shard.count}`, ...document }, '', String);
  return 0;
}

export async function fixResCommand(args: FixResArguments, terminal: Terminal): Promise<number> {
  const share = fixResShardOptions(args, terminal.environment);
  if (share) return work(share, terminal);
  const { csv, report, force } = args;
  const options = fixResOptions(args);
  checkFiles(args, options);
  const record = await fixRes(options, terminal.control);
  const { written, history } = record;
  if (written) terminal.wrote(written.path, `tuned model, ${written.bytes} bytes, sha256 ${written.sha256}`);
  if (csv !== undefined) {
    const rows = history.map((row) => ({ ...row }));
    writeFileAtomic(csv, csvText(EPOCH_FIELDS, rows), { force });
    terminal.wrote(csv, 'epochs');
  }
  if (report !== undefined) {
    writeReport(report, fixResPage(record, args.model, terminal.commandLine), force);
    terminal.wrote(report, 'report');
  }
  terminal.print(documentOf(record, args), record, fixResText);
  return written ? 0 : 1;
}
