/** Broken data sets, images and lists. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { decodeImage, imageSize, openDataset, readClassMap } from '../../../src/data/index.ts';
import { readRealLabels } from '../../../src/evaluate/analysis/real-labels.ts';
import { FIXTURES, fashionPixels, idxBytes, tarBytes } from '../dataset-files.ts';
import { breakOneOf, mutateJson, mutateTable } from './mutations.ts';
import type { HostileTarget, Int } from './target.ts';

/** Reads everything; a data set that opens may also be whole by chance. */
async function readDataset(
  path: string,
  options: { readonly labels?: string; readonly classes?: string } = {},
): Promise<void> {
  const table = await openDataset(path, options);
  try {
    for (let row = 0; row < table.length; row++) await table.read(row);
  } finally {
    await table.close();
  }
}

function arrayTarget(kind: string, name: string, bytes: Uint8Array): HostileTarget {
  const files = { [name]: Buffer.from(bytes) };
  return {
    kind,
    name,
    files,
    mutate: breakOneOf(files, [name]),
    read: (folder) => readDataset(join(folder, name)),
  };
}

const fixture = (kind: string, name: string): HostileTarget =>
  arrayTarget(kind, name, readFileSync(join(FIXTURES, name)));

/** Images and labels of IDX, as they are and gzipped. */
function idxTargets(): HostileTarget[] {
  const images = Buffer.from(idxBytes([4, 28, 28], Buffer.concat(fashionPixels(4))));
  const labels = Buffer.from(idxBytes([4], Uint8Array.of(1, 2, 3, 4)));
  return (['', '.gz'] as const).map((ending) => {
    const pack = (bytes: Buffer): Buffer => (ending ? gzipSync(bytes) : bytes);
    const [data, list] = [`test-images-idx3-ubyte${ending}`, `test-labels-idx1-ubyte${ending}`];
    const files = { [data]: pack(images), [list]: pack(labels) };
    return {
      kind: ending ? 'gz' : 'IDX',
      name: data,
      files,
      mutate: breakOneOf(files, [data, list]),
      read: (folder) => readDataset(join(folder, data), { labels: join(folder, list) }),
    };
  });
}

const IMAGES = [
  'jpeg-420.jpg',
  'jpeg-444-progressive.jpg',
  'jpeg-cmyk-icc.jpg',
  'jpeg-exif-6.jpg',
  'png-palette.png',
  'png-16bit-grey.png',
  'png-rgba.png',
  'gif-animated.gif',
  'webp-lossy.webp',
  'webp-animated.webp',
  'tiff-lzw.tif',
  'tiff-pages.tif',
];

const imageTarget = (name: string): HostileTarget => {
  const files = { [name]: readFileSync(join('fixtures/images', name)) };
  return {
    kind: 'images',
    name,
    files,
    mutate: breakOneOf(files, [name]),
    // A header may claim what it likes: a small limit keeps honest bombs cheap.
    async read(_, { bytes }) {
      await imageSize(bytes, name);
      await decodeImage(bytes, name, { orientation: 'exif', pixelLimit: 1 << 20 });
    },
  };
};

/** One text file, beside an image that it names. */
function textTarget(
  kind: string,
  name: string,
  text: string,
  mutate: (text: string, int: Int) => { text: string; what: string },
  read: (path: string) => unknown,
): HostileTarget {
  const files = { [name]: Buffer.from(text), 'a.png': readFileSync('fixtures/images/png-palette.png') };
  const breakBytes = breakOneOf(files, [name]);
  return {
    kind,
    name,
    files,
    mutate(int) {
      if (int(4) === 0) return breakBytes(int);
      const changed = mutate(text, int);
      return { file: name, bytes: Buffer.from(changed.text), what: changed.what };
    },
    read: (folder) => read(join(folder, name)),
  };
}

const TABLE = ['path,label', 'a.png,1', '"a.png",2', 'a.png,0', ''].join('\n');
const LIST = ['a.png 1', 'a.png\t2', 'a.png 0', ''].join('\n');
const LINES = [
  { file_name: 'a.png', label: 1 },
  { file_name: 'a.png', label: 0 },
].map((one) => JSON.stringify(one));
const lineBreaker = (text: string, int: Int): { text: string; what: string } => {
  const lines = text.split('\n').filter(Boolean);
  const at = int(lines.length);
  const { text: line, what } = mutateJson(lines[at] as string, int);
  return { text: `${lines.toSpliced(at, 1, line).join('\n')}\n`, what: `line ${at + 1}: ${what}` };
};

const textTargets = (): HostileTarget[] => [
  textTarget('CSV', 'table.csv', TABLE, mutateTable, readDataset),
  textTarget('CSV', 'list.txt', LIST, mutateTable, readDataset),
  textTarget('JSON lines', 'lines.jsonl', `${LINES.join('\n')}\n`, lineBreaker, readDataset),
  textTarget('CSV', 'classes.csv', 'name,index\ntench,0\nshark,1\n', mutateTable, readClassMap),
  textTarget('CSV', 'classes.txt', 'n01440764 tench\nn01443537 goldfish\n', mutateTable, readClassMap),
  textTarget('configurations', 'classes.json', '{"tench":0,"shark":1,"0":2}', mutateJson, readClassMap),
  textTarget('configurations', 'real.json', '[[1],[],[2,3]]', mutateJson, readRealLabels),
];

export async function datasetTargets(): Promise<HostileTarget[]> {
  const pictures = ['a.png', 'b.png'].flatMap((name, i) => [
    { name, data: readFileSync('fixtures/images/png-palette.png') },
    { name: name.replace('png', 'cls'), data: String(i) },
  ]);
  return [
    fixture('tars', 'webdataset-0.tar'),
    arrayTarget('tars', 'small.tar', await tarBytes(pictures)),
    ...['huggingface.parquet', 'pyarrow-paged.parquet', 'pyarrow-zstd.parquet'].map((name) => fixture('Parquet', name)),
    ...['images-u1.npy', 'images-f4.npy', 'fortran.npy', 'version-2.npy'].map((name) => fixture('npy', name)),
    ...idxTargets(),
    ...textTargets(),
    ...IMAGES.map(imageTarget),
  ];
}
