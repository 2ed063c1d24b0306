export type Cell = string | number | boolean | null | undefined;

/** A row of a table by field name (lower_snake_case); undefined and null where nothing was measured. */
export type FieldRow = Readonly<Record<string, Cell>>;
