import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { parse } from 'csv-parse';
import { stringify } from 'csv-stringify/sync';
import { readError, TemperError } from '../../core/index.ts';
import type { Dataset, Sample } from '../../data/index.ts';

/** Samples that are turned into text at a time. */
const BLOCK = 4096;
const HEADER = 'key,label\n';

/**
 * The text of samples.csv (RFC 4180, LF): the samples in table order, the label empty where there is none. In pieces, so
 * that a table of millions is never one string.
 */
export function* samplesText(dataset: Pick<Dataset, 'sample'>, rows: Uint32Array): Generator<string> {
  yield HEADER;
  for (let at = 0; at < rows.length; at += BLOCK) {
    const cells = Array.from(rows.subarray(at, at + BLOCK), (row) => {
      const { key, label } = dataset.sample(row);
      return [key, label === undefined ? '' : String(label)];
    });
    // A lone carriage return ends a line for some readers, Python's csv among them.
    yield stringify(cells, { record_delimiter: 'unix', quoted_match: /\r/ });
  }
}

/** SHA-256 (hex) of samples.csv of these samples: how a store is recognised as made of them. */
export function samplesHash(dataset: Pick<Dataset, 'sample'>, rows: Uint32Array): string {
  const hash = createHash('sha256');
  for (const text of samplesText(dataset, rows)) hash.update(text, 'utf8');
  return hash.digest('hex');
}

function malformed(path: string, what: string, cause?: unknown): TemperError {
  return new TemperError('FORMAT_TABLE', `${path}: ${what}`, {
    hint: 'The file is damaged; copy the store again, or make it again.',
    details: { path },
    cause,
  });
}

/** A label, or none. */
function labelOf(path: string, row: number, text: string): number | undefined {
  if (text === '') return undefined;
  const label = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(label)) return label;
  throw malformed(path, `sample ${row}: label ${JSON.stringify(text)} is no class index`);
}

/**
 * Reads samples.csv, one sample after the other: memory does not grow with the table.
 * @throws TemperError INPUT_NOT_FOUND, INPUT_UNREADABLE, FORMAT_TABLE
 */
export async function* readSamples(path: string): AsyncGenerator<Sample, void, undefined> {
  const input = createReadStream(path);
  const parser = parse({ record_delimiter: '\n' });
  let failed: unknown;
  input.on('error', (error) => {
    failed = readError(path, error);
    parser.destroy(error);
  });
  let row = -1;
  try {
    for await (const record of input.pipe(parser)) {
      const cells = record as string[];
      if (cells.length !== 2) throw malformed(path, `${cells.length} columns, expected key,label`);
      const [key, label] = cells as [string, string];
      if (row < 0 && (key !== 'key' || label !== 'label')) throw malformed(path, 'the header is not key,label');
      if (row >= 0) {
        const found = labelOf(path, row, label);
        yield found === undefined ? { key } : { key, label: found };
      }
      row++;
    }
  } catch (error) {
    if (failed !== undefined) throw failed;
    throw error instanceof TemperError
      ? error
      : malformed(path, error instanceof Error ? error.message : String(error), error);
  } finally {
    input.destroy();
  }
  if (row < 0) throw malformed(path, 'is empty');
}
