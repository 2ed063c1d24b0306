/** docs/columns.md as data: what each section says that a document holds, and what of it was seen. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const PAGE = fileURLToPath(new URL('../../../docs/columns.md', import.meta.url));

interface Field {
  readonly name: string;
  /** The section of its own fields. */
  readonly section: string | undefined;
  /** Keys below it are names of files, or facts that differ by case. */
  readonly open: boolean;
  /** † : in some runs only. */
  readonly sometimes: boolean;
}

interface Section {
  readonly fields: readonly Field[];
  /** Sections whose fields are all here too (`…`). */
  readonly all: readonly string[];
}

export type ColumnsPage = ReadonlyMap<string, Section>;

const linked = (cell: string): string | undefined => /^\[(.+)\]\(#.+\)$/.exec(cell)?.[1];

function sectionOf(text: string): Section {
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| field |'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map(([, names = '', type = '']) => ({ names, type }));
  return {
    fields: rows.flatMap(({ names, type }) =>
      [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => ({
        name,
        section: linked(type),
        open: type === 'facts' || type.startsWith('by '),
        sometimes: names.includes('†'),
      })),
    ),
    all: rows.flatMap(({ names, type }) => (names === '…' ? [linked(type) ?? type] : [])),
  };
}

/** The sections by their headings. */
export function columnsPage(text = readFileSync(PAGE, 'utf8')): ColumnsPage {
  const [, ...parts] = text.split(/^## /m);
  return new Map(parts.map((part) => [part.slice(0, part.indexOf('\n')), sectionOf(part)]));
}

/** All fields of a section. @throws Error for a name that is no section */
function fieldsOf(page: ColumnsPage, name: string): readonly Field[] {
  const section = page.get(name);
  if (!section) throw new Error(`docs/columns.md has no section ${name}`);
  return [...section.fields, ...section.all.flatMap((other) => fieldsOf(page, other))];
}

/** The paths of all fields that a document must show in some run: `guard.better`. */
export function documentedPaths(page: ColumnsPage, name: string): string[] {
  return fieldsOf(page, name)
    .filter(({ sometimes }) => !sometimes)
    .flatMap((field) => [
      field.name,
      ...(field.section === undefined
        ? []
        : documentedPaths(page, field.section).map((path) => `${field.name}.${path}`)),
    ]);
}

const matches = (pattern: string, key: string): boolean =>
  pattern.endsWith('*') ? key.startsWith(pattern.slice(0, -1)) : pattern === key;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Follows a value along a section.
 * @returns the documented fields that it shows, and the paths that are not documented
 */
export function compared(page: ColumnsPage, name: string, value: unknown): { shown: string[]; unknown: string[] } {
  const [shown, unknown]: [string[], string[]] = [[], []];
  const follow = (part: unknown, section: string | undefined, path: string): void => {
    if (Array.isArray(part)) for (const one of part) follow(one, section, path);
    if (!isObject(part)) return;
    for (const [key, below] of Object.entries(part)) {
      const field = section === undefined ? undefined : fieldsOf(page, section).find((one) => matches(one.name, key));
      if (!field) {
        unknown.push(`${path}${key}`);
        continue;
      }
      shown.push(`${path}${field.name}`);
      if (!field.open) follow(below, field.section, `${path}${field.name}.`);
    }
  };
  follow(value, name, '');
  return { shown, unknown };
}

/** Sections that no other refers to: documents and tables. */
export function documentNames(page: ColumnsPage): string[] {
  const used = new Set(
    [...page.values()].flatMap(({ fields, all }) => [...all, ...fields.map(({ section }) => section)]),
  );
  return [...page.keys()].filter((name) => !used.has(name));
}
