import type { MappedTensor } from '../../src/snapshots/index.ts';
import { textTable } from './text-table.ts';

/** Every tensor of a template with what it follows from. */
export function mapText(map: readonly MappedTensor[]): string {
  const cells = map.map(({ tensor, dims, expression, exact, units }) => [
    tensor,
    dims.join('×'),
    expression,
    exact ? 'exact' : `within ${units.toPrecision(2)} ulp`,
  ]);
  return textTable(['tensor of the template', 'dims', 'from the state dict', 'proof'], cells);
}
