/** Broken files that each end in another way: kept small in fixtures/hostile, one JSON file a target. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { hostileTargets } from '../support/hostile/index.ts';
import type { HostileTarget } from '../support/hostile/target.ts';

const FOLDER = 'fixtures/hostile';

/** What is grown: the walk over the wire, pickles in both forms of torch.save, safetensors, tar, npy, IDX, CSV, JSON lines, Parquet. */
const GROWN = [
  'models/a small model with everything',
  'checkpoints/protocol-4.pth',
  'checkpoints/legacy.pt',
  'checkpoints/shards',
  'safetensors/any.safetensors',
  'tars/small.tar',
  'npy/version-2.npy',
  'IDX/test-images-idx3-ubyte',
  'CSV/table.csv',
  'CSV/list.txt',
  'JSON lines/lines.jsonl',
  'per-image files/predictions.csv',
  'per-image files/predictions.parquet',
];

export const nameOf = ({ kind, name }: HostileTarget): string => `${kind}/${name}`;

export async function grownTargets(root: string): Promise<HostileTarget[]> {
  return (await hostileTargets(root)).filter((target) => GROWN.includes(nameOf(target)));
}

export interface CorpusCase {
  /** 'read', or the code of the error. */
  readonly code: string;
  readonly file: string;
  readonly bytes: Buffer;
}

const pathOf = (target: HostileTarget): string => join(FOLDER, `${nameOf(target).replaceAll(/[^\w.]+/g, '-')}.json`);

export function readCorpus(target: HostileTarget): CorpusCase[] {
  if (!existsSync(pathOf(target))) return [];
  const cases = JSON.parse(readFileSync(pathOf(target), 'utf8')) as { code: string; file: string; deflated: string }[];
  return cases.map(({ deflated, ...one }) => ({ ...one, bytes: inflateRawSync(Buffer.from(deflated, 'base64')) }));
}

export function writeCorpus(target: HostileTarget, cases: readonly CorpusCase[]): void {
  mkdirSync(FOLDER, { recursive: true });
  const kept = cases.map(({ bytes, ...one }) => ({
    ...one,
    deflated: deflateRawSync(bytes, { level: 9 }).toString('base64'),
  }));
  writeFileSync(pathOf(target), `[\n${kept.map((one) => JSON.stringify(one)).join(',\n')}\n]\n`);
}
