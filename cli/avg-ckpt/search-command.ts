import { checkOutputs } from '../../src/core/index.ts';
import { type SearchRecord, type SearchShardOptions, searchAverages, searchShard } from '../../src/search/index.ts';
import { expandInputs } from '../../src/snapshots/index.ts';
import { assertCsvName, writeCsv } from '../shared/csv-file.ts';
import { flagText } from '../shared/flag-text.ts';
import { readingDocument } from '../shared/reading-document.ts';
import { reportFormat, writeReport } from '../shared/report-file.ts';
import type { Terminal } from '../shared/terminal.ts';
import { type SearchArguments, searchOptions, searchShardOptions } from './search-options.ts';
import { searchPage } from './search-page.ts';
import { searchText, shardText, verdictText } from './search-text.ts';

const isNamed = (path: string | undefined): path is string => path !== undefined;

/** What can be refused before any work. @throws TemperError USAGE, INPUT_NOT_FOUND, OUTPUT_* */
function checkFiles({ inputs, pattern, out, csv, report, force }: SearchArguments): void {
  if (report !== undefined) reportFormat(report);
  assertCsvName(csv);
  // The model may replace an average among the snapshots; the job knows which files are snapshots.
  checkOutputs([out, csv, report].filter(isNamed), [], force);
  const snapshots = expandInputs(inputs, pattern, () => false);
  checkOutputs([csv, report].filter(isNamed), snapshots, force);
}

/** The JSON document. */
function searchDocument(record: SearchRecord, { csv, report }: SearchArguments) {
  const { output, chosen, verdict } = record;
  return {
    output: { ...output, data: output.data ?? null },
    chosen: chosen.name,
    statistics: chosen.bn,
    better_than_best_single: verdict ? verdict.better : null,
    mcnemar_p: verdict ? verdict.paired.p : null,
    report_split: record.report.map(({ fields }) => fields),
    greedy_soup: record.greedySoup ?? null,
    pruned_soup: record.prunedSoup ?? null,
    weights: record.weights,
    reading: readingDocument(record.reading),
    snapshot_reads: record.snapshotReads,
    evaluations: record.evaluations,
    from_cache: record.fromCache,
    cache: record.cache,
    csv: csv ?? null,
    report: report ?? null,
    warnings: record.warnings.map(flagText),
    seconds: record.seconds,
    seconds_evaluating: record.evaluatingSeconds,
    candidates: record.candidates.map(({ fields }) => fields),
  };
}

/** A worker: results for the search that puts them together. */
async function work(options: SearchShardOptions, terminal: Terminal): Promise<number> {
  const record = await searchShard(options, terminal.control);
  const { shard, cache, candidates, candidatesInAll, evaluations, fromCache } = record;
  terminal.print(
    {
      shard: `${shard.index}/${shard.count}`,
      cache,
      candidates,
      candidates_in_all: candidatesInAll,
      evaluations,
      from_cache: fromCache,
    },
    record,
    shardText,
  );
  return 0;
}

export async function search(args: SearchArguments, terminal: Terminal): Promise<number> {
  const share = searchShardOptions(args, terminal.environment);
  if (share) return work(share, terminal);
  const options = searchOptions(args);
  checkFiles(args);
  const record = await searchAverages(options, terminal.control);
  const { csv, report, force } = args;
  const { output, chosen, candidates, cache, evaluations } = record;
  const verdict = verdictText(record, args['allow-worse']);
  terminal.wrote(output.path, chosen.name);
  if (output.data) terminal.wrote(output.data.path, 'its weights');
  if (evaluations > 0) terminal.wrote(cache, 'results that a later search goes on from');
  writeCsv(
    csv,
    candidates.map(({ fields }) => fields),
    { force, what: 'all candidates' },
    terminal,
  );
  if (report !== undefined) {
    writeReport(report, searchPage(record, verdict, terminal.commandLine), force);
    terminal.wrote(report, 'report');
  }
  terminal.print(searchDocument(record, args), { record, verdict }, (shown) => searchText(shown.record, shown.verdict));
  return 0;
}
