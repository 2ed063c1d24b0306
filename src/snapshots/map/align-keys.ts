import { TemperError } from '../../core/index.ts';
import type { StateTable, StateTensor } from '../state-table.ts';
import { keysOf } from './expression.ts';
import type { StateMap } from './make-map.ts';
import { floatOf } from './values.ts';

const floats = ({ tensors }: StateTable): string[] =>
  [...tensors.values()].flatMap(({ name, type }) => (floatOf(type) === undefined ? [] : [name]));

/** What stands before every key of `longer`, and before none of `shorter`: a module around the network (`net.` of a Lightning module). */
function wrapper(shorter: readonly string[], longer: ReadonlySet<string>): string | undefined {
  const [first] = shorter;
  if (first === undefined) return undefined;
  for (const key of longer) {
    if (!key.endsWith(`.${first}`)) continue;
    const prefix = key.slice(0, key.length - first.length);
    if (shorter.every((name) => longer.has(prefix + name))) return prefix;
  }
  return undefined;
}

/** A checkpoint with the names that another one gives its tensors, where a module around the network is all that differs. */
export function alignKeys(table: StateTable, like: StateTable): StateTable {
  const [own, others] = [floats(table), floats(like)];
  if (others.every((name) => table.tensors.has(name))) return table;
  const added = wrapper(own, new Set(others));
  const removed = added === undefined ? wrapper(others, new Set(own)) : undefined;
  if (added === undefined && removed === undefined) return table;
  const renamed = [...table.tensors.values()].flatMap((tensor): StateTensor[] => {
    if (added !== undefined) return [{ ...tensor, name: added + tensor.name }];
    return removed !== undefined && tensor.name.startsWith(removed)
      ? [{ ...tensor, name: tensor.name.slice(removed.length) }]
      : [tensor];
  });
  return { ...table, tensors: new Map(renamed.map((tensor) => [tensor.name, tensor])) };
}

const LISTED = 10;

/** Refuses a checkpoint without the tensors that a map reads, listed as load_state_dict does. @throws TemperError MISMATCH_TENSOR */
export function assertMapped({ entries }: StateMap, reference: StateTable, table: StateTable): void {
  const keys = new Set(entries.flatMap(({ expression }) => keysOf(expression)));
  const findings = [...keys].flatMap((key) => {
    const [wanted, found] = [reference.tensors.get(key), table.tensors.get(key)];
    if (!found) return [`${key} is missing`];
    const same = wanted?.dims.join() === found.dims.join() && floatOf(found.type) !== undefined;
    return same ? [] : [`${key} is ${found.type} [${found.dims}], expected [${wanted?.dims}]`];
  });
  if (findings.length === 0) return;
  const more = findings.length > LISTED ? [`${findings.length - LISTED} more`] : [];
  const text = [...findings.slice(0, LISTED), ...more].join('; ');
  throw new TemperError('MISMATCH_TENSOR', `${table.path}: does not fit the map proved on ${reference.path}: ${text}`, {
    hint: 'Average checkpoints of the network that the template was exported from; `state` says which weights of each are meant.',
    details: { path: table.path, reference: reference.path, findings },
  });
}
