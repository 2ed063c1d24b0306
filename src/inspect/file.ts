import { closeSync, openSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { constants, gunzipSync } from 'node:zlib';
import {
  type Control,
  type FileKind,
  fileKind,
  HEAD_BYTES,
  kindText,
  openFile,
  readBytes,
  TemperError,
} from '../core/index.ts';
import { imageSize, readClassMap, sizeText } from '../data/index.ts';
import { readPerImage } from '../evaluate/index.ts';
import { describeCheckpoint } from './checkpoint.ts';
import { describeData, isDamage } from './data-file.ts';
import { type Described, fact, type Problem } from './inspected.ts';
import { describeModel, type ModelChoice } from './model.ts';
import { describeTensors } from './tensor-file.ts';
import {
  describeJson,
  describeLink,
  describePointer,
  describeTable,
  describeText,
  looksText,
  PER_IMAGE,
} from './text-file.ts';

/** How much of a compressed file is looked into. */
const PEEK_BYTES = 64 * 1024;

/** A table that is no data set: predictions as Parquet, or a list of class names. @throws TemperError for a damaged one */
async function asOther(path: string, known: Described): Promise<Described | undefined> {
  try {
    if (known.kind === 'parquet') {
      const models = await readPerImage(path);
      const names = models.map(({ model }) => model);
      return { kind: 'per-image', is: PER_IMAGE, facts: { models: fact(names, 'column model') } };
    }
    if (extname(path).toLowerCase() !== '.txt') return undefined;
    const { classes } = readClassMap(path);
    return {
      kind: 'class-map',
      is: 'is a list of names',
      facts: { class_names: fact(classes, 'the lines, as a class map') },
    };
  } catch (error) {
    if (!(error instanceof TemperError) || isDamage(error)) throw error;
    return undefined;
  }
}

/** A file that may be a data set: what it is, and the images in it if it has some. */
async function asData(path: string, known: Described, control: Control): Promise<Described> {
  try {
    const data = await describeData({ source: path }, control);
    return { ...known, facts: { ...known.facts, ...data.facts }, error: data.error };
  } catch (error) {
    if (!(error instanceof TemperError)) throw error;
    if (isDamage(error)) throw error;
    const other = await asOther(path, known);
    return other ?? { ...known, notes: [`no data set: ${error.message}`] };
  }
}

/** What a gzip holds, by its first bytes. */
function insideOf(path: string): FileKind | undefined {
  const bytes = Buffer.alloc(PEEK_BYTES);
  const fd = openSync(path, 'r');
  try {
    const read = readSync(fd, bytes, 0, PEEK_BYTES, 0);
    const inner = gunzipSync(bytes.subarray(0, read), {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: 64 * PEEK_BYTES * 32,
    });
    return fileKind(inner.subarray(0, HEAD_BYTES));
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

/** A picture by its header, which is all that is read of its pixels. */
async function describePicture(path: string, kind: FileKind): Promise<Described> {
  const size = await imageSize(new Uint8Array(await readFile(path)), path);
  return { kind, is: kindText(kind).is, facts: { picture_size: fact(String(sizeText({ crop: size })), 'its header') } };
}

type Reader = (path: string, kind: FileKind, choice: ModelChoice, control: Control) => Described | Promise<Described>;

const data: Reader = (path, kind, _choice, control) => asData(path, { kind, is: kindText(kind).is }, control);
const picture: Reader = (path, kind) => describePicture(path, kind);

/** Kinds that more can be said of than their name. */
const READERS: Readonly<Partial<Record<FileKind, Reader>>> = {
  onnx: (path, _kind, choice) => describeModel(path, choice),
  safetensors: (path) => describeTensors(path),
  pytorch: (path) => describeCheckpoint('pytorch', path),
  'pytorch-legacy': (path) => describeCheckpoint('pytorch-legacy', path),
  'git-lfs': (path) => describePointer(path),
  link: (path) => describeLink(path),
  json: (path) => describeJson(path),
  gzip: async (path, kind, _choice, control) => {
    const inner = insideOf(path);
    const { is } = kindText(kind);
    if (inner === undefined) return { kind, is };
    const holds = { contents: fact(kindText(inner).is.replace(/^is (an? )?/, ''), 'its first bytes, unpacked') };
    const known = { kind, is, facts: holds };
    return inner === 'idx' || inner === 'tar' ? asData(path, known, control) : known;
  },
  tar: data,
  parquet: data,
  npy: data,
  idx: data,
  png: picture,
  jpeg: picture,
  gif: picture,
  webp: picture,
  tiff: picture,
};

const IMAGES: readonly FileKind[] = ['png', 'jpeg', 'gif', 'webp', 'tiff'];
const PICKLES: readonly FileKind[] = ['pytorch', 'pytorch-legacy', 'pickle', 'zip'];

/** What files of an ending should be. */
const BY_ENDING: Readonly<Record<string, { readonly is: string; readonly kinds: readonly FileKind[] }>> = {
  '.onnx': { is: 'an ONNX model', kinds: ['onnx'] },
  '.safetensors': { is: 'a safetensors file', kinds: ['safetensors'] },
  '.pt': { is: 'a PyTorch file', kinds: PICKLES },
  '.pth': { is: 'a PyTorch file', kinds: PICKLES },
  '.ckpt': { is: 'a checkpoint', kinds: [...PICKLES, 'safetensors', 'hdf5'] },
  '.npy': { is: 'a NumPy array', kinds: ['npy'] },
  '.npz': { is: 'an archive of arrays', kinds: ['npz', 'zip'] },
  '.parquet': { is: 'a Parquet file', kinds: ['parquet'] },
  '.tar': { is: 'a tar archive', kinds: ['tar', ...PICKLES] },
  '.gz': { is: 'a compressed file', kinds: ['gzip'] },
  '.h5': { is: 'an HDF5 file', kinds: ['hdf5'] },
  '.json': { is: 'a JSON text', kinds: ['json'] },
  ...Object.fromEntries(
    ['.png', '.jpg', '.jpeg', '.gif', '.webp', '.tif', '.tiff'].map((ending) => [
      ending,
      { is: 'an image', kinds: IMAGES },
    ]),
  ),
};

/** The name against the first bytes. */
function nameContradicts(path: string, kind: FileKind): Problem[] {
  const expected = BY_ENDING[extname(path).toLowerCase()];
  if (!expected || expected.kinds.includes(kind)) return [];
  const { is, hint } = kindText(kind);
  const message = `${path}: the name says ${expected.is}, but by its first bytes it ${is}`;
  return [{ code: 'FORMAT_MALFORMED', message, hint }];
}

/** A text where the name promises something else. */
function textContradicts(path: string, { is }: Described): Problem[] {
  const ending = extname(path).toLowerCase();
  const expected = BY_ENDING[ending];
  if (!expected || ending === '.json') return [];
  const message = `${path}: the name says ${expected.is}, but it ${is}`;
  return [{ code: 'FORMAT_MALFORMED', message, hint: 'Copy or download the file itself.' }];
}

/** A file whose first bytes say nothing: a model, a text, or nothing that is known. @throws TemperError for a damaged `.onnx` */
async function describeUnknown(
  path: string,
  head: Uint8Array,
  choice: ModelChoice,
  control: Control,
): Promise<Described> {
  const ending = extname(path).toLowerCase();
  if (looksText(head)) {
    if (['.csv', '.tsv', '.txt', '.lst', '.jsonl'].includes(ending)) {
      const table = describeTable(path);
      return table.kind === 'table' ? asData(path, table, control) : table;
    }
    const text = ending === '.json' ? describeJson(path) : describeText(path);
    return { ...text, contradictions: textContradicts(path, text) };
  }
  try {
    const model = describeModel(path, choice);
    if (ending === '.onnx' || model.facts?.operators !== undefined) return model;
  } catch (error) {
    if (!(error instanceof TemperError) || ending === '.onnx') throw error;
  }
  const start = Buffer.from(head.subarray(0, 8)).toString('hex').replace(/../g, '$& ').trim();
  return { kind: 'unknown', is: `is no kind of file that is known here (it begins with ${start})` };
}

/** What a file is. @throws TemperError INPUT_*, FORMAT_* for one that is damaged */
export async function describeFile(
  path: string,
  choice: ModelChoice,
  control: Control,
): Promise<Described & { readonly bytes: number }> {
  const source = openFile(path);
  let head: Uint8Array;
  try {
    head = readBytes(source, 0, Math.min(HEAD_BYTES, source.size));
  } finally {
    source.close();
  }
  const bytes = source.size;
  const kind = fileKind(head);
  if (kind === undefined) return { bytes, ...(await describeUnknown(path, head, choice, control)) };
  const named = nameContradicts(path, kind);
  const read = READERS[kind];
  const { is, hint } = kindText(kind);
  const found: Described = read ? await read(path, kind, choice, control) : { kind, is, notes: [hint] };
  return { bytes, ...found, contradictions: [...named, ...(found.contradictions ?? [])] };
}
