import type { SearchRecord, SearchShardRecord } from '../../src/search/index.ts';
import { scoreText } from '../shared/score-text.ts';
import { textTable } from '../shared/text-table.ts';

/** Candidates that are shown; the CSV has all. */
const SHOWN = 10;

const percent = (value: number): string => (100 * value).toFixed(2);

/** What the report split says, and what was written because of it. */
export function verdictText({ verdict, best, bestSingle }: SearchRecord, allowWorse: boolean): string {
  if (!verdict) return `${best.name} is the best, and a single snapshot: no average did better\n`;
  const compared = `${best.name} against ${bestSingle.name}, the best single: ${verdict.text}\n`;
  if (verdict.better || allowWorse) return compared;
  return `${compared}nothing is better beyond noise: the best single snapshot was written (--allow-worse writes the average)\n`;
}

function workText(record: SearchRecord): string {
  const { evaluations, fromCache, cache, snapshotReads, weights, seconds, evaluatingSeconds } = record;
  return (
    `${evaluations} evaluations and ${fromCache} from ${cache}; ${snapshotReads} reads of ${Object.keys(weights).length} snapshots; ` +
    `${seconds.toFixed(1)} s, of which ${evaluatingSeconds.toFixed(1)} s in the network\n`
  );
}

/** The best candidates on the selection split, the comparison on the report split, the verdict, and what was written. */
export function searchText(record: SearchRecord, verdict: string): string {
  const { candidates, report, chosen, output } = record;
  const ranked = candidates.toSorted((a, b) => b.metrics.top1 - a.metrics.top1 || a.metrics.nll - b.metrics.nll);
  const [first] = ranked;
  const table = textTable(
    ['candidate', 'BN', 'snapshots', 'top-1 %', 'NLL', 'ECE'],
    ranked
      .slice(0, SHOWN)
      .map(({ bn, metrics, fields }) => [
        String(fields.candidate),
        bn,
        String(fields.n_snapshots),
        percent(metrics.top1),
        metrics.nll.toFixed(4),
        metrics.ece.toFixed(4),
      ]),
  );
  return (
    `the best of ${candidates.length} on the selection split (${first?.metrics.n} images):\n${table}\n` +
    `on the report split, which chose nothing:\n${scoreText(report)}\n` +
    `${verdict}${workText(record)}` +
    `${chosen.name}: ${output.path}  ${output.bytes} bytes  sha256 ${output.sha256}\n`
  );
}

/** What a worker did. */
export function shardText({ candidates, candidatesInAll, evaluations, fromCache, cache }: SearchShardRecord): string {
  return `${candidates} of ${candidatesInAll} candidates: ${evaluations} evaluations and ${fromCache} from ${cache}\n`;
}
