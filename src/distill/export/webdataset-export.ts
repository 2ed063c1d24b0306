import { once } from 'node:events';
import { pack } from 'tar-stream';
import type { AtomicFile } from '../../core/index.ts';
import type { Store } from '../store/index.ts';
import type { ExportFiles } from './export-files.ts';
import { npyHeader } from './npy-export.ts';
import { type SampleBlock, sampleBlocks } from './sample-blocks.ts';

/** Samples of a tar, where the data set has no archives of its own. */
const DEFAULT_SAMPLES = 10_000;
const DIGITS = 6;
const EPOCH = new Date(0);

/** The tar that a sample belongs to, by ordinal. */
export type TarOf = (ordinal: number) => string;

/** Tars of 10,000 samples: targets-000000.tar, … */
export const tarByCount: TarOf = (ordinal) =>
  `targets-${String(Math.floor(ordinal / DEFAULT_SAMPLES)).padStart(DIGITS, '0')}.tar`;

/** WebDataset ends a key at the first dot of the base name: dots in it are written %2E, and % as %25. */
export function memberKey(key: string): string {
  const base = key.lastIndexOf('/') + 1;
  return key.slice(0, base) + key.slice(base).replaceAll('%', '%25').replaceAll('.', '%2E');
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer =>
  Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);

type Member = readonly [name: string, data: Buffer];

/** The members of one sample: logits.npy, or indices.npy and values.npy, [views, width], as stored; view.json with the rest. */
function membersOf(block: SampleBlock, s: number, { views, temperatures }: Store['manifest']): Member[] {
  const { targets, stored, samples, records, seeds } = block;
  const { width, indices, max, lse } = targets;
  const first = s * views;
  const nT = temperatures.length;
  const npy = (data: Uint16Array | Uint32Array | Float32Array, kind: 'f' | 'u'): Buffer =>
    Buffer.concat([
      npyHeader(`<${kind}${data.BYTES_PER_ELEMENT}`, [views, width]),
      bytesOf(data.subarray(first * width, (first + views) * width)),
    ]);
  const { key, label = null } = samples[s] as { key: string; label?: number };
  const record = {
    key,
    label,
    temperatures,
    views: Array.from({ length: views }, (_, v) => ({
      ...records[first + v],
      seed: String(seeds[first + v]),
      max: max[first + v],
      lse: [...lse.subarray((first + v) * nT, (first + v + 1) * nT)],
    })),
  };
  return [
    ...(indices === undefined
      ? [['logits.npy', npy(stored, 'f')] as const]
      : [['indices.npy', npy(indices, 'u')] as const, ['values.npy', npy(stored, 'f')] as const]),
    ['view.json', Buffer.from(`${JSON.stringify(record)}\n`)] as const,
  ];
}

interface TarSample {
  readonly tar: string;
  readonly members: readonly Member[];
}

/** The samples that have targets, in table order, each with its tar. */
async function* tarSamples(store: Store, teacher: number, tarOf: TarOf): AsyncGenerator<TarSample, void, undefined> {
  for await (const block of sampleBlocks(store, teacher)) {
    for (const [s, { key }] of block.samples.entries()) {
      if (!block.ok[s]) continue;
      const members = membersOf(block, s, store.manifest).map(
        ([extension, data]): Member => [`${memberKey(key)}.${extension}`, data],
      );
      yield { tar: tarOf(block.first + s), members };
    }
  }
}

/** Packs members into a file, without clock, owner or machine. `fill` is given what adds one. */
async function writeTar(
  out: AtomicFile,
  fill: (add: (member: Member) => Promise<void>) => Promise<void>,
): Promise<void> {
  const tar = pack();
  tar.on('data', (chunk) => out.write(chunk as Uint8Array));
  const ended = once(tar, 'end');
  await fill(
    ([name, data]) =>
      new Promise((resolve, reject) => {
        tar.entry({ name, mode: 0o644, mtime: EPOCH }, data, (error) => (error ? reject(error) : resolve()));
      }),
  );
  tar.finalize();
  await ended;
}

/**
 * Sidecar tars for WebDataset: per teacher a folder with, for each sample, `<key>.logits.npy` (or `.indices.npy` and
 * `.values.npy`) and `<key>.view.json`, in table order, without bad images. With `tarOf` from the data set's own archives
 * the tars have their names and order of keys, so that the two can be read side by side. Memory: a block of samples.
 * @throws TemperError OUTPUT_*, and as Store.part
 */
export async function exportWebDataset(store: Store, files: ExportFiles, tarOf: TarOf): Promise<void> {
  for (const { index } of store.manifest.teachers) {
    const samples = tarSamples(store, index, tarOf);
    let next = await samples.next();
    while (!next.done) {
      const { tar } = next.value;
      await files.add(`teacher-${index}/${tar}`, (out) =>
        writeTar(out, async (add) => {
          while (!next.done && next.value.tar === tar) {
            for (const member of next.value.members) await add(member);
            next = await samples.next();
          }
        }),
      );
    }
  }
}
