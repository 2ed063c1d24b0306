import type { Control } from '../../core/index.ts';
import { type Model, openModel } from '../../onnx/index.ts';
import { openState } from '../open-state.ts';
import type { StateTable } from '../state-table.ts';
import { type ProvedMap, proveMap } from './prove-map.ts';

/** A graph that state dicts are put into, and the checkpoint that it was exported from. */
export interface TemplateOptions {
  /** An ONNX export of one of the checkpoints: weights go into a copy of it. @default none */
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
