import { flagText } from './flag-text.ts';

export interface Fact {
  readonly value: string | number | boolean | readonly string[];
  readonly source: string;
}

/** Facts by name, or those of a model's reading. */
export type Facts = Readonly<Partial<Record<string, Fact>>> | object;

/** Facts with their sources in the words of the command line; those that nothing tells are left out. */
export function readingDocument(facts: Facts): Record<string, Fact> {
  return Object.fromEntries(
    Object.entries(facts as Readonly<Record<string, Fact | undefined>>).flatMap(([name, fact]) =>
      fact ? [[name, { value: fact.value, source: flagText(fact.source) }]] : [],
    ),
  );
}

/** Items of a list that are shown. */
const MOST_ITEMS = 5;
const LONG_ITEM = 40;

/** A fact's value in a line; a list by its first items and how many there are. */
export function valueText({ value }: Pick<Fact, 'value'>): string {
  if (typeof value === 'number') return value >= 10_000 ? value.toLocaleString('en-US') : String(value);
  if (typeof value !== 'object') return String(value);
  const shown = value.slice(0, MOST_ITEMS).join(value.some((item) => item.length > LONG_ITEM) ? '; ' : ', ');
  return value.length > MOST_ITEMS ? `${shown}, … (${value.length})` : shown;
}
