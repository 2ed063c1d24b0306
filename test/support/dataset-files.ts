import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import sharp from 'sharp';
import { pack } from 'tar-stream';

/** The compiled file lies in dist/test/support. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const FIXTURES = join(ROOT, 'test/unit/data/datasets/fixtures');
const FASHION = join(ROOT, 'fixtures/fashion');

/** A folder that is removed when the tests of the file are done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'temper-data-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files, their folders included; returns the folder. */
export function writeTree(folder: string, files: Readonly<Record<string, string | Uint8Array>>): string {
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  return folder;
}

export const COUNT = 20;
export const SIDE = 28;

const idx = (name: string, header: number): Uint8Array =>
  new Uint8Array(gunzipSync(readFileSync(join(FASHION, name)))).subarray(header);

/** The first real test images, grey, as they are (28 px) or as Pillow resized them to 20 px. */
export function fashionPixels(count: number, side: 20 | 28 = SIDE): Uint8Array[] {
  const all = idx(side === 20 ? 'test-20px-images-idx3-ubyte.gz' : 'test-images-idx3-ubyte.gz', 16);
  return Array.from({ length: count }, (_, i) => all.slice(i * side * side, (i + 1) * side * side));
}

export const fashionLabels = (count: number): number[] => [...idx('test-labels-idx1-ubyte.gz', 8).subarray(0, count)];

export const PIXELS: readonly Uint8Array[] = fashionPixels(COUNT);
export const LABELS: readonly number[] = fashionLabels(COUNT);

export const pngs = (pixels = PIXELS): Promise<Uint8Array[]> =>
  Promise.all(
    pixels.map((data) =>
      sharp(data, { raw: { width: SIDE, height: SIDE, channels: 1 } })
        .png()
        .toBuffer(),
    ),
  );

export function idxBytes(dims: readonly number[], data: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.writeUInt8(8, 2);
  header.writeUInt8(dims.length, 3);
  for (const [i, dim] of dims.entries()) header.writeUInt32BE(dim, 4 + 4 * i);
  return Buffer.concat([header, data]);
}

export interface Member {
  readonly name: string;
  readonly data: string | Uint8Array;
}

export async function tarBytes(members: readonly Member[]): Promise<Buffer> {
  const tar = pack();
  for (const { name, data } of members) tar.entry({ name }, Buffer.from(data));
  tar.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of tar) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

/** Whether GNU tar can be run here. */
export function hasGnuTar(): boolean {
  try {
    return execFileSync('tar', ['--version'], { encoding: 'utf8' }).includes('GNU tar');
  } catch {
    return false;
  }
}

/** An image struct and a label, as Hugging Face writes them. */
export function parquetBytes(
  images: readonly (Uint8Array | null)[],
  labels: readonly unknown[] | undefined,
  rowGroupSize = 1000,
): Uint8Array {
  const columnData = [
    { name: 'image', data: images.map((bytes, i) => ({ bytes, path: `${i}.png` })) },
    ...(labels ? [{ name: 'label', data: [...labels] }] : []),
  ];
  return new Uint8Array(
    parquetWriteBuffer({
      rowGroupSize,
      columnData,
      schema: [
        { name: 'root', num_children: columnData.length },
        { name: 'image', num_children: 2, repetition_type: 'OPTIONAL' },
        { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
        { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
        ...(labels ? [labelElement(labels)] : []),
      ],
    }),
  );
}

function labelElement(labels: readonly unknown[]) {
  return typeof labels[0] === 'string'
    ? ({ name: 'label', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' } as const)
    : ({ name: 'label', type: 'INT64', repetition_type: 'OPTIONAL' } as const);
}

export function npyBytes(descr: string, shape: string, data: Uint8Array, fortran = 'False'): Uint8Array {
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`;
  const header = Buffer.from(`${text.padEnd(117)}\n`, 'latin1');
  const prefix = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 255, header.length >> 8]);
  return Buffer.concat([prefix, header, data]);
}
