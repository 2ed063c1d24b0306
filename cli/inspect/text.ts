import type { Facts, InspectedFile, InspectionRecord } from '../../src/inspect/index.ts';
import { flagText } from '../shared/flag-text.ts';
import { mapText } from '../shared/map-text.ts';
import { valueText } from '../shared/reading-document.ts';

/** Tensors that are listed. */
const MOST_TENSORS = 10;

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

/** A size for people: 44.7 MB. */
function bytesText(bytes: number): string {
  const power = bytes < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value : value.toPrecision(3)} ${UNITS[power]}`;
}

/** Characters of a line of facts, without the source. */
const LINE = 100;

function factText(name: string, fact: Facts[string]): string {
  const bytes = name.endsWith('_bytes') && typeof fact.value === 'number' ? fact.value : undefined;
  return `${name} ${bytes === undefined ? valueText(fact) : bytesText(bytes)}`;
}

/** Facts of one source stand on one line, or on several, and the source behind the last. */
function factLines({ facts }: InspectedFile): string[] {
  const all = Object.entries(facts);
  const lines: string[] = [];
  let line = '';
  for (const [i, [name, fact]] of all.entries()) {
    const text = factText(name, fact);
    if (line !== '' && line.length + text.length > LINE) {
      lines.push(`  ${line};`);
      line = text;
    } else line = line === '' ? text : `${line}; ${text}`;
    if (all[i + 1]?.[1].source === fact.source) continue;
    lines.push(`  ${line}  [${flagText(fact.source)}]`);
    line = '';
  }
  return lines;
}

function tensorLines({ tensors }: InspectedFile): string[] {
  const shown = tensors.slice(0, MOST_TENSORS);
  const width = Math.max(...shown.map(({ name }) => name.length));
  const more =
    tensors.length > shown.length ? [`  … ${tensors.length - shown.length} more tensors (--json lists all)`] : [];
  return [...shown.map(({ name, type, dims }) => `  ${name.padEnd(width)}  ${type} [${dims.join(',')}]`), ...more];
}

/** The map says what the tensors are, all of them. */
const mapLines = ({ map }: InspectedFile): string[] =>
  mapText(map)
    .trimEnd()
    .split('\n')
    .map((line) => (line === '' ? '' : `  ${line}`));

function fileText(file: InspectedFile): string {
  const size = file.bytes === null ? '' : `, ${bytesText(file.bytes)}`;
  const problems = [
    ...file.contradictions.map((one) => ({ ...one, what: 'contradiction' })),
    ...(file.error ? [{ ...file.error, what: 'error' }] : []),
  ];
  const lines = [
    `${file.file} ${flagText(file.is)}${size}`,
    ...factLines(file),
    ...(file.map.length > 0 ? mapLines(file) : tensorLines(file)),
    ...file.notes.map((text) => `  note: ${flagText(text)}`),
    ...problems.flatMap(({ what, message, hint }) => [
      `  ${what}: ${flagText(message)}`,
      ...(hint === null ? [] : [`    hint: ${flagText(hint)}`]),
    ]),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** What every file is, one paragraph each; the data set last. */
export function inspectionText({ files, data }: InspectionRecord): string {
  return (data ? [...files, data] : files).map(fileText).join('\n');
}
