import { type Control, TemperError } from '../../core/index.ts';
import { type Model, openModel } from '../../onnx/index.ts';
import {
  onlyMapped,
  type ProvedMap,
  type StateTable,
  type TemplateOptions,
  tableByNames,
  tableOfModel,
  withTemplate,
} from '../../snapshots/index.ts';

/** ONNX files and checkpoints of one network, all as state dicts, and the graph that their average goes into. */
export interface MixedStates {
  /** In the order of their paths. */
  readonly tables: readonly StateTable[];
  readonly template: Model;
  readonly map: ProvedMap;
}

/** The newest of some files that is called as a state dict is: it serves as the template. @throws TemperError MISMATCH_INPUT */
function ownTemplate(models: readonly Model[], like: StateTable): StateTable {
  let lacks = '';
  for (const model of models.toReversed()) {
    const table = tableByNames(model, like);
    if (typeof table !== 'string') return table;
    lacks ||= `${model.path} has no ${table} of its size`;
  }
  throw new TemperError(
    'MISMATCH_INPUT',
    `${like.path} is a training checkpoint, ${models.at(-1)?.path} an ONNX model: ${lacks}`,
    {
      hint: 'Give an ONNX export of one of the checkpoints, through which both are averaged: `template` model.onnx.',
      details: { checkpoint: like.path, other: models.at(-1)?.path },
    },
  );
}

/**
 * Reads ONNX files beside checkpoints as state dicts: by the map of the template, undone. Without a template the newest of them is it, if
 * its tensors are called as those of the checkpoints.
 * @param opened told of every file, which the caller closes
 * @throws TemperError MISMATCH_INPUT for files that do not give their state dict back; MISMATCH_GRAPH; as withTemplate
 */
export async function withMixed<T>(
  paths: readonly string[],
  checkpoints: readonly StateTable[],
  options: TemplateOptions,
  { note }: Pick<Control, 'note'>,
  opened: (file: Pick<StateTable, 'close'>) => void,
  use: (mixed: MixedStates) => Promise<T>,
): Promise<T> {
  const byPath = new Map(checkpoints.map((table) => [table.path, table]));
  const models = paths.flatMap((path) => {
    if (byPath.has(path)) return [];
    const model = openModel(path);
    opened(model);
    return [model];
  });
  const own = options.template === undefined ? ownTemplate(models, checkpoints.at(-1) as StateTable) : undefined;
  if (own) note(`${own.path}: is called as the checkpoints are, and is the template`);
  const known = own ? [own, ...checkpoints] : checkpoints;
  const template = options.template ?? (own as StateTable).path;
  return withTemplate(
    { ...options, template },
    { tables: known, all: known },
    { note },
    ({ template: graph, prove }) => {
      const map = prove();
      for (const model of models)
        byPath.set(model.path, model.path === own?.path ? own : tableOfModel(model, graph, map));
      const mapped = new Map([...byPath].map(([path, table]) => [path, onlyMapped(table, map)]));
      const known = [...byPath].find(([, table]) => table === map.reference);
      const reference = (known && mapped.get(known[0])) ?? map.reference;
      const tables = paths.map((path) => mapped.get(path) as StateTable);
      return use({ tables, template: graph, map: { ...map, reference } });
    },
  );
}
