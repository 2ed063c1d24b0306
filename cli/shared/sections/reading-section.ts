import type { FieldRow } from '../../../src/core/index.ts';
import type { Column, Section } from '../../../src/report/index.ts';
import { type Facts, readingDocument, valueText } from '../reading-document.ts';

interface ReadModel {
  readonly model: string;
  readonly reading: Facts | undefined;
}

const COLUMNS: readonly Column[] = [
  { field: 'model', header: 'model' },
  { field: 'fact', header: 'fact' },
  { field: 'value', header: 'value' },
  { field: 'source', header: 'source' },
];

/** How models were read: each fact with its source. Nothing of models that were measured before. */
export function readingSection(models: readonly ReadModel[]): Section[] {
  const rows = models.flatMap(({ model, reading }): FieldRow[] =>
    Object.entries(readingDocument(reading ?? {})).map(([name, { value, source }]) => ({
      model,
      fact: name,
      value: valueText({ value }),
      source,
    })),
  );
  if (rows.length === 0) return [];
  return [
    {
      heading: 'How the models were read',
      parts: [{ kind: 'table', caption: 'Each fact with its source', columns: COLUMNS, rows }],
    },
  ];
}
