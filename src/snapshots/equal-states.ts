import { createHash } from 'node:crypto';
import type { Duplicate } from './duplicates.ts';
import { sameInFiles } from './map/values.ts';
import type { StateTable, StateTensor } from './state-table.ts';

/** Read of every tensor before all of it is: checkpoints of one run differ in nearly all of them. */
const SAMPLE_BYTES = 64;

/** A digest of what the tensors are and where each begins: states that differ in it differ. */
function digestOf({ tensors }: StateTable): string {
  const hash = createHash('sha256');
  const sample = new Uint8Array(SAMPLE_BYTES);
  // Shards and safetensors have an order of their own.
  for (const name of [...tensors.keys()].toSorted()) {
    const tensor = tensors.get(name) as StateTensor;
    const cursor = tensor.open();
    const part = sample.subarray(0, Math.min(SAMPLE_BYTES, cursor.byteLength));
    if (part.length > 0) cursor.read(part);
    hash.update(`${tensor.name} ${tensor.type} ${tensor.dims.join()}\n`).update(part);
  }
  return hash.digest('hex');
}

/** Whether two tables of one digest hold the same values. */
function sameValues(a: StateTable, b: StateTable): boolean {
  return [...a.tensors.values()].every((tensor) => {
    const other = b.tensors.get(tensor.name);
    return other !== undefined && sameInFiles(tensor.open(), other.open());
  });
}

/**
 * Drops checkpoints whose weights (those that were taken) are equal to another's: timm's `last` and `model_best`. The first in this order stays.
 * A table is read whole only if every tensor of it begins like another's.
 * @throws TemperError FORMAT_TRUNCATED, INPUT_UNREADABLE
 */
export function dropEqualStates(tables: readonly StateTable[]): { kept: StateTable[]; dropped: Duplicate[] } {
  const distinct = new Map<string, StateTable[]>();
  const kept: StateTable[] = [];
  const dropped: Duplicate[] = [];
  for (const table of tables) {
    const digest = digestOf(table);
    const alike = distinct.get(digest) ?? [];
    const same = alike.find((other) => sameValues(other, table));
    if (same) {
      dropped.push({ path: table.path, of: same.path, same: 'weights' });
      continue;
    }
    kept.push(table);
    distinct.set(digest, [...alike, table]);
  }
  return { kept, dropped };
}
