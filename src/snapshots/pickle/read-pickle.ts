import { countOperation, newMachine, type PickleNames, pop } from './machine.ts';
import { OPERATIONS } from './operations.ts';
import type { PickleSource } from './pickle-source.ts';
import type { PickleValue } from './pickle-value.ts';

const STOP = 0x2e;

/**
 * Reads a Python pickle, protocols 0 to 5, without running anything of it: calls of names that `names` does not know
 * become inert objects. Values may be cyclic. The source stands behind the pickle afterwards.
 *
 * Bounded: 96 MiB of objects by an upper estimate, 8 million operations; texts over 64 KiB are skipped. No recursion.
 * @throws TemperError FORMAT_MALFORMED, FORMAT_TRUNCATED, FORMAT_LIMIT
 */
export function readPickle(source: PickleSource, names: PickleNames): PickleValue {
  const machine = newMachine(source, names);
  for (;;) {
    const code = source.u8();
    if (code === STOP) return pop(machine);
    const operation = OPERATIONS[code];
    if (!operation) throw source.malformed(`operation 0x${code.toString(16).padStart(2, '0')} is none`);
    countOperation(machine);
    operation(machine);
  }
}
