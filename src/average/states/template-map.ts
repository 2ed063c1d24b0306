import type { Control } from '../../core/index.ts';
import { type Model, openModel } from '../../onnx/index.ts';
import { expressionText, openState, type ProvedMap, proveMap, type StateTable } from '../../snapshots/index.ts';
import type { MappedTensor } from '../average-record.ts';

/** A graph that averages of state dicts are put into, and the checkpoint that it was exported from. */
export interface TemplateOptions {
  /** An ONNX export of one of the checkpoints: averages go into a copy of it. @default none: outputs are safetensors */
  readonly template?: string | undefined;
  /** The checkpoint that the template was exported from. @default found by value among the inputs */
  readonly templateOf?: string | undefined;
}

/** The state dicts of a checkpoint other than the one that was taken. */
const otherStates = ({ path, state: { taken, candidates } }: StateTable): StateTable[] =>
  candidates.filter((state) => state !== taken).map((state) => openState(path, { state }));

/**
 * Opens a template, whose map is proved when it is asked for.
 * @param tables the checkpoints that are averaged, in plan order
 * @param all every checkpoint that was found
 * @throws TemperError INPUT_*, FORMAT_*, MISMATCH_TENSOR
 */
export async function withTemplate<T>(
  { template: path, templateOf }: TemplateOptions & { readonly template: string },
  { tables, all }: { readonly tables: readonly StateTable[]; readonly all: readonly StateTable[] },
  { note }: Pick<Control, 'note'>,
  use: (opened: { readonly template: Model; readonly prove: () => ProvedMap }) => T | Promise<T>,
): Promise<T> {
  const template = openModel(path);
  const opened: StateTable[] = [];
  const keep = (more: readonly StateTable[]): readonly StateTable[] => {
    opened.push(...more);
    return more;
  };
  const prove = (): ProvedMap => {
    const newest = [...tables.toReversed(), ...all.filter((table) => !tables.includes(table))];
    const named = templateOf === undefined ? newest : keep([openState(templateOf)]);
    const map = proveMap(template, [() => named, () => keep(named.flatMap(otherStates))], tables);
    for (const text of map.notes) note(text);
    const { reference } = map;
    note(
      `${path}: an export of ${reference.path}${reference.state.candidates.length > 1 ? ` (${reference.state.taken})` : ''}`,
    );
    return map;
  };
  try {
    return await use({ template, prove });
  } finally {
    for (const file of [template, ...opened]) file.close();
  }
}

/** The map as rows of a table. */
export function mapRows({ entries }: ProvedMap): MappedTensor[] {
  return entries.map(({ tensor: { name, dims }, expression, proof }) => ({
    tensor: name,
    dims,
    expression: expressionText(expression),
    exact: proof.exact,
    units: proof.worst,
  }));
}
