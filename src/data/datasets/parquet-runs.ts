/** Bytes of a page that are read in order, each number bounded by them. */
interface Bytes {
  readonly view: DataView;
  offset: number;
  readonly end: number;
}

/** What is wrong, in words; the caller says where. */
class RunError extends Error {}

function byte(bytes: Bytes): number {
  if (bytes.offset >= bytes.end) throw new RunError(`runs of values end at byte ${bytes.offset}, before all are there`);
  return bytes.view.getUint8(bytes.offset++);
}

/** An unsigned LEB128 number of 32 bits. */
function varint(bytes: Bytes): number {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const next = byte(bytes);
    value += (next & 0x7f) * 2 ** shift;
    if (next < 0x80) return value;
  }
  throw new RunError('a number of more than 32 bits');
}

/**
 * Walks runs of Parquet's RLE and bit-packed hybrid without writing a value: each claims a count, which a reader would believe.
 * @param width bits of a value @param values at most so many; a packed run may go on to the end of its group of eight
 */
function assertRuns(bytes: Bytes, width: number, values: number): void {
  if (width > 32) throw new RunError(`values of ${width} bits`);
  for (let seen = 0; seen < values && bytes.offset < bytes.end; ) {
    const header = varint(bytes);
    const packed = header % 2 === 1;
    const count = Math.floor(header / 2) * (packed ? 8 : 1);
    if (count > values - seen + (packed ? 7 : 0))
      throw new RunError(`a run of ${count} values, ${values - seen} are left`);
    // The last group of eight may be cut short.
    bytes.offset += packed ? Math.min(bytes.end - bytes.offset, (count / 8) * width) : Math.ceil(width / 8);
    if (bytes.offset > bytes.end) throw new RunError('a run beyond its page');
    // A run of none takes a byte at least: it cannot go on for ever.
    seen += count;
  }
}

/** Runs behind their length in bytes, as pages of version 1 have levels. */
function assertPrefixedRuns(bytes: Bytes, width: number, values: number): void {
  if (bytes.offset + 4 > bytes.end) throw new RunError('levels beyond their page');
  const length = bytes.view.getUint32(bytes.offset, true);
  const start = bytes.offset + 4;
  if (start + length > bytes.end) throw new RunError(`levels of ${length} bytes, ${bytes.end - start} are left`);
  assertRuns({ view: bytes.view, offset: start, end: start + length }, width, values);
  bytes.offset = start + length;
}

/** Blocks of a delta encoding, which a reader allocates by. */
const MOST_BLOCK_VALUES = 2 ** 20;

function assertDelta(bytes: Bytes, values: number): void {
  const [block, parts, count] = [varint(bytes), varint(bytes), varint(bytes)];
  const fits = block <= MOST_BLOCK_VALUES && parts >= 1 && parts <= block && count <= values;
  if (!fits) throw new RunError(`${count} deltas in blocks of ${block} and ${parts} parts, at most ${values}`);
}

/** What a page's header says of its values. */
export interface PageValues {
  readonly values: number;
  readonly encoding: string;
  readonly isBoolean: boolean;
}

const isDictionary = (encoding: string): boolean => encoding.endsWith('_DICTIONARY');

/** The values of a page, behind the levels. */
function assertValues(bytes: Bytes, { values, encoding, isBoolean }: PageValues): void {
  if (bytes.offset >= bytes.end) return;
  if (isDictionary(encoding)) assertRuns(bytes, byte(bytes), values);
  else if (encoding === 'RLE' && isBoolean) assertPrefixedRuns(bytes, 1, values);
  else if (encoding.startsWith('DELTA_')) assertDelta(bytes, values);
}

/** Bits of levels up to a highest one. */
const bitsOf = (highest: number): number => 32 - Math.clz32(highest);

const viewOf = (page: Uint8Array): Bytes => ({
  view: new DataView(page.buffer, page.byteOffset, page.byteLength),
  offset: 0,
  end: page.byteLength,
});

/** The highest levels of a column, by its schema. */
export interface Levels {
  readonly repetition: number;
  readonly definition: number;
}

/**
 * A page of version 1, decompressed: levels, each behind its length, then values.
 * @throws RunError for counts that the page cannot hold
 */
export function assertPageV1(page: Uint8Array, { repetition, definition }: Levels, values: PageValues): void {
  const bytes = viewOf(page);
  for (const highest of [repetition, definition])
    if (highest > 0) assertPrefixedRuns(bytes, bitsOf(highest), values.values);
  assertValues(bytes, values);
}

/** The levels of a page of version 2, which are never compressed. @throws RunError */
export function assertLevelsV2(levels: Uint8Array, highest: number, values: number): void {
  if (highest > 0) assertRuns(viewOf(levels), bitsOf(highest), values);
}

/** The values of a page of version 2, decompressed. @throws RunError */
export function assertValuesV2(page: Uint8Array, values: PageValues): void {
  const { encoding, isBoolean } = values;
  if (encoding === 'RLE' && isBoolean) assertPrefixedRuns(viewOf(page), 1, values.values);
  else assertValues(viewOf(page), values);
}
