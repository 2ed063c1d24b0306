import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import { readError, TemperError } from '../../core/index.ts';
import type { SampleSource } from './dataset.ts';
import { assertKind, MAX_READ_BYTES, openRanges, type RangeFile, readRange } from './file-ranges.ts';
import { IMAGE_EXTENSIONS } from './image-files.ts';
import { LABEL_NAMES } from './labels.ts';

/** Headers are looked for in steps of this size; a payload that reaches further is stepped over unread. */
const STEP_BYTES = 64 * 1024;
/** A .cls is some digits or a name; a .json describes one image. Larger ones are refused, not read. */
const MAX_LABEL_BYTES = 1 << 24;
/** Stands in for payloads that are stepped over: tar-stream counts bytes, it need not see them. */
const UNREAD = new Uint8Array(1 << 20);
const BLOCK_BYTES = 512;

/** WebDataset's rule: the key ends at the first dot of the base name, the rest is the extension. */
const MEMBER_NAME = /^((?:.*\/)?[^./][^./]*)\.([^/]*)$/;
/** Names of members that describe the archive. */
const META_NAME = /__[^/]*__($|\/)/;

/** Columns of an index: one entry a sample, in the order of the archives. */
interface TarIndex {
  readonly keys: string[];
  readonly members: string[];
  readonly shard: number[];
  readonly offset: number[];
  readonly size: number[];
  readonly labels: unknown[];
  labelFrom: string | undefined;
}

/** The members of the sample that is being read. */
interface OpenSample {
  readonly key: string;
  readonly extensions: Map<string, { name: string; offset: number; size: number }>;
  cls?: string;
  json?: unknown;
}

type Fail = (
  code: 'FORMAT_MALFORMED' | 'FORMAT_TRUNCATED' | 'FORMAT_TABLE' | 'FORMAT_LIMIT',
  what: string,
  hint: string,
  cause?: unknown,
) => TemperError;

function isImageExtension(extension: string): boolean {
  return IMAGE_EXTENSIONS.some((known) => `.${extension}`.endsWith(known));
}

/** The member that is the image: `jpg` before `mask.png`, and one only. */
function imageOf(sample: OpenSample, fail: Fail): { name: string; offset: number; size: number } {
  const images = [...sample.extensions].filter(([extension]) => isImageExtension(extension));
  const plain = images.filter(([extension]) => !extension.includes('.'));
  const candidates = plain.length > 0 ? plain : images;
  if (candidates.length !== 1) {
    const found = [...sample.extensions.keys()].map((extension) => `.${extension}`).join(', ');
    const what = `sample "${sample.key}" has ${candidates.length} images among ${found}, expected one`;
    throw fail('FORMAT_TABLE', what, `An image is a member that ends in ${IMAGE_EXTENSIONS.join(', ')}.`);
  }
  return (candidates[0] as (typeof images)[number])[1];
}

function labelOf(sample: OpenSample): [value: unknown, from: string] | undefined {
  if (sample.cls !== undefined) return [sample.cls, '.cls'];
  if (typeof sample.json !== 'object' || sample.json === null) return undefined;
  const fields = sample.json as Record<string, unknown>;
  const name = LABEL_NAMES.find((candidate) => fields[candidate] !== undefined && fields[candidate] !== null);
  return name === undefined ? undefined : [fields[name], `.json field "${name}"`];
}

function addSample(index: TarIndex, sample: OpenSample, shard: number, fail: Fail): void {
  const image = imageOf(sample, fail);
  const label = labelOf(sample);
  index.keys.push(sample.key);
  index.members.push(image.name);
  index.shard.push(shard);
  index.offset.push(image.offset);
  index.size.push(image.size);
  index.labels.push(label?.[0]);
  index.labelFrom ??= label?.[1];
}

/**
 * Feeds tar-stream with the archive's bytes, and with zeros for payloads that nobody reads: indexing costs the
 * headers, not the images. `skipTo` may run ahead of what was fed, never behind: only payload bytes are replaced.
 */
async function* headersOnly(file: RangeFile, skipTo: () => number): AsyncGenerator<Uint8Array> {
  for (let position = 0; position < file.size; ) {
    const skip = Math.min(skipTo(), file.size) - position;
    const length = skip > 0 ? Math.min(skip, UNREAD.length) : Math.min(STEP_BYTES, file.size - position);
    yield skip > 0 ? UNREAD.subarray(0, length) : await file.read(position, length);
    position += length;
  }
}

/** A name as a key's source: without './', and inside the archive. */
function cleanName(name: string, fail: Fail): string {
  const hint = 'Make the archive again with relative names, from inside its folder.';
  if (name.startsWith('/') || name.split('/').includes('..')) {
    throw fail('FORMAT_MALFORMED', `member "${name}" points outside the archive`, hint);
  }
  return name.replace(/^(\.\/)+/, '');
}

/** @throws TemperError if a compressed archive, which cannot be read by position, or one without its end */
async function assertWholeTar(file: RangeFile, fail: Fail): Promise<void> {
  const start = await file.read(0, Math.min(4, file.size));
  const magic = Buffer.from(start).toString('hex');
  if (/^(1f8b|28b52ffd|fd377a58|425a68)/.test(magic)) {
    throw new TemperError('UNSUPPORTED_FORMAT', `${file.path}: is compressed: samples cannot be read by position`, {
      hint: 'Decompress the shard first (gunzip, unzstd, xz -d): images are compressed already.',
      details: { path: file.path },
    });
  }
  await assertKind(file, 'a tar archive', ['tar', 'empty']);
  const tail = file.size >= BLOCK_BYTES ? await file.read(file.size - BLOCK_BYTES, BLOCK_BYTES) : undefined;
  if (tail?.every((byte) => byte === 0)) return;
  // Without this mark (POSIX.1-2017, pax: two zero blocks) a shard that lost its last samples would look whole.
  const what = `${file.size} bytes without an end-of-archive mark`;
  throw fail('FORMAT_TRUNCATED', what, 'Copy or write the shard again: it is incomplete.');
}

async function indexShard(path: string, shard: number, index: TarIndex): Promise<string> {
  const fail: Fail = (code, what, hint, cause) =>
    new TemperError(code, `${path}: ${what}`, { hint, details: { path }, cause });
  const file = await openRanges(path);
  try {
    await assertWholeTar(file, fail);
    let skipTo = 0;
    let sample: OpenSample | undefined;
    const tar = extract();
    const fed = pipeline(
      Readable.from(
        headersOnly(file, () => skipTo),
        { objectMode: true, highWaterMark: 1 },
      ),
      tar,
    );
    // An error reaches the loop below; the pipeline's copy of it is not lost, only not needed.
    fed.catch(() => undefined);
    tar.on('entry', (header, entry) => {
      if (!isLabelMember(header.name)) skipTo = entry.offset + BLOCK_BYTES + header.size;
    });
    for await (const entry of tar) {
      const { header } = entry;
      // The payload follows its own header block; long names come in blocks before it.
      const offset = entry.offset + BLOCK_BYTES;
      const name = header.type === 'file' || header.type === 'contiguous-file' ? cleanName(header.name, fail) : '';
      const match = META_NAME.test(name) ? null : MEMBER_NAME.exec(name);
      if (!match) {
        cleanName(header.name, fail);
        entry.resume();
        continue;
      }
      const [, key, suffix] = match as unknown as [string, string, string];
      const extension = suffix.toLowerCase();
      if (sample?.key !== key) {
        if (sample) addSample(index, sample, shard, fail);
        sample = { key, extensions: new Map() };
      }
      if (sample.extensions.has(extension)) {
        const hint = 'A sample has one member of each extension.';
        throw fail('FORMAT_TABLE', `sample "${key}" has .${extension} twice`, hint);
      }
      const { size } = header;
      if (offset + size > file.size) {
        const what = `${name}: ${size} bytes at byte ${offset}, but the file has ${file.size}`;
        throw fail('FORMAT_TRUNCATED', what, 'Copy or write the shard again: it is incomplete.');
      }
      if (size > MAX_READ_BYTES) {
        throw fail('FORMAT_LIMIT', `${name} has ${size} bytes, at most ${MAX_READ_BYTES}`, 'Leave it out.');
      }
      sample.extensions.set(extension, { name, offset, size });
      if (isLabelMember(name)) await readLabel(entry, sample, extension, size, fail);
      else entry.resume();
    }
    await fed;
    if (sample) addSample(index, sample, shard, fail);
    return file.state;
  } catch (error) {
    throw tarError(path, error, fail);
  } finally {
    await file.close();
  }
}

/** Whether the member's payload is read while indexing. */
function isLabelMember(name: string): boolean {
  return /\.(cls|json)$/i.test(name);
}

async function readLabel(
  entry: AsyncIterable<unknown>,
  sample: OpenSample,
  extension: string,
  size: number,
  fail: Fail,
): Promise<void> {
  if (size > MAX_LABEL_BYTES) {
    const what = `"${sample.key}.${extension}" has ${size} bytes, at most ${MAX_LABEL_BYTES}`;
    throw fail('FORMAT_LIMIT', what, 'A label is a class index or a name.');
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of entry) chunks.push(chunk as Uint8Array);
  const text = Buffer.concat(chunks).toString('utf8');
  if (extension === 'cls') sample.cls = text;
  if (extension !== 'json') return;
  try {
    sample.json = JSON.parse(text);
  } catch (error) {
    const what = `"${sample.key}.json": ${(error as Error).message}`;
    throw fail('FORMAT_TABLE', what, 'Write valid JSON.', error);
  }
}

/** tar-stream's errors are plain: what they mean follows from their text. */
function tarError(path: string, error: unknown, fail: Fail): TemperError {
  if (error instanceof TemperError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (/unexpected end|premature close/i.test(message)) {
    return fail('FORMAT_TRUNCATED', message, 'Copy or write the shard again: it is incomplete.', error);
  }
  if (/header/i.test(message)) return fail('FORMAT_MALFORMED', message, 'Name a tar file (ustar, GNU or pax).', error);
  return readError(path, error);
}

/**
 * WebDataset shards: tar archives in the order given, samples in the order of their members. A sample is a run of
 * members with one key (the name up to the first dot); its image is read by position later, its label is `.cls`, or
 * a field of `.json`. The key is the member's name without its extension, folders included.
 * Memory: the index, some 200 bytes a sample.
 * @throws TemperError FORMAT_TRUNCATED, FORMAT_MALFORMED (no tar, or names that leave the archive), FORMAT_TABLE (no or
 * several images in a sample), FORMAT_LIMIT, UNSUPPORTED_FORMAT (compressed), INPUT_NOT_FOUND
 */
export async function openWebDataset(path: string, shards: readonly string[]): Promise<SampleSource> {
  const index: TarIndex = { keys: [], members: [], shard: [], offset: [], size: [], labels: [], labelFrom: undefined };
  const states: string[] = [];
  for (const [number, shard] of shards.entries()) states.push(await indexShard(shard, number, index));
  const placeOf = (row: number): string => `${shards[index.shard[row] as number]}!${index.members[row]}`;
  return {
    format: 'webdataset',
    path,
    kind: 'encoded',
    length: index.keys.length,
    keys: index.keys,
    ...(index.labelFrom === undefined
      ? { unlabelled: `no .cls member, and no .json with a field named ${LABEL_NAMES.join(', ')}` }
      : { labels: { from: index.labelFrom, values: index.labels } }),
    describeRow: placeOf,
    archiveOf: (row) => shards[index.shard[row] as number] as string,
    async read(row) {
      const shard = index.shard[row] as number;
      const [offset, size] = [index.offset[row] as number, index.size[row] as number];
      const bytes = await readRange(shards[shard] as string, states[shard] as string, offset, size);
      return { kind: 'encoded', bytes, path: placeOf(row) };
    },
  };
}
